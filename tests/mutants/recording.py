"""Repositories with one planted bug each in what they record of failures and of cursors.

Each derives from the in-memory repository, and one caller alone can see what is wrong. `BUGS` gives
for each exactly the laws that convict it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    InMemoryCollectionJobRepository,
    JobNotFoundError,
    JobStatus,
    LeaseLostError,
    UnknownSymbolError,
)
from collection_jobs.lease import Lease, check_lease
from collection_jobs.validation import check_bool, check_datetime, check_name, check_text

__all__ = ["BUGS", "Recording"]

BUGS: dict[type[Recording], frozenset[str]] = {}


def breaks(*laws: str) -> Callable[[type[Recording]], type[Recording]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Recording]) -> type[Recording]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


def without(mapping: Mapping[str, object], symbol: str) -> dict[str, object]:
    """A mapping less one of its keys."""
    return {key: value for key, value in mapping.items() if key != symbol}


class Recording(InMemoryCollectionJobRepository):
    """Looks, and lets the mutants say what becomes of a job."""

    @override
    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        error, permanent = check_text("error", error), check_bool("permanent", permanent)
        self.fence(lease, job_id)
        self._put(self.failed(self._existing(job_id), symbol, error, permanent=permanent))

    @override
    async def add_failed_symbol(
        self, job_id: str, symbol: str, error: str, *, lease: Lease | None = None
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        error = check_text("error", error)
        self.fence(lease, job_id)
        self._put(self.failed_once(self._existing(job_id), symbol, error))

    @override
    async def add_completed_symbol(
        self, job_id: str, symbol: str, candles: int, *, lease: Lease | None = None
    ) -> None:
        before = self._jobs.get(job_id) if type(job_id) is str else None
        await super().add_completed_symbol(job_id, symbol, candles, lease=lease)
        assert before is not None
        self.rewrite(self.completed(before, self._existing(job_id), symbol))

    @override
    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        job_id, symbol = check_name("job_id", job_id), check_name("symbol", symbol)
        until = check_datetime("until", until)
        self.fence(lease, job_id)
        former = self._existing(job_id)
        job = self.with_cursor(former, symbol, until)
        if job is not former:
            self._put(job)

    def fence(self, lease: Lease | None, job_id: str) -> None:
        self._check_lease(lease, job_id)

    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        return job.with_failed_symbol(symbol, error, permanent=permanent)

    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        return job.with_failed_symbol(symbol, error)

    def completed(self, before: CollectionJob, job: CollectionJob, symbol: str) -> CollectionJob:
        return job

    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        return job.with_cursor(symbol, until)

    def rewrite(self, job: CollectionJob) -> None:
        """Store what a job holds, at the revision that it has."""
        self._jobs[job.id] = job


# Permanent failures


@breaks("FAILED-1", "FAILURE-1")
class MarksForGood(Recording):
    """ON CONFLICT DO NOTHING into a table of dead symbols: a mark survives every later failure."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        was = symbol in job.permanent_failures
        return job.with_failed_symbol(symbol, error, permanent=permanent or was)

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        return self.failed(job, symbol, error, permanent=False)


@breaks("FAILED-1")
class LeavesTheMark(Recording):
    """add_failed_symbol is older than the mark, and updates the error only."""

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        was = symbol in job.permanent_failures
        return job.with_failed_symbol(symbol, error, permanent=was)


@breaks("COMPLETED-1")
class MarksTheCompleted(Recording):
    """A completion leaves the row of the mark: the next look has it again."""

    @override
    def completed(self, before: CollectionJob, job: CollectionJob, symbol: str) -> CollectionJob:
        return job._changed(permanent_failures=before.permanent_failures)


@breaks("FAILURE-1")
class NeverMarks(Recording):
    """Takes the argument, and passes it to nobody."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        return job.with_failed_symbol(symbol, error)


@breaks("FAILURE-1")
class MarksAll(Recording):
    """One column for the job: a permanent failure of a symbol is one of all that failed."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        job = job.with_failed_symbol(symbol, error, permanent=permanent)
        return job._changed(permanent_failures=frozenset(job.failed_symbols)) if permanent else job


@breaks("FAILURE-1")
class OnlyMarks(Recording):
    """A permanent failure of a symbol that completed leaves its candles beside the error."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        return failed._changed(completed_symbols=job.completed_symbols) if permanent else failed


@breaks("SAVE-1")
class SavesNoMarks(Recording):
    """save knows the columns of version 2."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.rewrite(self._jobs[job.id]._changed(permanent_failures=frozenset()))


