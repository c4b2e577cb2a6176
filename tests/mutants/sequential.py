"""Repositories with one planted bug each, that one caller alone can see, and odd ones without.

Each derives from the in-memory repository and gets one thing wrong that people get wrong; its
docstring is the bug. `BUGS` gives for each the laws that convict it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStats,
    JobStatus,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.adapters.sorted_keys import Key
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.job import check_job
from collection_jobs.validation import (
    check_limit,
    check_name,
    check_offset,
    check_optional_datetime,
    check_optional_text,
    check_status,
    check_text,
)
from tests.mutants.unleased import InMemory


class Memory(InMemory):
    """The in-memory repository with nothing beyond the nine: one bug, not one in each method."""


for _method in METHODS:
    setattr(Memory, _method, None)
BUGS: dict[type[Memory], frozenset[str]] = {}
"""Each mutant, with exactly the laws that the kit must find broken."""


check_id = partial(check_name, "job_id")
CHECKS: dict[str, tuple[Callable[[Any], object], ...]] = {
    "save": (check_job,),
    "get_by_id": (check_id,),
    "delete": (check_id,),
    "list_by_status": (check_status, check_limit, check_offset),
    "list_recent": (check_limit, partial(check_optional_datetime, "since")),
    "get_running_jobs": (),
    "update_status": (check_id, check_status, partial(check_optional_text, "error_message")),
    "add_failed_symbol": (check_id, partial(check_name, "symbol"), partial(check_text, "error")),
    "get_stats": (check_id,),
}


def guarded(mutant: type[Memory]) -> type[Memory]:
    """Let the methods that a class overrides refuse what its base refuses: one bug, not two."""
    for name in CHECKS.keys() & vars(mutant).keys():
        setattr(mutant, name, guarded_method(name, vars(mutant)[name]))
    return mutant


def guarded_method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def checked(self: Memory, *arguments: Any) -> Any:
        for check, argument in zip(CHECKS[name], arguments, strict=False):
            check(argument)
        self._check_open()
        return await method(self, *arguments)

    return checked


def breaks(*laws: str, guard: bool = True) -> Callable[[type[Memory]], type[Memory]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Memory]) -> type[Memory]:
        BUGS[mutant] = frozenset(laws)
        return guarded(mutant) if guard else mutant

    return enter


ODD: list[type[Memory]] = []
"""Repositories that do something unusual, and keep every law."""


def odd(right: type[Memory]) -> type[Memory]:
    """Enter a repository that must be acquitted."""
    ODD.append(right)
    return guarded(right)


def put(job: CollectionJob, **fields: Any) -> CollectionJob:
    """A copy of a job with fields changed behind the entity's back."""
    return job._changed(**fields)  # what no adapter may do


# SAVE


@breaks("SAVE-1")
class DropsMicroseconds(Memory):
    """Keeps times in a column of whole seconds."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(put(job, start=job.start.replace(microsecond=0)))


@breaks("SAVE-1")
class SortsSymbols(Memory):
    """Keeps symbols as a set."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(put(job, symbols=tuple(sorted(job.symbols))))


@breaks("SAVE-3")
class RefusesOlderCopies(Memory):
    """A copy is stale if its revision is smaller: that of another store may be greater."""

    @override
    async def save(self, job: CollectionJob) -> None:
        stored = await self.get_by_id(check_job(job).id)
        found = None if stored is None else stored.revision
        newer = job.revision is not None and found is not None and job.revision > found
        await super().save(job.with_revision(None) if newer else job)


@breaks("SAVE-1")
class TruncatesErrors(Memory):
    """Keeps error messages in a VARCHAR(255)."""

    @override
    async def save(self, job: CollectionJob) -> None:
        message = job.error_message
        await super().save(put(job, error_message=None if message is None else message[:255]))


