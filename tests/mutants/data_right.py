"""Stores that keep failures, cursors and what is found in unusual ways, and keep every law.

None of them may be convicted. `RIGHT` lists them.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right, insort
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStatus
from collection_jobs.documents import from_json, to_json
from collection_jobs.query import JobQuery, JobSummary, check_final_statuses
from collection_jobs.validation import check_datetime, check_limit
from tests.mutants.finding import Finding
from tests.mutants.purging import Purging

RIGHT: list[type[Any]] = []
Key = tuple[datetime, str]
_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)


def is_right(store: type[Any]) -> type[Any]:
    """Enter a store that must be acquitted."""
    RIGHT.append(store)
    return store


Memory = InMemoryCollectionJobRepository


@is_right
class EventSourced(Memory):
    """Keeps every job that ever was as an event, and builds what it shows from the last of each."""

    def __init__(self) -> None:
        super().__init__()
        self._events: list[tuple[str, str | None]] = []

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self._events.append((job.id, to_json(self._jobs[job.id])))

    @override
    def _delete(self, job_id: str) -> bool:
        self._events.append((job_id, None))
        return super()._delete(job_id)

    @override
    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        state = dict(self._events)
        jobs = [from_json(text) for text in state.values() if text is not None]
        revised = [job.with_revision(self._revision_of(job.id)) for job in jobs]
        jobs = sorted(filter(query.matches, revised), key=lambda job: (job.created_at, job.id))
        return (job for job in jobs if after is None or (job.created_at, job.id) > after)


@is_right
class CountersTable(Memory):
    """Has counters of each job's outcomes, which each change recounts."""

    def __init__(self) -> None:
        super().__init__()
        self._counted: dict[str, tuple[int, int, int]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        candles = sum(job.completed_symbols.values())
        self._counted[job.id] = len(job.completed_symbols), len(job.failed_symbols), candles

    @override
    def _summary(self, job: CollectionJob) -> JobSummary:
        completed, failed, candles = self._counted[job.id]
        shown = super()._summary(job)
        stats = replace(shown.stats, completed=completed, failed=failed, total_candles=candles)
        return replace(shown, stats=stats)


@is_right
class ShardedBySource(Memory):
    """Keeps the jobs of each source apart, and merges what it finds in each."""

    @override
    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        shards = defaultdict[str, list[CollectionJob]](list)
        for job in self._jobs.values():
            shards[job.source].append(job)
        asked = shards if query.source is None else {query.source: shards.get(query.source, [])}
        found = [job for shard in asked.values() for job in shard if query.matches(job)]
        found.sort(key=lambda job: (job.created_at, job.id))
        return (job for job in found if after is None or (job.created_at, job.id) > after)


@is_right
class DeletesSoftly(Memory):
    """Keeps what was purged in a bin, which nobody is shown."""

    def __init__(self) -> None:
        super().__init__()
        self._bin: list[CollectionJob] = []

    @override
    def _delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None:
            self._bin.append(job)
        return super()._delete(job_id)


@is_right
class JSONColumn(Memory):
    """Asks SQLite about metadata that it keeps as JSON, by json_each and bound values."""

    _asked = "SELECT count(*) FROM json_each(?) WHERE key = ? AND value = ?"

    def __init__(self) -> None:
        super().__init__()
        self._sqlite = sqlite3.connect(":memory:")

    @override
    async def close(self) -> None:
        await super().close()
        self._sqlite.close()

    @override
    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        rest = replace(query, metadata=None)
        return (
            job
            for job in super()._matching(rest, after)
            if query.metadata is None or self._has(job, query.metadata)
        )

    def _has(self, job: CollectionJob, asked: Mapping[str, str]) -> bool:
        text = json.dumps(dict(job.metadata))
        return all(
            self._sqlite.execute(self._asked, (text, key, value)).fetchone() == (1,)
            for key, value in asked.items()
        )


@is_right
class RemembersSummaries(Memory):
    """Remembers the last summaries by id and revision; a lease is looked up each time."""

    def __init__(self) -> None:
        super().__init__()
        self._known: OrderedDict[tuple[str, int | None], JobSummary] = OrderedDict()

    @override
    def _summary(self, job: CollectionJob) -> JobSummary:
        key = job.id, job.revision
        if key not in self._known:
            self._known[key] = JobSummary.from_job(job)
            if len(self._known) > 3:
                self._known.popitem(last=False)
        now = super()._summary(job)
        return replace(self._known[key], worker=now.worker, expires_at=now.expires_at)


@is_right
class PurgesByAge(Purging):
    """Reads "oldest first" as those that were created first."""

    @override
    def order(self, job: CollectionJob) -> Any:
        return job.created_at, job.id


@is_right
class PurgesByEnd(Purging):
    """Goes through all jobs, and deletes first what ended first."""


@is_right
class KeepsEndsSorted(Memory):
    """Has a sorted list of the ends of the jobs in final statuses, which purges cut."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[datetime, str, str]] = []

    @override
    def _put(self, job: CollectionJob) -> None:
        self._forget(job.id)
        super()._put(job)
        if job.status in _FINAL and job.finished_at is not None:
            insort(self._ends, (job.finished_at, job.id, job.status.value))

    @override
    def _delete(self, job_id: str) -> bool:
        self._forget(job_id)
        return super()._delete(job_id)

    def _forget(self, job_id: str) -> None:
        self._ends = [end for end in self._ends if end[1] != job_id]

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        await super().delete_finished(before, statuses=(), limit=limit)
        before, final = check_datetime("before", before), check_final_statuses(statuses)
        due = self._ends[: bisect_right(self._ends, (before, "", ""))]
        ids = [job_id for _, job_id, status in due if status in final]
        return sum(map(self._delete, ids[: check_limit(limit)]))


@is_right
class CountsAsAMapping(Finding):
    """Counts into a Counter of its own, with its statuses in another order."""

    @override
    def told(self, counts: dict[JobStatus, int]) -> Mapping[JobStatus, int]:
        backwards = Counter[JobStatus]()
        for status in reversed(JobStatus):
            backwards[status] = counts[status]
        return backwards


@is_right
class PagesInside(Memory):
    """Finds in pages of two, behind the last of the page before."""

    @override
    def _matching(self, query: JobQuery, after: Key | None = None) -> Iterator[CollectionJob]:
        while page := list(islice(super()._matching(query, after), 2)):
            yield from page
            after = page[-1].created_at, page[-1].id


@is_right
class JumpingRevisions(Memory):
    """Counts revisions by the hundred, and one more for each purge."""

    @override
    def _put(self, job: CollectionJob) -> None:
        self._revision += 99
        super()._put(job)

    @override
    async def delete_finished(
        self, before: datetime, *, statuses: Collection[JobStatus] = _FINAL, limit: int = 1000
    ) -> int:
        deleted = await super().delete_finished(before, statuses=statuses, limit=limit)
        self._revision += deleted > 0
        return deleted
