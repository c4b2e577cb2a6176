"""Stores that are right while they are small, or plain, or open, and go wrong beyond that."""

from __future__ import annotations

import json
import pickle
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5
from itertools import groupby, islice
from pathlib import Path

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats, JobStatus
from tests.mutants.stores import LogStore, mapped_errors
from tests.mutants.table import breaks
from tests.mutants.unleased import InMemory

LARGE = "large stores"


class Large(InMemory):
    """The in-memory repository with all its methods, made in a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory


def put(job: CollectionJob, **fields: object) -> CollectionJob:
    """A copy of a job with fields changed behind the entity's back."""
    return job._changed(**fields)  # what no adapter may do


class Stored(Large):
    """One hook: what becomes of a job on its way in."""

    def stored(self, job: CollectionJob) -> CollectionJob:
        """The job as the store keeps it."""
        return job

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(self.stored(job))


# Bounds of listings


@breaks(LARGE, "RUNNING-1")
class RunningByPages(Large):
    """Calls the listing of a status, and forgets that it has a default limit."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        return await self.list_by_status(JobStatus.RUNNING)


@breaks(LARGE, "LIST-1", "RECENT-1", "KEY-1")
class CapsEveryPage(Large):
    """Never answers with more than 500 jobs, as a web service does whatever it is asked for."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return (await super().list_by_status(status, limit, offset))[:500]

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return (await super().list_recent(limit, since))[:500]

    @override
    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        return (await super().list_after(status, after, limit))[:500]


@breaks(LARGE, "LIST-2")
class SkipsAtBlocks(Large):
    """Reads an index by blocks of 128 entries, and loses the first of each but the first."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        found = await super().list_by_status(status, limit, offset)
        return found if offset != 100 else found[1:]


@breaks(LARGE, "RUNNING-1")
class TiesBeyondFifty(Large):
    """Sorts runs of equal times by id only as far as its buffer of 50 goes."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        jobs = await super().get_running_jobs()
        runs = (list(run) for _, run in groupby(jobs, key=lambda job: job.created_at))
        return [job for run in runs for job in (*run[:50], *run[:49:-1])]


@breaks(LARGE, "DELETE-1", also=("LIST-1",))
class ReusesThePlan(Large):
    """Keeps a listing of more than 200 jobs, and shows it again until as many were changed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.kept: dict[JobStatus, tuple[int, list[CollectionJob]]] = {}

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        if limit < 200 or offset:
            return await super().list_by_status(status, limit, offset)
        at, jobs = self.kept.get(status, (-1_000, []))
        if self._revision - at > len(jobs) or len(jobs) < 200:
            jobs = await super().list_by_status(status, limit)
            self.kept[status] = self._revision, jobs
        return jobs[:limit]


# Bounds of batches, jobs and texts


@breaks(LARGE, "MANY-1")
class WritesNineHundredNinetyNine(Large):
    """Binds at most 999 rows to a statement, and drops the rest."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        await super().save_many(islice(jobs, 999))


@breaks(LARGE, "MANY-1")
class WritesChunksOfTwentyFive(Large):
    """Sends batches of 25, and counts the full ones."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        given = list(jobs)
        whole = len(given) // 25 * 25 if len(given) > 25 else len(given)
        await super().save_many(given[:whole])


@breaks(LARGE, "SAVE-1")
class ReadsAThousandOutcomes(Large):
    """Reads the first thousand of a job's outcomes."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        if job is None or len(job.failed_symbols) <= 1_000:
            return job
        first = dict(islice(job.failed_symbols.items(), 1_000))
        return replace(
            job,
            failed_symbols=first,
            permanent_failures=job.permanent_failures & first.keys(),
        )


@breaks(LARGE, "STATS-1")
class CountsWithGroupConcat(Large):
    """Counts the outcomes in a text that the engine cuts at 1,024 characters."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        job = await super().get_by_id(job_id)
        if job is None:
            return None
        failed = ",".join("x" * 5 for _ in job.failed_symbols)[:1_024].count("x") // 5
        return replace(JobStats.from_job(job), failed=failed)


@breaks(LARGE, "SAVE-1")
class SymbolsInAVarchar(Stored):
    """Keeps the symbols in one column of 4,000 characters."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        if len(",".join(job.symbols)) <= 4_000:
            return job
        kept = job.symbols[:500]
        return put(job, symbols=kept)


# Caches, counters, indexes