@breaks("SAVE-1")
class EmptyErrorBecomesNone(Memory):
    """Takes an empty text for none, as Oracle does."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(put(job, error_message=job.error_message or None))


@breaks("SAVE-1")
class CandlesAsFloat(Memory):
    """Lets the number of candles go through a float, as a JSON column may."""

    @override
    async def save(self, job: CollectionJob) -> None:
        counts = {symbol: int(float(n)) for symbol, n in job.completed_symbols.items()}
        await super().save(put(job, completed_symbols=MappingProxyType(counts)))


@breaks("SAVE-1")
class NormalisesLineEnds(Memory):
    """Writes the errors of symbols through a text file."""

    @override
    async def save(self, job: CollectionJob) -> None:
        errors = {s: "\n".join(e.splitlines()) for s, e in job.failed_symbols.items()}
        await super().save(put(job, failed_symbols=MappingProxyType(errors)))


@breaks("SAVE-2")
class KeepsTheFirst(Memory):
    """Inserts with ON CONFLICT DO NOTHING."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is None and job.id in self._jobs:
            return
        await super().save(job)


class StoresMetadata(Memory):
    """Keeps metadata as `stored` says."""

    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        """The metadata as it is kept."""
        return metadata

    @override
    async def save(self, job: CollectionJob) -> None:
        kept = MappingProxyType(dict(self.stored(job.metadata)))
        await super().save(put(job, metadata=kept))


guarded(StoresMetadata)


@breaks("SAVE-1")
class DropsMetadata(StoresMetadata):
    """Has no column for metadata."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {}


@breaks("SAVE-1")
class LowersMetadataKeys(StoresMetadata):
    """Keeps the keys of metadata as HTTP headers."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {key.lower(): value for key, value in metadata.items()}


@breaks("SAVE-1")
class StripsMetadataKeys(StoresMetadata):
    """Keeps the keys of metadata in a CHAR column, which pads and strips."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {key.rstrip(): value for key, value in metadata.items()}


@breaks("SAVE-1")
class ComposesMetadataKeys(StoresMetadata):
    """Compares the keys of metadata as a language does, and keeps the last of two equal ones."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {normalize("NFC", key): value for key, value in metadata.items()}


@breaks("SAVE-1")
class NestsMetadataKeys(StoresMetadata):
    """Takes a dot in a key for a path, as a document database does."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {key.replace(".", "/"): value for key, value in metadata.items()}


@breaks("SAVE-1")
class TruncatesMetadata(StoresMetadata):
    """Keeps the values of metadata in a VARCHAR(255)."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {key: value[:255] for key, value in metadata.items()}


@breaks("SAVE-1")
class DropsEmptyValues(StoresMetadata):
    """Takes an empty value for none, as Oracle does."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return {key: value for key, value in metadata.items() if value}


@breaks("SAVE-1")
class KeepsFewMetadata(StoresMetadata):
    """Keeps the first hundred entries of metadata."""

    @override
    def stored(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        return dict(list(metadata.items())[:100])


@breaks("SAVE-1", "DELETE-2", "RECENT-1")
class EmptyMetadataBecomesNone(Memory):
    """Reads a job without metadata from a column that is NULL."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job if job.metadata else put(job, metadata=None))


@breaks("LIST-1", "RECENT-1", "RUNNING-1")
class ListsWithoutMetadata(Memory):
    """Leaves metadata out of the columns that listings read."""

    @override
    def _read(self, keys: Iterable[Key], limit: int) -> list[CollectionJob]:
        return [put(job, metadata=MappingProxyType({})) for job in super()._read(keys, limit)]


