"""Tokens: what is needed to reproduce a finding, packed into one word for the command line.

A token is JSON, compressed and base64-encoded. Unpacking a token from an untrusted source creates
jobs and calls, and runs no code from it.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from collection_jobs.conformance.spec.calls import (
    Change,
    Held,
    Kept,
    Once,
    Step,
    example_job,
)
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = ["pack", "unpack"]


def pack(payload: Mapping[str, object]) -> str:
    """Pack steps, jobs and plain values into a token."""
    text = json.dumps(_plain(payload), separators=(",", ":"))
    return urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack(token: str) -> dict[str, Any]:
    """Unpack a token and return its content.

    Raises:
        ValueError: The text is not a token.
    """
    try:
        packed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        payload = _value(json.loads(zlib.decompress(packed)))
    except (ValueError, TypeError, KeyError, zlib.error):
        payload = None
    if not isinstance(payload, dict) or "check" not in payload:
        raise ValueError(f"{shown(token)} is not a token: copy the whole token of a finding")
    return cast("dict[str, Any]", payload)


def _plain(value: object) -> object:
    """Make a value what JSON can hold: what it cannot is a list that begins with a kind."""
    match value:
        case JobStatus():
            return ["status", value.value]
        case datetime() | timedelta():
            return _plain_time(value)
        case Lease() | CollectionJob() | JobQuery():
            return _plain_value(value)
        case Held():
            return ["held", value.name, _plain(value.changes)]
        case Change():
            return ["change", value.method, _plain(value.arguments), _plain(value.keywords)]
        case Step():
            return ["step", value.method, _plain(value.arguments), value.keep]
        case Once():
            return ["once", *map(_plain, value)]
        case tuple() | list() | set() | frozenset():
            return _plain_items(cast("Collection[object]", value))
        case _ if hasattr(value, "items"):
            return {key: _plain(item) for key, item in cast("dict[str, object]", value).items()}
        case _:
            return value


def _plain_items(values: Collection[object]) -> list[object]:
    if isinstance(values, set | frozenset):  # of names, or of statuses
        return ["set", *map(_plain, sorted(cast("AbstractSet[str]", values)))]
    return ["many", *map(_plain, values)]


def _plain_value(value: Kept | JobQuery) -> list[object]:
    given = {item.name: getattr(value, item.name) for item in fields(value)}
    if isinstance(value, JobQuery):
        return ["query", _plain({name: it for name, it in given.items() if it is not None})]
    if isinstance(value, Lease):
        return ["lease", _plain(given)]
    usual = example_job(value.id)
    odd = {name: it for name, it in given.items() if it != getattr(usual, name)}
    odd["revision"] = value.revision
    return ["job", value.id, _plain(odd)]


def _plain_time(value: datetime | timedelta) -> list[str | int | None]:
    if isinstance(value, timedelta):
        return ["duration", value.days, value.seconds, value.microseconds]
    if isinstance(value.tzinfo, ZoneInfo):
        return ["zoned", value.astimezone(UTC).isoformat(), value.tzinfo.key]
    return ["time", value.isoformat()]


def _value(plain: Any) -> Any:
    """Return the value that _plain made JSON of."""
    match plain:
        case {**named}:
            return {key: _value(item) for key, item in named.items()}
        case ["status", value]:
            return JobStatus(value)
        case ["time", text]:
            return datetime.fromisoformat(text)
        case ["duration", days, seconds, microseconds]:
            return timedelta(days, seconds, microseconds)
        case ["zoned", text, key]:
            return datetime.fromisoformat(text).astimezone(ZoneInfo(key))
        case ["many", *items]:
            return tuple(map(_value, items))
        case ["set", *items]:
            return frozenset(map(_value, items))
        case ["once", *items]:
            return Once(map(_value, items))
        case list():
            return _part_of_a_step(cast("list[object]", plain))
        case _:
            return plain


def _part_of_a_step(plain: Any) -> Any:
    match plain:
        case ["job", name, odd]:
            return example_job(name, **_value(odd))
        case ["lease", given]:
            return Lease(**_value(given))
        case ["query", given]:
            return JobQuery(**_value(given))
        case ["held", name, changes]:
            return Held(name, _value(changes))
        case ["change", method, arguments, keywords]:
            return Change(method, _value(arguments), _value(keywords))
        case ["step", method, arguments, keep]:
            return Step(method, _value(arguments), keep)
        case _:
            raise ValueError("a kind of value that no token has")