@breaks(LARGE, "MANY-1", also=("GET-1",))
class CacheOfAHundred(Large):
    """Caches a hundred jobs, and forgets to drop what a batch changes."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.cache: dict[str, CollectionJob] = {}
        self.many = False

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        if not self.many:
            self.cache.pop(job.id, None)

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        self.many = True
        try:
            await super().save_many(jobs)
        finally:
            self.many = False

    @override
    async def delete(self, job_id: str) -> bool:
        self.cache.pop(job_id, None)
        return await super().delete(job_id)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if job_id in self.cache:
            return self.cache[job_id]
        job = await super().get_by_id(job_id)
        if job is not None and len(self._jobs) > 100:
            self.cache[job_id] = job
            if len(self.cache) > 100:
                del self.cache[next(iter(self.cache))]
        return job


@breaks(LARGE, "SAVE-4", also=("SAVE-3",))
class RevisionOfOneByte(Large):
    """Keeps in each job how often it was changed, in a byte."""

    @override
    def _put(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        super()._put(job)
        count = 1 if former is None or former.revision is None else (former.revision + 1) % 256
        self._jobs[job.id] = job.with_revision(self._revision if former is None else count)


class Hashed(Large):
    """Finds a job by a hash of its id."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ids: dict[int, str] = {}

    def hashed(self, job_id: str) -> int:
        """The hash."""
        return zlib.crc32(job_id.encode())

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.ids[self.hashed(job.id)] = job.id

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return await super().get_by_id(self.ids.get(self.hashed(job_id), job_id))


@breaks(LARGE, also=("GET-1", "SAVE-1"))  # by which of the two ids is saved first
class FindsByChecksum(Hashed):
    """Takes the CRC-32 of an id for the id."""


@breaks(LARGE, also=("GET-1", "SAVE-1"))  # by which of the two ids is saved first
class FindsByShortDigest(Hashed):
    """Names its files by the first eight digits of the MD5 of an id."""

    @override
    def hashed(self, job_id: str) -> int:
        return int(md5(job_id.encode(), usedforsecurity=False).hexdigest()[:8], 16)


# Values


@breaks(LARGE, "SAVE-1")
class TimesAsFloats(Stored):
    """Keeps a time as the seconds since the epoch, in a float."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        if job.started_at is None or job.started_at.year >= 9_999:
            return job
        return put(job, started_at=datetime.fromtimestamp(job.started_at.timestamp(), UTC))


@breaks(LARGE, "SAVE-1")
class TimesInNanoseconds(Stored):
    """Keeps a time as 64 bits of nanoseconds, which end in 2262; what is beyond is the last."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        last = datetime(2262, 4, 11, 23, 47, 16, 854_775, tzinfo=UTC)
        if job.finished_at is None or job.finished_at <= last:
            return job
        return put(job, finished_at=last)


class LocalTimes(Stored):
    """Keeps a time as the clock on the wall shows it."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        if not 1970 < job.created_at.year < 2100:
            return job
        wall = time.localtime(job.created_at.timestamp())
        naive = datetime(*wall[:6], job.created_at.microsecond)  # noqa: DTZ001 - the planted bug
        return put(job, created_at=naive.astimezone(UTC))


breaks(LARGE, "SAVE-1", also=("MANY-1",))(LocalTimes)


@breaks(LARGE, "RECENT-2", also=("RECENT-1",))
class ComparesTimesAsTexts(Large):
    """Compares ``since`` as a text, with the offset that it was given."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(10**9)
        if since is not None:
            first = since.strftime("%Y-%m-%dT%H:%M:%S.%f").zfill(26)
            jobs = [
                job
                for job in jobs
                if job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f").zfill(26) >= first
            ]
        return jobs[:limit]