@breaks("SAVE-2")
class EmptyMetadataChangesNothing(Memory):
    """Takes empty metadata for none given, and keeps that of the job that is replaced."""

    @override
    async def save(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        if former is not None and not job.metadata:
            job = put(job, metadata=former.metadata)
        await super().save(job)


@breaks("SAVE-2")
class MergesMetadata(Memory):
    """Upserts the metadata of a replaced job and leaves the keys that the new job lacks."""

    @override
    async def save(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        if former is not None and job.revision is None:
            job = put(job, metadata=MappingProxyType({**former.metadata, **job.metadata}))
        await super().save(job)


@breaks("SAVE-1", "SAVE-2")
class KeepsFormerMetadata(Memory):
    """Leaves metadata out of the columns that an upsert sets."""

    @override
    async def save(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        if former is not None:
            job = put(job, metadata=former.metadata)
        await super().save(job)


@breaks("DELETE-2")
class KeepsMetadataOfDeleted(Memory):
    """Keeps metadata in a table of its own, and leaves it there when the job is deleted."""

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[str, Mapping[str, str]] = {}

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is None:
            left = self._left.pop(job.id, {})
            job = put(job, metadata=MappingProxyType({**left, **job.metadata}))
        await super().save(job)

    @override
    async def delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None:
            self._left[job_id] = job.metadata
        return await super().delete(job_id)


@odd
class MetadataInATableOfItsOwn(Memory):
    """Keeps the entries of metadata apart from the jobs, in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, list[tuple[str, str]]] = {}

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(put(job, metadata=MappingProxyType({})))
        self._entries[job.id] = sorted(job.metadata.items(), reverse=True)

    def _with_metadata(self, job: CollectionJob) -> CollectionJob:
        return put(job, metadata=MappingProxyType(dict(self._entries[job.id])))

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        return None if job is None else self._with_metadata(job)

    @override
    def _read(self, keys: Iterable[Key], limit: int) -> list[CollectionJob]:
        return [self._with_metadata(job) for job in super()._read(keys, limit)]


@breaks("SAVE-2")
class MergesOutcomes(Memory):
    """Upserts the outcomes of a replaced job and leaves the ones that the new job lacks."""

    @override
    async def save(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        if former is not None and job.revision is None:
            kept = {s: n for s, n in former.completed_symbols.items() if s in job.symbols}
            kept = {s: n for s, n in kept.items() if s not in job.failed_symbols}
            job = put(job, completed_symbols=MappingProxyType({**kept, **job.completed_symbols}))
        await super().save(job)


@breaks("SAVE-2", "ERROR-1")
class InsertsOnly(Memory):
    """Inserts, and lets the driver's complaint about the second one through."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if job.revision is None and job.id in self._jobs:
            raise sqlite3.IntegrityError("UNIQUE constraint failed: jobs.id")
        await super().save(job)


@breaks("SAVE-3", "SAVE-5")
class LastWriterWins(Memory):
    """Ignores the revision."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job.with_revision(None))


@breaks("SAVE-3")
class BringsBackTheDeleted(Memory):
    """Looks at the revision only where there is a stored job."""

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job if job.id in self._jobs else job.with_revision(None))


@breaks("SAVE-3")
class HidesTheRevisionInListings(Memory):
    """Leaves the revision out of the columns that a listing reads."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return [job.with_revision(None) for job in await super().list_recent(limit, since)]


@breaks("SAVE-3")
class StaleErrorWithoutFound(Memory):
    """Raises the right error with the wrong values."""

    @override
    async def save(self, job: CollectionJob) -> None:
        try:
            await super().save(job)
        except StaleJobError as error:
            raise StaleJobError(error.job_id, error.expected, error.expected) from None


@breaks("SAVE-3")
class WritesBeforeItLooks(Memory):
    """Reports a stale save, and has stored it all the same."""

    @override
    async def save(self, job: CollectionJob) -> None:
        try:
            await super().save(job)
        except StaleJobError:
            if job.id in self._jobs:
                former = self._jobs[job.id]
                await super().save(job.with_revision(None))
                self._jobs[job.id] = put(self._jobs[job.id], revision=former.revision)
            raise


@breaks("SAVE-4")
class FailureKeepsTheRevision(Memory):
    """Raises the revision in save and update_status only."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        former = self._jobs.get(job_id)
        await super().add_failed_symbol(job_id, symbol, error)
        if former is not None:
            self._jobs[job_id] = put(self._jobs[job_id], revision=former.revision)


@breaks("SAVE-4")
class RefusedChangeRaisesTheRevision(Memory):
    """Counts calls of update_status rather than changes."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        changed = await super().update_status(job_id, status, error_message)
        if not changed and job_id in self._jobs:
            self._put(self._jobs[job_id])
        return changed


@breaks("SAVE-5")
class RevisionsStartAgain(Memory):
    """Counts the revisions of each job by itself."""

    @override
    def _put(self, job: CollectionJob) -> None:
        former = self._jobs.get(job.id)
        self._revision = 0 if former is None else former.revision or 0
        super()._put(job)


# Free text: what the entity would make of it, made otherwise


class CutsTexts(Memory):
    """Cuts what it is given before the entity does; the mutants say how."""

    def cut(self, text: str) -> str:
        raise NotImplementedError

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await super().add_failed_symbol(job_id, symbol, self.cut(error))

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        message = None if error_message is None else self.cut(error_message)
        return await super().update_status(job_id, status, message)


guarded(CutsTexts)


@breaks("FAILED-1", "STATUS-3")
class CutsAtCharacters(CutsTexts):
    """Keeps 65,535 characters, as if each were a byte, and says nothing of the rest."""

    @override
    def cut(self, text: str) -> str:
        return text[:65_535]


@breaks("FAILED-1", "STATUS-3")
class CutsInACharacter(CutsTexts):
    """Keeps 65,471 bytes, with half a character at their end, and says how many it left out."""

    @override
    def cut(self, text: str) -> str:
        text = check_text("text", text) if text.isascii() else text.replace("\0", "\ufffd")
        encoded = text.encode(errors="replace")
        if len(encoded) <= 65_535:
            return text
        kept = encoded[:65_471].decode(errors="replace").removesuffix("\ufffd") + "?"
        return f"{kept}\n[{len(encoded) - 65_471} bytes left out]"


@breaks("FAILED-1", "STATUS-3")
class CutsWithoutANote(CutsTexts):
    """Keeps what the entity would keep, and not the line that says what was left out."""

    @override
    def cut(self, text: str) -> str:
        kept = check_text("text", text)
        return kept.rpartition("\n[")[0] if kept.endswith(" bytes left out]") else kept


@breaks("FAILED-1")
class KeepsEveryByte(Memory):
    """Has a column for any text, and writes the error into it as it came."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        await super().add_failed_symbol(job_id, symbol, error)
        if len(error) > 60_000 and error.isprintable():
            job = self._jobs[job_id]
            failed = MappingProxyType({**job.failed_symbols, symbol: error})
            self._jobs[job_id] = put(job, failed_symbols=failed)


# GET, DELETE


@breaks("GET-1")
class FoldsCase(Memory):
    """Compares ids as MySQL does by default."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        found = await super().get_by_id(job_id)
        if found is None:
            near = [job for key, job in self._jobs.items() if key.lower() == job_id.lower()]
            return near[0] if near else None
        return found


@breaks("GET-1")
class ReadsAnother(Memory):
    """Looks up an unknown id with LIKE, in which % and _ match others."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        found = await super().get_by_id(job_id)
        if found is None and job_id.endswith(("%", "_")):
            near = [job for key, job in self._jobs.items() if key.startswith(job_id[:-1])]
            return near[0] if near else None
        return found


@breaks("GET-2")
class SharesItsMappings(Memory):
    """Gives out jobs whose mappings are the store's own."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        if job is None:
            return None
        mine = put(job, failed_symbols=dict(job.failed_symbols))
        self._jobs[job_id] = mine
        return mine


@breaks("GET-2")
class SharesItsList(Memory):
    """Gives out the list of running jobs that it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self._running: list[CollectionJob] = []
        self._at = -1

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        if self._at != self._revision:
            self._running = await super().get_running_jobs()
            self._at = self._revision
        return self._running

    @override
    async def delete(self, job_id: str) -> bool:
        self._at = -1
        return await super().delete(job_id)


@breaks("GET-2")
class ChangesWhatItGaveOut(Memory):
    """Updates the job object in place, under the eyes of whoever holds it."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        former = self._jobs.get(job_id)
        await super().add_failed_symbol(job_id, symbol, error)
        if former is not None:
            object.__setattr__(former, "failed_symbols", self._jobs[job_id].failed_symbols)


@breaks("DELETE-1")
class DeleteAlwaysTrue(Memory):
    """Answers True without looking at the row count."""

    @override
    async def delete(self, job_id: str) -> bool:
        await super().delete(job_id)
        return True


@breaks("DELETE-1")
class DeletesSoftly(Memory):
    """Marks the job deleted, and one listing forgets to look at the mark."""

    def __init__(self) -> None:
        super().__init__()
        self._marked: list[CollectionJob] = []

    @override
    async def delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None:
            self._marked.append(job)
        return await super().delete(job_id)

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(limit, since)
        marked = [job for job in self._marked if job.id not in self._jobs]
        return jobs + marked if len(jobs) < limit and since is None else jobs


@breaks("DELETE-1")
class StatsOutliveTheJob(Memory):
    """Leaves the rows of the outcomes behind."""

    def __init__(self) -> None:
        super().__init__()
        self._stats: dict[str, JobStats] = {}

    @override
    async def save(self, job: CollectionJob) -> None:
        await super().save(job)
        self._stats[job.id] = JobStats.from_job(job)

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        return await super().get_stats(job_id) or self._stats.get(job_id)


@breaks("DELETE-2")
class OutcomesComeBack(Memory):
    """Has no foreign key: the outcomes of a deleted job meet the next job of its id."""

    def __init__(self) -> None:
        super().__init__()
        self._orphans: dict[str, CollectionJob] = {}

    @override
    async def delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None:
            self._orphans[job_id] = job
        return await super().delete(job_id)

    @override
    async def save(self, job: CollectionJob) -> None:
        orphan = self._orphans.pop(job.id, None)
        if orphan is not None and job.revision is None:
            left = {s: e for s, e in orphan.failed_symbols.items() if s in job.symbols}
            left = {s: e for s, e in left.items() if s not in job.completed_symbols}
            job = put(job, failed_symbols=MappingProxyType({**left, **job.failed_symbols}))
        await super().save(job)


# Listings


@breaks("LIST-1")
class ListsNewestFirst(Memory):
    """Orders a page by age the wrong way round."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, len(self._jobs))
        return jobs[::-1][offset : offset + limit]


@breaks("LIST-1")
class OrdersIdsAsUtf16(Memory):
    """Breaks ties as Java and JavaScript compare strings."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, len(self._jobs))
        jobs.sort(key=lambda job: (job.created_at, job.id.encode("utf-16-be")))
        return jobs[offset : offset + limit]


@breaks("LIST-1")
class ListsWithoutOutcomes(Memory):
    """Leaves the join with the outcomes out of a listing."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        jobs = await super().list_by_status(status, limit, offset)
        return [put(job, completed_symbols=MappingProxyType({})) for job in jobs]


@breaks("LIST-2")
class IgnoresOffset(Memory):
    """Gives the first page again and again."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await super().list_by_status(status, limit)


@breaks("LIST-2")
class PagesByPageNumber(Memory):
    """Takes offset for the number of a page."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        return await super().list_by_status(status, limit, offset * limit)


@breaks("RECENT-1")
class TiesAscending(Memory):
    """Orders by created_at descending, and leaves equal times as they come."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        jobs = await super().list_recent(len(self._jobs), since)
        jobs.sort(key=lambda job: job.id)
        jobs.sort(key=lambda job: job.created_at, reverse=True)
        return jobs[:limit]


@breaks("RECENT-1")
class OneMoreThanLimit(Memory):
    """Asks for one more to know whether there are more, and gives it out."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        return await super().list_recent(limit + 1, since)


@breaks("RECENT-2")
class SinceExclusive(Memory):
    """Compares with > instead of >=."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if since is not None and since < datetime.max.replace(tzinfo=UTC):
            since += timedelta(microseconds=1)
        return await super().list_recent(limit, since)


@breaks("RECENT-2")
class SinceByDay(Memory):
    """Compares dates."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if since is not None:
            # In UTC: in another zone the first day of the calendar begins before it.
            since = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return await super().list_recent(limit, since)


@breaks("RUNNING-1")
class RunningByStart(Memory):
    """Orders the running jobs by when they were started."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        jobs = await super().get_running_jobs()
        return sorted(jobs, key=lambda job: job.started_at or job.created_at)


@breaks("RUNNING-1")
class RunningUntilFinished(Memory):
    """Takes for running what was started and is not finished, whatever its status says."""

    @override
    async def get_running_jobs(self) -> list[CollectionJob]:
        jobs = await super().get_running_jobs()
        return [job for job in jobs if job.finished_at is None]


# Statuses, failures, stats


@breaks("STATUS-1")
class AnyChangeGoes(Memory):
    """Does not look at the lifecycle when a finished job is started again."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job = self._jobs.get(job_id)
        if job is not None and job.status is JobStatus.COMPLETED and status is JobStatus.RUNNING:
            self._put(put(job, status=status))
            return True
        return await super().update_status(job_id, status, error_message)


@breaks("STATUS-1")
class NoRetry(Memory):
    """Takes FAILED for final."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        job = self._jobs.get(job_id)
        if job is not None and job.status is JobStatus.FAILED:
            return False
        return await super().update_status(job_id, status, error_message)


@breaks("STATUS-1")
class UnknownJobRaises(Memory):
    """Raises where False is due."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if job_id not in self._jobs:
            raise JobNotFoundError(job_id)
        return await super().update_status(job_id, status, error_message)


@breaks("STATUS-3")
class WrongClock(Memory):
    """Has a clock that is three minutes slow."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: datetime.now(UTC) - timedelta(minutes=3))


@breaks("STATUS-3")
class KeepsFinishedAt(Memory):
    """Leaves finished_at when a failed job is retried."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        former = self._jobs.get(job_id)
        changed = await super().update_status(job_id, status, error_message)
        if changed and former is not None and status is JobStatus.PENDING:
            kept = put(self._jobs[job_id], finished_at=former.finished_at)
            self._jobs[job_id] = kept
        return changed


@breaks("STATUS-3")
class KeepsOldErrorMessage(Memory):
    """Writes error_message only when there is one: COALESCE(?, error_message)."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        former = self._jobs.get(job_id)
        if former is not None and error_message is None:
            error_message = former.error_message
        return await super().update_status(job_id, status, error_message)


@breaks("STATUS-3")
class LocalClock(Memory):
    """Takes the wall clock of a zone five hours away for UTC."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: datetime.now(UTC) - timedelta(hours=5))


@breaks("FAILED-1")
class FailedAndCompleted(Memory):
    """Records the failure beside the completion that it replaces."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        former = self._jobs.get(job_id)
        await super().add_failed_symbol(job_id, symbol, error)
        if former is not None:
            kept = put(self._jobs[job_id], completed_symbols=former.completed_symbols)
            self._jobs[job_id] = kept


@breaks("FAILED-1")
class FirstErrorStays(Memory):
    """Keeps the first error of a symbol."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        job = self._jobs.get(job_id)
        if job is not None:
            error = job.failed_symbols.get(symbol, error)
        await super().add_failed_symbol(job_id, symbol, error)


@breaks("FAILED-3")
class IgnoresUnknownJobs(Memory):
    """Updates no row, and says nothing."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        if job_id in self._jobs:
            await super().add_failed_symbol(job_id, symbol, error)


@breaks("FAILED-3")
class TakesAnySymbol(Memory):
    """Lets a job fail for a symbol that it does not have."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        try:
            await super().add_failed_symbol(job_id, symbol, error)
        except UnknownSymbolError:
            return


@breaks("STATS-1")
class CountsFailedAsCompleted(Memory):
    """Counts every outcome as completed."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        if stats is None:
            return None
        return replace(stats, completed=stats.completed + stats.failed)


@breaks("STATS-1")
class SumsIn32Bits(Memory):
    """Sums candles in an int4."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        return None if stats is None else replace(stats, total_candles=stats.total_candles % 2**31)


# Errors and inputs


@breaks("ERROR-1", guard=False)
class WorksWhenClosed(Memory):
    """Answers reads after it was closed."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return None if self._closed else await super().get_by_id(job_id)


@breaks("ERROR-1", guard=False)
class ClosedIsADriversError(Memory):
    """Lets the driver say that it is closed."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
        return await super().get_stats(job_id)


@breaks("INPUT-1", guard=False)
class NegativeLimitIsNone(Memory):
    """Takes a negative limit for no limit, as SQLite does."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if isinstance(limit, int) and limit < 0:
            limit = len(self._jobs)
        return await super().list_recent(limit, since)


@breaks("INPUT-1", guard=False)
class NaiveSinceIsUtc(Memory):
    """Takes a naive time for UTC."""

    @override
    async def list_recent(
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]:
        if isinstance(since, datetime) and since.tzinfo is None:
            since = since.replace(tzinfo=UTC)
        return await super().list_recent(limit, since)


@breaks("INPUT-1", guard=False)
class EmptyIdIsUnknown(Memory):
    """Finds no job of an empty id, and leaves it at that."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return None if job_id == "" else await super().get_by_id(job_id)


@breaks("INPUT-1", guard=False)
class NulIdIsUnknown(Memory):
    """Finds no job of an id that no job can have, and leaves it at that."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        if isinstance(job_id, str) and "\0" in job_id:
            return None
        return await super().get_by_id(job_id)


@breaks("INPUT-1", guard=False)
class SurrogateIdIsUnknown(Memory):
    """Looks for an id by its bytes, in which a lone surrogate becomes a question mark."""

    @override
    async def delete(self, job_id: str) -> bool:
        if isinstance(job_id, str):
            job_id = job_id.encode(errors="replace").decode()
        return await super().delete(job_id)


@breaks("INPUT-1", guard=False)
class SavesSubclasses(Memory):
    """Saves the fields that it knows of a job of another class, and loses the rest."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if isinstance(job, CollectionJob) and type(job) is not CollectionJob:
            job = CollectionJob(**job.__reduce__()[1][0])
        await super().save(job)


@breaks("INPUT-1", guard=False)
class StatusAsText(Memory):
    """Takes the spelling of a status for a status."""

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        if isinstance(status, str) and status in set(JobStatus):
            status = JobStatus(status)
        return await super().update_status(job_id, status, error_message)


@breaks("INPUT-1", guard=False)
class SilentAboutTheValue(Memory):
    """Refuses a bad offset without showing it."""

    @override
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]:
        try:
            return await super().list_by_status(status, limit, offset)
        except ValueError:
            raise ValueError("bad paging") from None


# Odd, and right


@odd
class RevisionsLeap(Memory):
    """Counts revisions by thousands, from a negative number on."""

    def __init__(self) -> None:
        super().__init__()
        self._revision = -5_000_000

    @override
    def _put(self, job: CollectionJob) -> None:
        self._revision += 999
        super()._put(job)


@odd
class CoarseClock(Memory):
    """Has a clock of whole seconds, most of a minute slow: it is right to within a minute."""

    def __init__(self) -> None:
        super().__init__(
            clock=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=55)
        )


@odd
class SkipsNoOps(Memory):
    """Leaves the revision when a save would change nothing: nothing was changed."""

    @override
    async def save(self, job: CollectionJob) -> None:
        stored = self._jobs.get(job.id)
        if stored is not None and stored == job and job.revision in (None, stored.revision):
            return
        await super().save(job)


@odd
class GivesCopies(Memory):
    """Builds every job anew, with its mappings in another order."""

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        if job is None:
            return None
        turned = dict(reversed(list(job.completed_symbols.items())))
        fields: dict[str, Any] = {**job.__reduce__()[1][0], "completed_symbols": turned}
        return CollectionJob(**fields)


@odd
class MoreOfItsOwn(Memory):
    """Has errors of its own below those of the contract, and says more in them."""

    @override
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        try:
            await super().add_failed_symbol(job_id, symbol, error)
        except JobNotFoundError as unknown:
            raise JobGoneError(unknown.job_id) from unknown


class JobGoneError(JobNotFoundError, RepositoryError):
    """There is no such job any more."""
