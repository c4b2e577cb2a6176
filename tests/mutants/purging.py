"""Repositories with one planted bug each in how they purge jobs.

Each derives from the in-memory repository, and one caller alone can see what is wrong. `BUGS` gives
for each exactly the laws that convict it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStatus
from collection_jobs.query import JobQuery, check_final_statuses
from collection_jobs.validation import check_datetime

__all__ = ["BUGS", "Purging"]

Key = tuple[datetime, str]
BUGS: dict[type[Purging], frozenset[str]] = {}
_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


def breaks(*laws: str) -> Callable[[type[Purging]], type[Purging]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Purging]) -> type[Purging]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


class Purging(InMemoryCollectionJobRepository):
    """Goes through all jobs, and lets the mutants say which are deleted, and how."""

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        await super().delete_finished(before, statuses=(), limit=limit)
        before, final = check_datetime("before", before), check_final_statuses(statuses)
        due = [job for job in self._jobs.values() if self.is_due(job, before, final)]
        due.sort(key=self.order)
        chosen = due[: self.most(limit)]
        for job in chosen:
            self.purge(job)
        return self.told(len(chosen), limit, len(due))

    def is_due(self, job: CollectionJob, before: datetime, final: frozenset[JobStatus]) -> bool:
        ended = self.ended(job)
        return job.status in self.among(final) and ended is not None and ended < before

    def ended(self, job: CollectionJob) -> datetime | None:
        return job.finished_at

    def among(self, final: frozenset[JobStatus]) -> Collection[JobStatus]:
        return final

    def order(self, job: CollectionJob) -> Any:
        return job.finished_at, job.id

    def most(self, limit: int) -> int:
        return limit

    def purge(self, job: CollectionJob) -> None:
        self._delete(job.id)

    def told(self, number: int, limit: int, due: int) -> int:
        return number


@breaks("PURGE-1")
class TakesFailed(Purging):
    """FAILED has a finished_at as well: nothing is left to retry."""

    @override
    def among(self, final: frozenset[JobStatus]) -> Collection[JobStatus]:
        return {*final, JobStatus.FAILED}


@breaks("PURGE-1")
class TakesRunning(Purging):
    """Asks only for the time, which a job that was saved may have in any status."""

    @override
    def among(self, final: frozenset[JobStatus]) -> Collection[JobStatus]:
        return set(JobStatus) - {JobStatus.FAILED} if final else ()


@breaks("PURGE-1")
class BothFinal(Purging):
    """Whichever statuses are asked for: COMPLETED and CANCELLED."""

    @override
    def among(self, final: frozenset[JobStatus]) -> Collection[JobStatus]:
        return _FINAL


@breaks("PURGE-1")
class NoneIsBoth(Purging):
    """``statuses or DEFAULT``: no statuses are taken for none given."""

    @override
    def among(self, final: frozenset[JobStatus]) -> Collection[JobStatus]:
        return final or _FINAL


@breaks("PURGE-1")
class UpToAndWith(Purging):
    """finished_at <= ?."""

    @override
    def is_due(self, job: CollectionJob, before: datetime, final: frozenset[JobStatus]) -> bool:
        return job.status in final and job.finished_at is not None and job.finished_at <= before


@breaks("PURGE-1")
class ByAge(Purging):
    """created_at < ?: what was made long ago and has ended just now is gone."""

    @override
    def ended(self, job: CollectionJob) -> datetime | None:
        return job.created_at


@breaks("PURGE-1")
class NeverEndedIsLongAgo(Purging):
    """COALESCE(finished_at, created_at) < ?."""

    @override
    def ended(self, job: CollectionJob) -> datetime | None:
        return job.finished_at or job.created_at

    @override
    def order(self, job: CollectionJob) -> Any:
        return self.ended(job), job.id


@breaks("PURGE-1")
class ToTheSecond(Purging):
    """Compares the times without their microseconds."""

    @override
    def is_due(self, job: CollectionJob, before: datetime, final: frozenset[JobStatus]) -> bool:
        ended = job.finished_at and job.finished_at.replace(microsecond=0)
        return job.status in final and ended is not None and ended < before.replace(microsecond=0)


@breaks("PURGE-1")
class NewestFirst(Purging):
    """ORDER BY finished_at DESC LIMIT ?."""

    @override
    def order(self, job: CollectionJob) -> Any:
        assert job.finished_at is not None
        return -job.finished_at.timestamp(), job.id


@breaks("PURGE-1")
class AnyFirst(Purging):
    """DELETE ... LIMIT ? without an order: as they lie in the table, here by their ids."""

    @override
    def order(self, job: CollectionJob) -> Any:
        return job.id


@breaks("PURGE-1")
class NoLimit(Purging):
    """Deletes all that match, whatever the limit is."""

    @override
    def most(self, limit: int) -> int:
        return 10**9


@breaks("PURGE-1")
class AtLeastOne(Purging):
    """LIMIT max(1, ?)."""

    @override
    def most(self, limit: int) -> int:
        return max(1, limit)


@breaks("PURGE-1")
class TellsTheLimit(Purging):
    """Returns the limit, as if a full batch were the rule."""

    @override
    def told(self, number: int, limit: int, due: int) -> int:
        return limit if number else 0


@breaks("PURGE-1")
class TellsAllThatMatch(Purging):
    """Returns how many there were before."""

    @override
    def told(self, number: int, limit: int, due: int) -> int:
        return due


@breaks("PURGE-1")
class TellsNothing(Purging):
    """Returns what the driver's execute returns."""

    @override
    def told(self, number: int, limit: int, due: int) -> Any:
        return None


