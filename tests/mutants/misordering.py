"""Stores whose listings leave out, repeat or misplace jobs."""

from __future__ import annotations

import unicodedata
import zlib
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.errors import RepositoryError
from tests.mutants.leased_rows import Leased
from tests.mutants.rows import age
from tests.mutants.stores import Memory
from tests.mutants.tried import LARGE, ONE, tried

LISTED = ("LIST-1", "LIST-2", "RUNNING-1")


class Sorted(Memory):
    """The in-memory repository, which sorts each listing by a key of its own."""

    def place(self, job: CollectionJob) -> Any:
        """What the jobs are sorted by."""
        return (job.created_at, job.id)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, len(self._jobs), 0)
        await super().list_by_status(status, limit, offset)  # for what it refuses
        return sorted(jobs, key=self.place)[offset : offset + limit]


@tried(ONE, "LIST-1", "LIST-2")
class SortsNaturally(Sorted):
    """Sorts short ids first."""

    @override
    def place(self, job: CollectionJob) -> Any:
        return (job.created_at, len(job.id), job.id)


@tried(ONE, "LIST-1", "LIST-2")
class SortsWithoutZeros(Sorted):
    """Sorts by a text that ends in the fraction's last digit that is not zero, and a ``Z``."""

    @override
    def place(self, job: CollectionJob) -> Any:
        text = job.created_at.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        fraction = f".{job.created_at.microsecond:06}".rstrip("0").rstrip(".")
        return (f"{text}{fraction}Z", job.id)


@tried(ONE, "LIST-1", "LIST-2")
class SortsYearsAsTexts(Sorted):
    """Sorts by what strftime makes of an instant, which has years of one digit."""

    @override
    def place(self, job: CollectionJob) -> Any:
        return (f"{job.created_at.year}{job.created_at.isoformat()[4:]}", job.id)


