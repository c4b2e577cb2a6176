"""The table of the mutants that the kit was put on trial with, and what one caller needs of them.

They stand in modules by kind: those of `misrepresenting` spoil values, of `misnaming` they confuse
ids, of `misordering` listings, of `misrecording` changes and revisions; those of `mishandling` go
wrong with what is around them. Those of `eccentric` are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from typing_extensions import override

from collection_jobs import CollectionJob
from tests.mutants.stores import Memory

S = TypeVar("S", bound=type[Any])

ONE = "one caller"
LARGE = "large stores"


@dataclass(frozen=True)
class Tried:
    """One mutant.

    Attributes:
        store: It.
        check: The check that convicts it.
        laws: The laws of which this check must find at least one broken, and no other.
    """

    store: type[Any]
    check: str
    laws: frozenset[str]


TRIED: list[Tried] = []
RIGHT: list[type[Any]] = []


def tried(check: str, *laws: str) -> Callable[[S], S]:
    """Enter a mutant; what breaks SAVE-1 for a new job breaks SAVE-2 where it replaces one."""
    replacing = ("SAVE-2",) if "SAVE-1" in laws else ()

    def enter(store: S) -> S:
        TRIED.append(Tried(store, check, frozenset((*laws, *replacing))))
        return store

    return enter


def right(store: S) -> S:
    """Enter a right store."""
    RIGHT.append(store)
    return store


class Kept(Memory):
    """The in-memory repository with one hook: what it keeps of a job."""

    def kept(self, job: CollectionJob) -> CollectionJob:
        """The job as it is kept."""
        return job

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(self.kept(job))


def changed(job: CollectionJob, **fields: Any) -> CollectionJob:
    """A copy of a job with other values in some fields, and the same revision."""
    return replace(job, **fields).with_revision(job.revision)