@breaks("FAILURE-1")
class RefusesNobody(Recording):
    """An UPDATE of no row is as good as one of a row."""

    @override
    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        try:
            await super().add_failure(job_id, symbol, error, permanent=permanent, lease=lease)
        except (JobNotFoundError, UnknownSymbolError):
            return


# Counts


@breaks("FAILED-1")
class CountsOneMethod(Recording):
    """add_failed_symbol is older than the counts, and does not count."""

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error)
        return failed._changed(failure_counts=job.failure_counts)


@breaks("FAILURE-2")
class CountsNoPermanent(Recording):
    """A permanent failure is no attempt, somebody thought."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        return failed._changed(failure_counts=job.failure_counts) if permanent else failed


@breaks("FAILED-1", "FAILURE-2")
class CountsFailedSymbols(Recording):
    """count = 1 on INSERT, + 1 ON CONFLICT: a completion in between starts it anew."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        if symbol in job.failed_symbols:
            return failed
        return failed._changed(failure_counts={**failed.failure_counts, symbol: 1})

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        return self.failed(job, symbol, error, permanent=False)


@breaks("COMPLETED-1")
class ForgetsAtCompletion(Recording):
    """DELETE FROM failures at a completion, with the count in the same row."""

    @override
    def completed(self, before: CollectionJob, job: CollectionJob, symbol: str) -> CollectionJob:
        return job._changed(failure_counts=without(job.failure_counts, symbol))


@breaks("SAVE-1")
class ResetsAtASave(Recording):
    """A save writes the outcomes anew, each with the count of its row's default."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        counts = dict.fromkeys(job.failed_symbols, 1)
        self.rewrite(self._jobs[job.id]._changed(failure_counts=counts))


@breaks("SAVE-1", "SAVE-2")
class KeepsOldCounts(Recording):
    """A save leaves the counts of the stored job: they only grow."""

    @override
    async def save(self, job: CollectionJob) -> None:
        before = self._jobs.get(job.id)
        await super().save(job)
        if before is not None:
            own = {name: n for name, n in before.failure_counts.items() if name in job.symbols}
            counts = {**job.failure_counts, **own}
            self.rewrite(self._jobs[job.id]._changed(failure_counts=counts))


@breaks("FAILED-1", "FAILURE-2")
class CountsInSixteenBits(Recording):
    """A SMALLINT that stays at its greatest value."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        counts = {**failed.failure_counts, symbol: min(failed.failure_counts[symbol], 2**15 - 1)}
        return failed._changed(failure_counts=counts)

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        return self.failed(job, symbol, error, permanent=False)


@breaks("FAILED-1", "FAILURE-2")
class CountsByJob(Recording):
    """One counter for the job, shown for each of its symbols that failed."""

    @override
    def failed(
        self, job: CollectionJob, symbol: str, error: str, *, permanent: bool
    ) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error, permanent=permanent)
        total = sum(Counter(failed.failure_counts).values())
        return failed._changed(failure_counts=dict.fromkeys(failed.failure_counts, total))

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        return self.failed(job, symbol, error, permanent=False)


# Cursors


@breaks("COMPLETED-1")
class ResumesTheCompleted(Recording):
    """A completion leaves the cursor: whoever collects the symbol again begins in the middle."""

    @override
    def completed(self, before: CollectionJob, job: CollectionJob, symbol: str) -> CollectionJob:
        return job._changed(cursors=before.cursors)


@breaks("CURSOR-1")
class TakesAnyInstant(Recording):
    """No check of the range: a worker's bug is the next worker's range."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        if symbol in job.completed_symbols or symbol not in job.symbols:
            return job.with_cursor(symbol, job.start)
        return job._changed(cursors={**job.cursors, symbol: until})


@breaks("CURSOR-1")
class ClampsCursors(Recording):
    """A cursor beyond the range is set to its bound, and nobody hears of it."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        return job.with_cursor(symbol, min(max(until, job.start), job.end))


@breaks("CURSOR-1")
class LeavesTheEndOut(Recording):
    """``start <= until < end``: who is done with all candles cannot say so."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        if until == job.end and symbol in job.symbols:
            raise ValueError(f"until must be before {job.end}")
        return job.with_cursor(symbol, until)


@breaks("CURSOR-1")
class OneCursorForAll(Recording):
    """The cursor is a column of the job."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        after = job.with_cursor(symbol, until)
        return after if after is job else after._changed(cursors={symbol: until})


