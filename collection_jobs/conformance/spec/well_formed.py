"""Whether what an adapter gave out is what the entity admits: it may be built past its checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import cast

from typing_extensions import override

from collection_jobs.fields import FIELDS, Field, FieldKind
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.query import JobSummary
from collection_jobs.validation import shown

__all__ = ["Unusable", "has_order", "is_well_formed", "usable"]

_ORDERED = tuple(field for field in FIELDS if field.kind is FieldKind.INSTANT)


@dataclass(frozen=True, slots=True)
class Unusable:
    """What stands for a job without an id, or a lease that is none: no judge can look into it.

    Attributes:
        text: How it is shown.
    """

    text: str

    @override
    def __repr__(self) -> str:
        return self.text


def usable(value: object) -> object:
    """Return what a call returned, with an `Unusable` in the place of what is none of its type."""
    if isinstance(value, CollectionJob | JobSummary):
        return value if isinstance(value.id, str) else Unusable(shown(value))
    if isinstance(value, Lease):
        try:
            replace(value)  # checks every field
        except Exception:  # noqa: BLE001 - what is in its fields may raise anything
            return Unusable(shown(value))
        return value if isinstance(value.job.id, str) else Unusable(shown(value))
    if isinstance(value, list):
        items = cast("list[object]", value)
        told = list(map(usable, items))
        return items if all(map(is_, told, items)) else told
    return value


def is_well_formed(given: CollectionJob | JobSummary | Lease) -> bool:
    """Return whether the entity would admit each field of a job, a summary or a lease's job.

    What is not so breaks the law of the call that showed it. Beyond that nobody can change or save
    it.
    """
    return _are_admitted(given.job if isinstance(given, Lease) else given, FIELDS)


def has_order(job: CollectionJob) -> bool:
    """Return whether a job's instants are some, so that it has a place among other jobs."""
    return _are_admitted(job, _ORDERED)


def _are_admitted(job: CollectionJob | JobSummary, fields: Sequence[Field]) -> bool:
    try:
        for field in fields:
            if not isinstance(job, JobSummary) or hasattr(job, field.name):
                field.check(getattr(job, field.name))
    except Exception:  # noqa: BLE001 - what is in its fields may raise anything
        return False
    return True
