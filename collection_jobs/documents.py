"""Documents: a job as plain JSON values and back, exactly; and keys that sort as listings do.

For adapters over an engine that holds text or bytes. What a job may be is wider than what most
formats carry: instants from the year 1 to 9999 to the microsecond, ids that sort by code point,
candles that no float holds exactly. What goes through this module comes back equal (SAVE-1), and
a document that another program wrote or damaged is refused instead of becoming half a job.

A document says its version. One of an older release is read, and has the default of each field that
came later; one of a newer release is refused by the name of what this release does not know.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, cast

from collection_jobs.fields import FIELD_NAMES, FIELDS, FieldKind, items_of
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "VERSION",
    "from_document",
    "from_json",
    "from_micros",
    "listing_key",
    "to_document",
    "to_json",
    "to_micros",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

VERSION: int = max(field.since for field in FIELDS)
"""The version of the documents that this release writes; those without one are of version 1."""

_FINER = r"[.,]\d{6}\d*[1-9]"
_LENGTHS = {25, 32}
"""Of instants as they are written here: without a fraction, and with six digits of one."""


def _instant(text: str) -> datetime:
    """Read an instant; `fromisoformat` alone leaves out what is finer than a microsecond."""
    instant = datetime.fromisoformat(text)
    usual = len(text) in _LENGTHS and text[-6] == "+" and text[16] == ":"
    if not usual and re.search(_FINER, text):
        raise ValueError(f"an instant must be at a whole microsecond: {shown(text)}")
    return instant


def _instant_texts(instants: Mapping[str, datetime]) -> dict[str, str]:
    return {name: instant.isoformat() for name, instant in instants.items()}


def _names(names: list[str]) -> frozenset[str]:
    if type(names) is not list:
        raise TypeError(f"it must be a list of texts: {shown(names)}")
    return frozenset(names)


def _instants(texts: Mapping[str, str]) -> dict[str, datetime]:
    return {name: _instant(text) for name, text in texts.items()}


# What is not named here, or is None, is in a document as it is in a job.
_TO_JSON: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.NAMES: list,
    FieldKind.NAME_SET: sorted,
    FieldKind.INSTANT: datetime.isoformat,
    FieldKind.STATUS: attrgetter("value"),
    FieldKind.COUNTS: dict,
    FieldKind.TEXTS: dict,
    FieldKind.INSTANTS: _instant_texts,
}
_FROM_JSON: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.INSTANT: _instant,
    FieldKind.STATUS: JobStatus,
    FieldKind.NAME_SET: _names,
    FieldKind.INSTANTS: _instants,
}

_ENCODED = tuple((field.name, _TO_JSON[field.kind]) for field in FIELDS if field.kind in _TO_JSON)
_DECODED = tuple(
    (field.name, _FROM_JSON[field.kind]) for field in FIELDS if field.kind in _FROM_JSON
)
_KEYS = frozenset({"version", *FIELD_NAMES})
_values_of = attrgetter(*FIELD_NAMES)

_dump: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object that names each key once; JSON alone takes the last of several."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return values


# `json.loads` would make a decoder for each text.
_load: Callable[[str], Any] = json.JSONDecoder(object_pairs_hook=_object).decode


def to_micros(instant: datetime) -> int:
    """Count microseconds since 1970, exactly: ``timestamp()`` would go through a float."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """Give the instant of a number of microseconds: the reverse of `to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def listing_key(created_at: datetime, job_id: str) -> bytes:
    """Give bytes that compare as the contract orders listings: by ``created_at``, then by ``id``.

    Eight bytes of the instant, then the id in UTF-8, whose bytes sort as its code points do. At
    most 1,028 bytes. ``listing_key(since, "")`` comes before every job created at ``since``.
    """
    return (to_micros(created_at) - to_micros(_FIRST)).to_bytes(8, "big") + job_id.encode()


def to_document(job: CollectionJob) -> dict[str, Any]:
    """Describe a job as a dict of JSON values: its fields by their names, and the version.

    Instants are ISO 8601 in UTC, the status its lower-case name, candles numbers below 2**63.
    ``version`` is that of the document, and ``revision`` that of the job.
    """
    document: dict[str, Any] = dict(zip(FIELD_NAMES, _values_of(job), strict=True))
    for name, encode in _ENCODED:
        value = document[name]
        if value is not None:
            document[name] = encode(value)
    document["version"] = VERSION
    return document


def from_document(document: Mapping[str, Any]) -> CollectionJob:
    """Build the job that `to_document` described, in this release or an older one.

    A document of an older version has the default of each field that it does not know; one
    without a version is of version 1.

    Raises:
        ValueError: It is not a document of a job: a field is missing, unknown or of a wrong value,
            or its version is newer.
    """
    values = _values(document)
    try:
        _check_fields(values)
        del values["version"]
        _decode_fields(values)
        return CollectionJob(**values)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"not a document of a job: {error}: {shown(document)}") from error


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    if type(document) is dict:
        return dict(cast("dict[str, Any]", document))
    try:
        return dict(items_of("a document", "fields", document))
    except TypeError as error:
        raise ValueError(f"not a document of a job: {error}") from error


def _decode_fields(values: dict[str, Any]) -> None:
    """Put what JSON cannot hold as it is in place of what stands for it."""
    for name, decode in _DECODED:
        value = values.get(name)
        if value is not None:
            try:
                values[name] = decode(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} cannot be read: {error}") from error


def _check_fields(values: dict[str, Any]) -> None:
    """Refuse a document of other fields than its version has."""
    if not values.keys() <= _KEYS:
        raise ValueError(f"this release does not know {_named(values.keys() - _KEYS)}")
    version = values.setdefault("version", 1)
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(f"its version must be 1 to {VERSION}, not {shown(version)}")
    if len(values) <= len(FIELD_NAMES):
        missing = {field.name for field in FIELDS if field.since <= version} - values.keys()
        if missing:
            raise ValueError(f"it lacks {_named(missing)}")


def _named(fields: Collection[str]) -> str:
    names = ", ".join(sorted(map(shown, fields)))
    return f"the field{'' if len(fields) == 1 else 's'} {names}"


def to_json(job: CollectionJob) -> str:
    """Describe a job as one line of JSON, see `to_document`."""
    return _dump(to_document(job))


def from_json(text: str | bytes) -> CollectionJob:
    """Build the job that `to_json` described.

    Raises:
        ValueError: The text is not JSON, names a key of an object twice, or is no document of a
            job.
    """
    try:
        document: Any = (
            _load(text) if type(text) is str else json.loads(text, object_pairs_hook=_object)
        )
    except (RecursionError, ValueError) as error:
        raise ValueError(f"not a document of a job: {error}: {shown(text)}") from error
    return from_document(document)