@breaks("CURSOR-1")
class OnlyGoesForward(Recording):
    """GREATEST(cursor, ?): who wants to collect the last hour again cannot."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        if symbol in job.cursors and job.start <= until:
            until = max(until, job.cursors[symbol])
        return job.with_cursor(symbol, until)


@breaks("CURSOR-1")
class WholeSeconds(Recording):
    """Keeps a cursor as seconds since 1970."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        after = job.with_cursor(symbol, until)
        if after is job:
            return job
        return after._changed(cursors={**after.cursors, symbol: until.replace(microsecond=0)})


@breaks("FAILED-1")
class FailuresLoseCursors(Recording):
    """The row of a symbol is replaced by its failure, and the cursor with it."""

    @override
    def failed_once(self, job: CollectionJob, symbol: str, error: str) -> CollectionJob:
        failed = job.with_failed_symbol(symbol, error)
        return failed._changed(cursors=without(failed.cursors, symbol))


@breaks("CURSOR-1", "SAVE-4")
class CursorsOfTheCompleted(Recording):
    """Sets a cursor also where the symbol has completed."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        if symbol not in job.completed_symbols or not job.start <= until <= job.end:
            return job.with_cursor(symbol, until)
        return job._changed(cursors={**job.cursors, symbol: until})


@breaks("SAVE-4")
class TouchesTheCompleted(Recording):
    """UPDATE jobs SET revision = ... comes first, and then there is nothing to set."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        after = job.with_cursor(symbol, until)
        return replace(after) if after is job else after


@breaks("SAVE-4")
class SetsInSilence(Recording):
    """Writes the row of the cursor, and forgets the revision in that of the job."""

    @override
    def with_cursor(self, job: CollectionJob, symbol: str, until: datetime) -> CollectionJob:
        self.rewrite(job.with_cursor(symbol, until))
        return job


@breaks("STATUS-3")
class RetriesFromTheStart(Recording):
    """A job that is given back loses its cursors."""

    @override
    async def update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None = None,
        *,
        lease: Lease | None = None,
    ) -> bool:
        changed = await super().update_status(job_id, status, error_message, lease=lease)
        if changed and status is JobStatus.PENDING:
            self.rewrite(self._existing(job_id)._changed(cursors={}))
        return changed


# Leases


@breaks("LEASE-3")
class FailsWithoutAFence(Recording):
    """Takes a lease, checks that it is one of this job, and asks nobody whether it is current."""

    @override
    async def add_failure(
        self,
        job_id: str,
        symbol: str,
        error: str,
        *,
        permanent: bool = False,
        lease: Lease | None = None,
    ) -> None:
        if lease is not None:
            check_lease(lease, job_id)
        await super().add_failure(job_id, symbol, error, permanent=permanent)


@breaks("LEASE-3")
class SetsCursorsWithoutAFence(Recording):
    """The same for cursors: a worker that was slow moves that of the next one back."""

    @override
    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        if lease is not None:
            check_lease(lease, job_id)
        await super().set_cursor(job_id, symbol, until)


@breaks("LEASE-3")
class MovesNoCursorAfterTheEnd(Recording):
    """Asks in this statement alone for lease_expires_at > now(): a slow worker starts again."""

    @override
    async def set_cursor(
        self, job_id: str, symbol: str, until: datetime, *, lease: Lease | None = None
    ) -> None:
        held = None if lease is None else await self.get_lease(job_id)
        if lease is not None and held is not None and held.expires_at <= datetime.now(UTC):
            raise LeaseLostError(job_id, lease.worker)
        await super().set_cursor(job_id, symbol, until, lease=lease)


@breaks("DELETE-2")
class AddsOverTheRemains(Recording):
    """DELETE marks the row, and `add` takes the mark away: the failures of old count on."""

    def __init__(self) -> None:
        super().__init__()
        self.remains: dict[str, Mapping[str, int]] = {}

    @override
    async def delete(self, job_id: str) -> bool:
        former = await self.get_by_id(job_id)
        self.remains[job_id] = {} if former is None else former.failure_counts
        return await super().delete(job_id)

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self.remains.pop(job.id, None)

    @override
    async def add(self, job: CollectionJob) -> bool:
        added = await super().add(job)
        if added:
            left = self.remains.pop(job.id, {})
            counts = {name: count for name, count in left.items() if name in job.symbols}
            stored = self._jobs[job.id]
            self.rewrite(replace(stored, failure_counts={**counts, **stored.failure_counts}))
        return added
