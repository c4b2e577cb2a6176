"""JobQuery and JobSummary: which jobs are asked for, and what is shown of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from collection_jobs.fields import NOTHING, check_metadata, members_of
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_bool,
    check_name,
    check_optional_datetime,
    check_status,
    shown,
    type_name,
)

if TYPE_CHECKING:
    from collection_jobs.job import CollectionJob
    from collection_jobs.lease import Lease

__all__ = ["JobQuery", "JobSummary", "check_final_statuses", "check_query"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Conditions on jobs, of which a job that is asked for meets every one that is given.

    A condition that is None is not asked for, so ``JobQuery()`` matches every job. Building one
    checks every condition; a wrong type is a ``TypeError`` and a wrong value a ``ValueError``, each
    with a message that shows the value.
    """

    statuses: Collection[JobStatus] | None = None
    """The job has one of these; kept as a frozenset. An empty one matches no job."""
    source: str | None = None
    """The job is of this source, compared exactly."""
    symbol: str | None = None
    """The job collects this symbol, compared exactly, whatever its outcome."""
    metadata: Mapping[str, str] | None = None
    """The job's metadata has each of these keys with this value, compared exactly, and may have
    others; read-only."""
    created_from: datetime | None = None
    """The job was created at this instant or later; aware."""
    created_before: datetime | None = None
    """The job was created before this instant; aware."""
    finished_before: datetime | None = None
    """The job has a ``finished_at``, and it is before this instant; aware."""
    with_failures: bool | None = None
    """Whether at least one symbol of the job is failed (True), or none is (False)."""

    def __post_init__(self) -> None:
        """Check every condition and put it into its normal form."""
        put = object.__setattr__  # the one way to set a field of a frozen instance
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None:
                put(self, name, check(value))

    def __hash__(self) -> int:
        """Leave out the mapping among the conditions, which has no hash of its own."""
        return hash((self.statuses, self.source, self.symbol, self.created_from))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by values: a read-only mapping cannot do it by itself."""
        values = {name: getattr(self, name) for name in _CHECKS}
        if self.metadata is not None:
            values["metadata"] = dict(self.metadata)
        return _query, (values,)

    def matches(self, job: CollectionJob) -> bool:
        """Return whether a job meets every condition: this is their definition."""
        return (
            (self.statuses is None or job.status in self.statuses)
            and (self.source is None or job.source == self.source)
            and (self.symbol is None or self.symbol in job.symbols)
            and (self.metadata is None or self.metadata.items() <= job.metadata.items())
            and (self.created_from is None or job.created_at >= self.created_from)
            and (self.created_before is None or job.created_at < self.created_before)
            and (self.finished_before is None or _is_before(job.finished_at, self.finished_before))
            and (self.with_failures is None or bool(job.failed_symbols) is self.with_failures)
        )


def _is_before(instant: datetime | None, other: datetime) -> bool:
    return instant is not None and instant < other


def _query(values: dict[str, Any]) -> JobQuery:
    return JobQuery(**values)


def _check_statuses(value: Collection[JobStatus]) -> frozenset[JobStatus]:
    if issubclass(type(value), str):
        raise TypeError(
            f"statuses must be a collection of JobStatus, not a single one, as in "
            f"[JobStatus.FAILED]: {shown(value)}"
        )
    return frozenset([check_status(one) for one in members_of("statuses", "JobStatus", value)])


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "statuses": _check_statuses,
    "source": lambda value: check_name("source", value),
    "symbol": lambda value: check_name("symbol", value),
    "metadata": check_metadata,
    "created_from": lambda value: check_optional_datetime("created_from", value),
    "created_before": lambda value: check_optional_datetime("created_before", value),
    "finished_before": lambda value: check_optional_datetime("finished_before", value),
    "with_failures": lambda value: check_bool("with_failures", value),
}


def check_query(value: JobQuery) -> JobQuery:
    """Accept a JobQuery: its conditions were checked when it was built."""
    if type(value) is not JobQuery:
        raise TypeError(f"query must be a JobQuery, not {type_name(value)}: {shown(value)}")
    return value


def check_final_statuses(value: Collection[JobStatus]) -> frozenset[JobStatus]:
    """Accept some of the statuses that no job leaves: COMPLETED and CANCELLED."""
    statuses = _check_statuses(value)
    for status in sorted(statuses):
        if not status.is_final:
            raise ValueError(
                f"statuses must be final, COMPLETED or CANCELLED, and {status.name} is not: "
                f"{shown(value)}"
            )
    return statuses


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job without what grows with its outcomes, and with what became of them in numbers.

    A repository gives summaries out, read without the outcomes. Two are equal when all their fields
    but ``revision`` are.
    """

    id: str
    """The job's identity."""
    source: str
    """The exchange or data provider."""
    symbols: tuple[str, ...]
    """What to collect, in the job's order."""
    timeframe: str
    """The candles' length."""
    start: datetime
    """The first instant of the range, in UTC."""
    end: datetime
    """The first instant after the range, in UTC."""
    created_at: datetime
    """When the job was made, in UTC; with ``id`` the key of the listing."""
    status: JobStatus
    """Where the job stands in its lifecycle."""
    started_at: datetime | None = None
    """When the job last became RUNNING, if it has since it was last PENDING."""
    finished_at: datetime | None = None
    """When the job became COMPLETED, FAILED or CANCELLED, if that is its status."""
    error_message: str | None = None
    """Why the job failed, or what else its last change of status carried."""
    metadata: Mapping[str, str]
    """What the job's owner keeps with it; read-only."""
    stats: JobStats
    """The aggregates of the outcomes, of the same instant as the rest."""
    worker: str | None = None
    """Who holds the job's current lease; None if there is none, or the adapter has no leases."""
    expires_at: datetime | None = None
    """When that lease expires, or has expired, in UTC."""
    revision: int | None = field(default=None, compare=False)
    """The job's revision. Not part of equality."""

    @classmethod
    def from_job(cls, job: CollectionJob, lease: Lease | None = None) -> JobSummary:
        """Summarise a job, and its current lease if it has one: this is their definition."""
        values: dict[str, Any] = {name: getattr(job, name) for name in _OF_JOB}
        return cls(
            **values,
            stats=JobStats.from_job(job),
            worker=None if lease is None else lease.worker,
            expires_at=None if lease is None else lease.expires_at,
        )

    def __hash__(self) -> int:
        """Equal summaries have equal ids."""
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by values: a read-only mapping cannot do it by itself."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["metadata"] = dict(self.metadata)
        return _summary, (values,)


def _summary(values: dict[str, Any]) -> JobSummary:
    metadata: dict[str, str] = values.pop("metadata")
    return JobSummary(**values, metadata=MappingProxyType(metadata) if metadata else NOTHING)


_OF_JOB = tuple(
    name for name in JobSummary.__slots__ if name not in ("stats", "worker", "expires_at")
)