@breaks("PURGE-1")
class TellsWhetherAny(Purging):
    """Returns True where it deleted something."""

    @override
    def told(self, number: int, limit: int, due: int) -> int:
        return number > 0


@breaks("DELETE-2")
class LeavesOutcomes(Purging):
    """Deletes the rows of the jobs; those of the outcomes come back with the id."""

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[str, CollectionJob] = {}

    @override
    def purge(self, job: CollectionJob) -> None:
        super().purge(job)
        self._left[job.id] = job

    @override
    async def save(self, job: CollectionJob) -> None:
        former = self._left.pop(job.id, None) if type(job) is CollectionJob else None
        await super().save(job)
        if former is not None:
            stored = self._jobs[job.id]
            known = {**stored.completed_symbols, **stored.failed_symbols}
            left = {
                symbol: error
                for symbol, error in former.failed_symbols.items()
                if symbol in job.symbols and symbol not in known
            }
            failed = {**stored.failed_symbols, **left}
            self._jobs[job.id] = stored._changed(failed_symbols=failed)


@breaks("SAVE-5")
class GivesRevisionsBack(Purging):
    """The counter of revisions is MAX(revision) of what is stored."""

    @override
    def purge(self, job: CollectionJob) -> None:
        super().purge(job)
        revisions = [one.revision or 0 for one in self._jobs.values()]
        self._revision = max(revisions, default=0)


@breaks("PURGE-1", "FIND-3")
class FindsTheGone(Purging):
    """The index of find is brought up to date by each method but this one."""

    def __init__(self) -> None:
        super().__init__()
        self._gone: dict[str, CollectionJob] = {}

    @override
    def purge(self, job: CollectionJob) -> None:
        super().purge(job)
        self._gone[job.id] = job

    @override
    def _put(self, job: CollectionJob) -> None:
        self._gone.pop(job.id, None)
        super()._put(job)

    @override
    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        found = {*super()._matching(query, after), *filter(query.matches, self._gone.values())}
        return iter(sorted(found, key=lambda job: (job.created_at, job.id)))

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        return await super().count(replace(query, statuses=query.statuses or tuple(JobStatus)))