@breaks(LARGE, "KEY-2")
class ForgetsTheZoneOfAKey(Large):
    """Takes the clock of the key's own zone for UTC."""

    @override
    async def list_after(
        self, status: JobStatus, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        if after is not None and type(after) is tuple and len(after) == 2:
            instant, job_id = after
            if type(instant) is datetime and instant.tzinfo is not None:
                after = instant.replace(tzinfo=UTC), job_id
        return await super().list_after(status, after, limit)


@breaks(LARGE, "SAVE-1", also=("MANY-1",))
class StripsSources(Stored):
    """Strips what it takes for blanks, which includes separators of files."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        return put(job, source=job.source.strip("\x1c\x1d\x1e\x1f\x85\u2028\ufeff") or job.source)


@breaks(LARGE, "SAVE-1", also=("MANY-1",))
class JobsOnLines(Stored):
    """Keeps metadata on lines of their own, and parts them as Python parts lines."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        lines = {key: "\n".join(text.split("\u2028")) for key, text in job.metadata.items()}
        return put(job, metadata=lines)


@breaks(LARGE, "SAVE-1", also=("MANY-1", "FAILED-1"))
class TextOfBytes(Stored):
    """Keeps a failed symbol's error in 32,767 characters."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        cut = {symbol: error[:32_767] for symbol, error in job.failed_symbols.items()}
        return put(job, failed_symbols=cut)


@breaks(LARGE, "SAVE-1", also=("MANY-1",))
class ReadsNumbersFromTexts(Stored):
    """Keeps metadata values as JSON where they can be read as such."""

    @override
    def stored(self, job: CollectionJob) -> CollectionJob:
        return put(job, metadata={key: _as_json(text) for key, text in job.metadata.items()})


def _as_json(text: str) -> str:
    try:
        return str(json.loads(text)) if text[:1] == "{" else text
    except ValueError:
        return text


@breaks(LARGE, "SAVE-3", also=("GET-1", "MANY-1"))
class KnowsCopiesByRevision(Large):
    """Takes a revision for one of the whole store: a copy under another id overwrites."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is not None and type(job) is CollectionJob and job.id not in self._jobs:
            job = job.with_revision(None)
        await super().save(job)


# Opened again


@breaks(LARGE, "FAILED-1", also=("SAVE-1", "LIST-1", "RECENT-1"))
class SnapshotsWithoutAll(Large):
    """Writes a snapshot at each 64th change of a job, which lacks a field that came later."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.changes = Counter[str]()

    @override
    def _put(self, job: CollectionJob) -> None:
        self.changes[job.id] += 1
        is_snapshot = self.changes[job.id] % 64 == 0
        super()._put(put(job, cursors={}) if is_snapshot else job)


@breaks(LARGE, "SAVE-5")
class CompactsWhenOpened(LogStore):
    """Writes a log of more than 300 records anew when it opens it, with the jobs that are there.

    The greatest revision may have been that of a deletion, of which the new log knows nothing.
    """

    @override
    def replay(self) -> None:
        self.records = 0
        super().replay()
        if self.records > 300:
            self.write_anew()

    @override
    def record(self, content: bytes) -> tuple[int, str, CollectionJob | None]:
        self.records += 1
        return super().record(content)

    def write_anew(self) -> None:
        """Write each job once, in a new file that takes the place of the log."""
        new = self.directory / "new"
        jobs = sorted(self._jobs.values(), key=lambda job: job.revision or 0)
        contents = [pickle.dumps((job.revision, job.id, job)) for job in jobs]
        with mapped_errors():
            new.write_bytes(b"".join(struct.pack(">I", len(one)) + one for one in contents))
            if self.file is not None:
                self.file.close()
            new.replace(self.path)
            self.file = self.path.open("ab", buffering=0)


@breaks(LARGE, "DURABLE-1")
class CompactionLosesTombstones(LogStore):
    """Compacts a log of more than a thousand records as it opens it, and leaves out deletions."""

    @override
    def replay(self) -> None:
        content, at, self.records = self.path.read_bytes(), 0, 0
        self.last: dict[str, CollectionJob | None] = {}
        while (end := self.end_of_record(content, at)) is not None:
            self.records, at = self.records + 1, end
        super().replay()

    @override
    def record(self, content: bytes) -> tuple[int, str, CollectionJob | None]:
        revision, job_id, job = super().record(content)
        if job is None and self.records > 1_000:
            job = self.last.get(job_id)
        self.last[job_id] = job
        return revision, job_id, job


@breaks(LARGE, "DURABLE-1")
class ShardsByHash(LogStore):
    """Parts jobs by ``hash(id)``, which is another in each process, and looks in one part."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        (self.directory / str(hash(job_id) % 64)).touch()
        super().append(job_id, job)

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        kept = {
            job_id: job
            for job_id, job in jobs.items()
            if (self.directory / str(hash(job_id) % 64)).exists()
        }
        super().replace_all(kept, revision)


@breaks(LARGE, "DURABLE-1")
class LengthsOfTwoBytes(LogStore):
    """Keeps the length of a record in two bytes: a longer one is passed over when it is read."""

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        super().replace_all(
            {job_id: job for job_id, job in jobs.items() if len(pickle.dumps(job)) < 2**16},
            revision,
        )


@breaks(LARGE, "DURABLE-1")
class LocalTimesOnDisk(LogStore):
    """Writes times as the clock on the wall shows them, and is opened in another place."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        if job is not None and 1970 < job.created_at.year < 2100:
            wall = datetime(*time.localtime(job.created_at.timestamp())[:6])  # noqa: DTZ001 - the planted bug
            wall = wall.replace(microsecond=job.created_at.microsecond)
            job = put(job, created_at=wall)
        super().append(job_id, job)

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        aware = {
            job_id: put(job, created_at=job.created_at.astimezone(UTC))
            for job_id, job in jobs.items()
        }
        super().replace_all(aware, revision)


@breaks(LARGE, "DURABLE-1")
class SortsNaturallyOnceLoaded(LogStore):
    """Builds its index anew when it is opened, and sorts job 2 before job 10."""

    natural = False

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        super().replace_all(jobs, revision)
        self.natural = bool(jobs)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(limit, since)
        if self.natural:
            jobs.sort(key=lambda job: (job.created_at, len(job.id), job.id), reverse=True)
        return jobs


@breaks(LARGE, "SAVE-5", also=("SAVE-4", "SAVE-3", "DURABLE-1"))
class CountsFromTheJobs(LogStore):
    """Goes on counting revisions from the greatest that a stored job has."""

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        known = (job.revision for job in jobs.values() if job.revision is not None)
        super().replace_all(jobs, max(known, default=0))
