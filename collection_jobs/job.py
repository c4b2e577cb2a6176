"""CollectionJob: the aggregate root, frozen; every change returns a new job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar, cast, final

from collection_jobs.errors import ForbiddenTransitionError, UnknownSymbolError
from collection_jobs.fields import FIELD_NAMES, FIELDS, MAX_FAILURES, NO_SYMBOLS, NOTHING, POSITIONS
from collection_jobs.status import JobStatus
from collection_jobs.validation import (
    check_bool,
    check_candles,
    check_datetime,
    check_name,
    check_optional_text,
    check_revision,
    check_status,
    check_text,
    shown,
    type_name,
)

__all__ = ["CollectionJob", "check_job", "check_jobs", "draft_of_job", "restore_job"]


_V = TypeVar("_V")


def _now() -> datetime:
    return datetime.now(UTC)


def _no_candles() -> Mapping[str, int]:
    return NOTHING


def _no_texts() -> Mapping[str, str]:
    return NOTHING


def _no_instants() -> Mapping[str, datetime]:
    return NOTHING


_CHECKS = tuple(item.check for item in FIELDS)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionJob:
    """A download of the candles of some symbols, at one timeframe, over one range, from one source.

    A job is a value: it never changes, and its changes are new jobs. Two jobs are equal when all
    their fields but ``revision`` are. Building one checks every field; a wrong type is a
    ``TypeError`` and a wrong value a ``ValueError``, each with a message that shows the value.

    All datetimes must be aware and are normalised to UTC, to the microsecond. In free text
    (``error_message``, the errors of failed symbols, the values of ``metadata``) NUL and lone
    surrogates, which databases cannot hold, are replaced with U+FFFD, so that no error report is
    lost to its own text. Free text of more than 65,535 bytes of UTF-8 is cut at a character, and
    ends in a line that says how many bytes were left out. An instance of a subclass of ``int``,
    ``str`` or ``datetime`` becomes the plain value that it is.

    The class is final: no store would keep the fields of a subclass.
    """

    id: str
    """The job's identity, 1 to 255 characters, compared exactly."""
    source: str
    """The exchange or data provider, 1 to 255 characters."""
    symbols: tuple[str, ...]
    """What to collect, 1 to 100,000 symbols, each once, in the caller's order."""
    timeframe: str
    """The candles' length in the exchanges' spelling ("1m", "4h"); not interpreted."""
    start: datetime
    """The first instant of the range."""
    end: datetime
    """The first instant after the range, which is half-open, with ``start < end``."""
    created_at: datetime = field(default_factory=_now)
    """When the job was made; orders every listing."""
    status: JobStatus = JobStatus.PENDING
    """Where the job stands in its lifecycle."""
    started_at: datetime | None = None
    """When the job last became RUNNING, if it has since it was last PENDING."""
    finished_at: datetime | None = None
    """When the job became COMPLETED, FAILED or CANCELLED, if that is its status."""
    error_message: str | None = None
    """Why the job failed, or what else its last change of status carried."""
    completed_symbols: Mapping[str, int] = field(default_factory=_no_candles)
    """Symbol to number of candles, 0 or more and below 2**63, for each completed symbol; read-only.
    """
    failed_symbols: Mapping[str, str] = field(default_factory=_no_texts)
    """Symbol to error, for each failed symbol; read-only."""
    metadata: Mapping[str, str] = field(default_factory=_no_texts)
    """What the job's owner keeps with it, such as an asset class or a ticket, under at most 1,000
    keys of 1 to 255 characters, compared exactly, each with a free text; read-only. Their order is
    not part of equality, and a store need not keep it.
    """
    permanent_failures: frozenset[str] = NO_SYMBOLS
    """Those of the failed symbols that no retry can mend."""
    failure_counts: Mapping[str, int] = field(default_factory=_no_candles)
    """Symbol to how often a failure of it was recorded, 1 or more, whatever else was recorded in
    between; read-only. It does not grow beyond 2**63 - 1.
    """
    cursors: Mapping[str, datetime] = field(default_factory=_no_instants)
    """Symbol to the instant up to which it was collected, from ``start`` to ``end``, for symbols
    that have no outcome yet, or failed; read-only. Of a symbol that completes it is gone.
    """
    revision: int | None = field(default=None, compare=False)
    """The store's count of changes when the job was read from it; None on a job that no store has
    given out. Not part of equality.
    """

    def __post_init__(self) -> None:
        """Check every field and put it into its normal form."""
        put = object.__setattr__  # the one way to set a field of a frozen instance
        for name, check, value in zip(FIELD_NAMES, _CHECKS, _values(self), strict=True):
            checked = check(value)
            if checked is not value:
                put(self, name, checked)
        if self.start >= self.end:
            raise ValueError(
                f"start must be before end: {self.start.isoformat()} is not before "
                f"{self.end.isoformat()}"
            )
        if any(_of_symbols(self)):
            self._check_outcomes_belong()
            self._check_cursors_belong()

    @property
    def symbols_left(self) -> tuple[str, ...]:
        """The symbols that a worker has still to collect, in order.

        They are those that are neither completed nor permanently failed.
        """
        done = self.completed_symbols.keys() | self.permanent_failures
        return tuple([symbol for symbol in self.symbols if symbol not in done])

    def _check_outcomes_belong(self) -> None:
        known = set(self.symbols)
        for name, outcomes in zip(_OF_SYMBOLS, _of_symbols(self), strict=True):
            if not known.issuperset(outcomes):
                strange = next(symbol for symbol in outcomes if symbol not in known)
                raise ValueError(f"{name} must lie within symbols, which lack {shown(strange)}")
        both = self.completed_symbols.keys() & self.failed_symbols.keys()
        if both:
            raise ValueError(f"a symbol is completed or failed, not both: {shown(min(both))}")
        unfailed = self.permanent_failures - self.failed_symbols.keys()
        if unfailed:
            raise ValueError(
                f"permanent_failures must lie within failed_symbols, which lack "
                f"{shown(min(unfailed))}"
            )

    def _check_cursors_belong(self) -> None:
        for symbol, until in self.cursors.items():
            if symbol in self.completed_symbols:
                raise ValueError(f"a completed symbol has no cursor: {shown(symbol)}")
            self._check_within_range(until, f"the cursor of {shown(symbol)}")

    def _check_within_range(self, instant: datetime, what: str) -> datetime:
        if not self.start <= instant <= self.end:
            raise ValueError(
                f"{what} must lie within {self.start.isoformat()} to {self.end.isoformat()}: "
                f"{instant.isoformat()}"
            )
        return instant

    def __hash__(self) -> int:
        """Equal jobs have equal ids; the mappings among the fields have no hash of their own."""
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and deep-copy by values: a read-only mapping can do neither by itself."""
        values: dict[str, Any] = {
            name: dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
            for name, value in zip(FIELD_NAMES, _values(self), strict=True)
        }
        return _rebuild, (values,)

    def with_status(
        self, status: JobStatus, *, error_message: str | None = None, at: datetime | None = None
    ) -> CollectionJob:
        """Change the status as the lifecycle says; outcomes and revision stay.

        RUNNING sets ``started_at`` and clears ``finished_at``; COMPLETED, FAILED and CANCELLED set
        ``finished_at``; PENDING clears both. ``error_message`` becomes what is given, None
        included.

        Args:
            status: The new status.
            error_message: What to remember of this change.
            at: The instant of the change, aware; default: now.

        Raises:
            ForbiddenTransitionError: The lifecycle does not permit this change.
        """
        if not self.status.can_become(check_status(status)):
            raise ForbiddenTransitionError(self.id, self.status, status)
        at = _now() if at is None else check_datetime("at", at)
        started_at, finished_at = self.started_at, self.finished_at
        if status is JobStatus.RUNNING:
            started_at, finished_at = at, None
        elif status is JobStatus.PENDING:
            started_at, finished_at = None, None
        else:
            finished_at = at
        return self._changed(
            status=status,
            started_at=started_at,
            finished_at=finished_at,
            error_message=check_optional_text("error_message", error_message),
        )

    def start_running(self, *, at: datetime | None = None) -> CollectionJob:
        """Return the job as RUNNING: a worker took it."""
        return self.with_status(JobStatus.RUNNING, at=at)

    def complete(self, *, at: datetime | None = None) -> CollectionJob:
        """Return the job as COMPLETED."""
        return self.with_status(JobStatus.COMPLETED, at=at)

    def fail(self, error_message: str, *, at: datetime | None = None) -> CollectionJob:
        """Return the job as FAILED, with the reason."""
        return self.with_status(JobStatus.FAILED, error_message=error_message, at=at)

    def cancel(
        self, error_message: str | None = None, *, at: datetime | None = None
    ) -> CollectionJob:
        """Return the job as CANCELLED."""
        return self.with_status(JobStatus.CANCELLED, error_message=error_message, at=at)

    def give_back(self) -> CollectionJob:
        """Return the job as PENDING again: its worker, or a retry, gives it back."""
        return self.with_status(JobStatus.PENDING)

    def with_completed_symbol(self, symbol: str, candles: int) -> CollectionJob:
        """Record that ``candles`` candles of ``symbol`` were collected, whatever it was before.

        Its cursor is gone, and its failures stay counted.

        Raises:
            UnknownSymbolError: The job does not collect this symbol.
        """
        symbol = self._check_symbol(symbol)
        return self._changed(
            completed_symbols=_with(self.completed_symbols, symbol, check_candles(candles)),
            failed_symbols=_without(self.failed_symbols, symbol),
            permanent_failures=self.permanent_failures - {symbol},
            cursors=_without(self.cursors, symbol),
        )

    def with_failed_symbol(
        self, symbol: str, error: str, *, permanent: bool = False
    ) -> CollectionJob:
        """Record that ``symbol`` failed, and why, whatever it was before; count the failure.

        Args:
            symbol: One of the job's symbols.
            error: Why it failed.
            permanent: Whether no retry can mend it.

        Raises:
            UnknownSymbolError: The job does not collect this symbol.
        """
        symbol = self._check_symbol(symbol)
        is_permanent = check_bool("permanent", permanent)
        marked = self.permanent_failures | {symbol} if is_permanent else self.permanent_failures
        return self._changed(
            completed_symbols=_without(self.completed_symbols, symbol),
            failed_symbols=_with(self.failed_symbols, symbol, check_text("error", error)),
            permanent_failures=marked if is_permanent else marked - {symbol},
            failure_counts=_with(
                self.failure_counts,
                symbol,
                min(self.failure_counts.get(symbol, 0) + 1, MAX_FAILURES),
            ),
        )

    def with_cursor(self, symbol: str, until: datetime) -> CollectionJob:
        """Record up to where ``symbol`` was collected; a completed one stays without a cursor.

        Args:
            symbol: One of the job's symbols.
            until: The first instant that is still to be collected, from ``start`` to ``end``.

        Raises:
            UnknownSymbolError: The job does not collect this symbol.
            ValueError: ``until`` lies outside the job's range.
        """
        until = check_datetime("until", until)
        symbol = self._check_symbol(symbol)
        self._check_within_range(until, "until")
        if symbol in self.completed_symbols:
            return self
        return self._changed(cursors=_with(self.cursors, symbol, until))

    def with_revision(self, revision: int | None) -> CollectionJob:
        """Return the job as a store gives it out at ``revision``; None saves unconditionally."""
        return self._changed(revision=check_revision(revision))

    def _check_symbol(self, symbol: str) -> str:
        checked = check_name("symbol", symbol)
        if checked not in self.symbols:
            raise UnknownSymbolError(self.id, checked)
        return checked

    def _changed(self, **changes: Any) -> CollectionJob:
        """Return a copy with some fields changed, to checked values: it skips __post_init__."""
        values = list(_values(self))
        for name, value in changes.items():
            values[POSITIONS[name]] = value
        return restore_job(values)


_values = attrgetter(*FIELD_NAMES)
_OF_SYMBOLS = (
    *("completed_symbols", "failed_symbols", "permanent_failures", "failure_counts", "cursors"),
)
_of_symbols = attrgetter(*_OF_SYMBOLS)
# A class of the same slots, whose instances can be written to: plain assignments take a seventh of
# the time that object.__setattr__ takes for a frozen one.
draft_of_job: Any = type("_Draft", (), {"__slots__": FIELD_NAMES})
"""Makes an object of the same slots; it becomes a job by its ``__class__``, once all are filled."""


def _with(mapping: Mapping[str, _V], key: str, value: _V) -> Mapping[str, _V]:
    return MappingProxyType({**mapping, key: value})


def _without(mapping: Mapping[str, _V], key: str) -> Mapping[str, _V]:
    if key not in mapping:
        return mapping
    left = {other: value for other, value in mapping.items() if other != key}
    return MappingProxyType(left) if left else NOTHING


def restore_job(values: Iterable[Any]) -> CollectionJob:
    """Build a job from a store's own values, unchecked: thirty times as fast as the constructor.

    Only for stores that refuse what the entity would refuse, for instance by CHECK constraints.

    Args:
        values: One value for each field, in the fields' order, each in its normal form: plain
            datetimes in UTC, a tuple of symbols, read-only mappings, a frozenset.
    """
    job = draft_of_job()
    (
        job.id, job.source, job.symbols, job.timeframe, job.start, job.end, job.created_at,
        job.status, job.started_at, job.finished_at, job.error_message,
        job.completed_symbols, job.failed_symbols, job.metadata, job.permanent_failures,
        job.failure_counts, job.cursors, job.revision,
    ) = values  # fmt: skip
    job.__class__ = CollectionJob
    restored: CollectionJob = job
    return restored


def _rebuild(values: dict[str, Any]) -> CollectionJob:
    """Build a job from what was pickled: unchecked, as it was checked, unless fields were added."""
    if tuple(values) != FIELD_NAMES:
        return CollectionJob(**values)
    return restore_job(map(_read_only, values.values()))


def _read_only(value: Any) -> Any:
    if type(value) is not dict:
        return value
    mapping = cast("dict[str, Any]", value)
    return MappingProxyType(mapping) if mapping else NOTHING


def check_jobs(value: Iterable[CollectionJob]) -> list[CollectionJob]:
    """Accept jobs, and go through them, which may be possible only once."""
    if not issubclass(type(value), Iterable):
        raise _wrong_type("jobs", value, "an iterable of CollectionJob")
    return [check_job(job) for job in value]


def check_job(value: CollectionJob) -> CollectionJob:
    """Accept a CollectionJob: its fields were checked when it was built.

    An instance of a subclass is a ``TypeError``: no store would keep what the subclass adds.
    """
    if type(value) is CollectionJob:
        return value
    if issubclass(type(value), CollectionJob):
        raise _wrong_type("job", value, "a CollectionJob itself, whose fields a store keeps")
    raise _wrong_type("job", value, "a CollectionJob")


def _wrong_type(name: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{name} must be {expected}, not {type_name(value)}: {shown(value)}")