@tried(ONE, "LIST-1", "LIST-2")
class SortsByMilliseconds(Sorted):
    """Sorts by milliseconds, and what is of one millisecond by id."""

    @override
    def place(self, job: CollectionJob) -> Any:
        return (job.created_at.replace(microsecond=job.created_at.microsecond // 1000), job.id)


@tried(ONE, "LIST-1", "LIST-2")
class SortsAccents(Sorted):
    """Sorts as a dictionary does: an accent counts only where nothing else differs."""

    @override
    def place(self, job: CollectionJob) -> Any:
        plain = unicodedata.normalize("NFD", job.id)
        return (job.created_at, "".join(c for c in plain if not unicodedata.combining(c)), job.id)


@tried(ONE, "LIST-1", "LIST-2")
class SortsPunctuationLast(Sorted):
    """Sorts as the locale en_US does, which looks at punctuation only after the letters."""

    @override
    def place(self, job: CollectionJob) -> Any:
        return (job.created_at, "".join(filter(str.isalnum, job.id)).casefold(), job.id)


@tried(ONE, "LIST-1", "LIST-2")
class PartitionsByDay(Memory):
    """Has a table for each day, which it asks for what is after midnight and before the next."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        await super().list_by_status(status, limit, offset)
        jobs = await super().list_by_status(status, len(self._jobs), 0)
        midnight = datetime.min.time()
        return [job for job in jobs if job.created_at.time() != midnight][offset : offset + limit]


@tried(LARGE, "RECENT-1", "RECENT-2")
class DropsTheOffset(Memory):
    """Binds ``since`` as a naive time, whatever its zone."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if isinstance(since, datetime) and since.utcoffset() is not None:
            since = since.replace(tzinfo=UTC)
        return await super().list_recent(limit, since)


@tried(ONE, "RECENT-2")
class DropsTheFraction(Memory):
    """Compares whole seconds with ``since``."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if isinstance(since, datetime) and since.tzinfo is not None and since.microsecond:
            since = since.replace(microsecond=0)
        return await super().list_recent(limit, since)


@tried(LARGE, "RECENT-1", "RECENT-2")
class DayOfSince(Memory):
    """Looks in the partitions from the day of ``since`` in the zone of ``since``."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(limit, since)
        if since is None:
            return jobs
        return [job for job in jobs if job.created_at.date() >= since.date()]


@tried(ONE, *LISTED, "DELETE-1", "STATUS-1", "SAVE-1", "SAVE-2", "STATUS-3", "FAILED-1")
class CachesByEnd(Memory):
    """Caches pages by where they end, and forgets the pages when a job is saved, not deleted."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.pages: dict[tuple[JobStatus, int], list[CollectionJob]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        self.pages.clear()
        super()._put(job)

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        page = await super().list_by_status(status, limit, offset)
        return list(self.pages.setdefault((status, limit + offset), page))

    @override
    async def delete(self, job_id: str) -> bool:
        self.pages.clear()
        return await super().delete(job_id)


@tried(LARGE, *LISTED)
class WindowOfTenThousand(Memory):
    """Refuses pages that end behind the ten thousandth job, as a search engine does."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, limit, offset)
        if 10_000 < limit + offset < 2**31:
            raise RepositoryError("the result window is too large")
        return jobs


@tried(LARGE, "RECENT-1", "RECENT-2", "DELETE-1")
class RingOfRecent(Memory):
    """Keeps the ids of the last 256 saves for listing the newest, and finds others only without."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ring: deque[str] = deque(maxlen=256)

    @override
    def _put(self, job: CollectionJob) -> None:
        if job.id not in self._jobs:
            self.ring.append(job.id)
        super()._put(job)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(limit, since)
        if since is not None or limit > 10 or len(self._jobs) < 256:
            return jobs
        recent = {id_: self._jobs[id_] for id_ in self.ring if id_ in self._jobs}
        first = sorted(recent.values(), key=lambda job: (job.created_at, job.id), reverse=True)
        return first[:limit]


class Paged(Memory):
    """The in-memory repository, which makes the whole of a listing from pages."""

    async def page(self, jobs: list[CollectionJob], last: CollectionJob | None) -> list[Any]:
        """The jobs of a page behind the last one of the page before."""
        raise NotImplementedError

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        jobs = await super().get_running_jobs()
        out: list[CollectionJob] = []
        while page := await self.page(jobs, out[-1] if out else None):
            out += page
        return out


@tried(LARGE, "RUNNING-1")
class PagesByAgeOnly(Paged):
    """Goes on with what is younger than the last job of a page of a hundred: ties are lost."""

    @override
    async def page(self, jobs: list[CollectionJob], last: CollectionJob | None) -> list[Any]:
        return [job for job in jobs if last is None or job.created_at > last.created_at][:100]


@tried(LARGE, "RUNNING-1")
class PagesByIdOnly(Paged):
    """Goes on with ``created_at >= ? AND id > ?``, in pages of 128."""

    @override
    async def page(self, jobs: list[CollectionJob], last: CollectionJob | None) -> list[Any]:
        return [
            job
            for job in jobs
            if last is None or (job.created_at >= last.created_at and job.id > last.id)
        ][:128]


@tried(LARGE, "LIST-1", "LIST-2")
class StopsAtAnEmptyPage(Memory):
    """Filters pages of a hundred jobs of all statuses, and stops at one that has none."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        await super().list_by_status(status, limit, offset)
        every = sorted(self._jobs.values(), key=lambda job: (job.created_at, job.id))
        out: list[CollectionJob] = []
        for start in range(0, len(every), 100):
            page = [job for job in every[start : start + 100] if job.status is status]
            if not page and out:
                break
            out += page
        return out[offset : offset + limit]


@tried(ONE, "LIST-2", "LIST-1")
class OffsetsInEachShard(Memory):
    """Has four shards, of which each passes over its part of the offset."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        await super().list_by_status(status, limit, offset)
        jobs = await super().list_by_status(status, len(self._jobs), 0)
        shards: list[list[CollectionJob]] = [[], [], [], []]
        for job in jobs:
            shards[zlib.crc32(job.id.encode()) % 4].append(job)
        merged = [job for shard in shards for job in shard[offset // 4 :]]
        merged.sort(key=lambda job: (job.created_at, job.id))
        return merged[offset % 4 :][:limit]


@tried(LARGE, "LIST-1", "LIST-2")
class MergesThousands(Memory):
    """Sorts in runs of a thousand, and does not merge the last two."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, limit, offset)
        return jobs if len(jobs) <= 1000 else [*jobs[-1:], *jobs[:-1]]


@tried(ONE, "RECENT-2", "RECENT-1")
class BeforeTheEpoch(Memory):
    """Binds ``since`` as milliseconds, of which a negative number means the beginning."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(limit, since)
        if since is not None and since < datetime(1970, 1, 1, tzinfo=UTC):
            return await super().list_recent(limit)
        return jobs


@tried(ONE, *LISTED)
class TouchesOnUpdate(Sorted):
    """Sorts what has one time by when it was written."""

    @override
    def place(self, job: CollectionJob) -> Any:
        return (job.created_at, job.revision)


@tried(ONE, "LEASE-1")
class ClaimsFromAHundred(Leased):
    """Takes the oldest hundred that may be claimed, and looks among these for the source."""

    @override
    async def next(self, source: str | None) -> CollectionJob | None:
        free = sorted((job for job in await self.scan() if self.is_free(job)), key=age)
        return next((job for job in free[:100] if self.matches(job, source)), None)
