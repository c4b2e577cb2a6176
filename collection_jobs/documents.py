"""Documents: a job as plain JSON values and back, exactly; and keys that sort as listings do.

For adapters over an engine that holds text or bytes. What a job may be is wider than what most
formats carry: instants from the year 1 to 9999 to the microsecond, ids that sort by code point,
candles that no float holds exactly. What goes through this module comes back equal (SAVE-1), and
a document that another program wrote or damaged is refused instead of becoming half a job.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
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
_FIELDS = frozenset(
    {
        *("id", "source", "symbols", "timeframe", "start", "end", "created_at", "status"),
        *("started_at", "finished_at", "error_message", "completed_symbols", "failed_symbols"),
        "revision",
    }
)

_dump: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970, exactly: ``timestamp()`` would go through a float."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    """The reverse of `to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def listing_key(created_at: datetime, job_id: str) -> bytes:
    """Bytes that compare as the contract orders listings: by ``created_at``, then by ``id``.

    Eight bytes of the instant, then the id in UTF-8, whose bytes sort as its code points do. At
    most 1,028 bytes. ``listing_key(since, "")`` comes before every job created at ``since``.
    """
    return (to_micros(created_at) - to_micros(_FIRST)).to_bytes(8, "big") + job_id.encode()


def to_document(job: CollectionJob) -> dict[str, Any]:
    """A job as a dict of JSON values, under the names of its fields, with its revision.

    Instants are ISO 8601 in UTC, the status its lower-case name, candles numbers below 2**63.
    """
    return {
        "id": job.id,
        "source": job.source,
        "symbols": list(job.symbols),
        "timeframe": job.timeframe,
        "start": job.start.isoformat(),
        "end": job.end.isoformat(),
        "created_at": job.created_at.isoformat(),
        "status": job.status.value,
        "started_at": None if job.started_at is None else job.started_at.isoformat(),
        "finished_at": None if job.finished_at is None else job.finished_at.isoformat(),
        "error_message": job.error_message,
        "completed_symbols": dict(job.completed_symbols),
        "failed_symbols": dict(job.failed_symbols),
        "revision": job.revision,
    }


def from_document(document: Mapping[str, Any]) -> CollectionJob:
    """The job that `to_document` described.

    Raises:
        ValueError: It is no document of a job: a field is missing, unknown or of a wrong value.
    """
    try:
        if document.keys() != _FIELDS:
            strange = sorted(_FIELDS.symmetric_difference(document))
            raise ValueError(f"missing or unknown are {shown(strange)}")
        values = dict(document)
        for name in ("start", "end", "created_at", "started_at", "finished_at"):
            if values[name] is not None:
                values[name] = datetime.fromisoformat(values[name])
        values["status"] = JobStatus(values["status"])
        return CollectionJob(**values)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"no document of a job: {error}: {shown(document)}") from error


def to_json(job: CollectionJob) -> str:
    """A job as one line of JSON, see `to_document`."""
    return _dump(to_document(job))


def from_json(text: str | bytes) -> CollectionJob:
    """The job that `to_json` described.

    Raises:
        ValueError: The text is not JSON, or no document of a job.
    """
    try:
        document: Any = json.loads(text)
    except RecursionError as error:
        raise ValueError(f"no document of a job: {shown(text)}") from error
    return from_document(document)
