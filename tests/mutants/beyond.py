"""Repositories with one planted bug each in what they have beyond the nine methods, and odd ones.

Each derives from the in-memory repository, which has all the optional Protocols, and one caller
alone can see what is wrong. `BUGS` gives for each exactly the laws that convict it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from typing_extensions import override

from collection_jobs import (
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.job import check_jobs
from collection_jobs.validation import check_candles, check_key, check_name
from tests.mutants.unleased import InMemory

Full = InMemory
Key = tuple[datetime, str]
BUGS: dict[type[Full], frozenset[str]] = {}
ODD: list[type[Full]] = []


def breaks(*laws: str) -> Callable[[type[Full]], type[Full]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Full]) -> type[Full]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


def is_right(right: type[Full]) -> type[Full]:
    """Enter a repository that must be acquitted."""
    ODD.append(right)
    return right


# RecordsCompletedSymbols


class Completing(Full):
    """Looks, and lets the mutants say what is recorded."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        check_name("job_id", job_id)
        check_name("symbol", symbol)
        check_candles(candles)
        self._check_open()
        self.record(self.existing(job_id), symbol, candles)

    def existing(self, job_id: str) -> CollectionJob:
        return self._existing(job_id)

    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        self._put(job.with_completed_symbol(symbol, candles))


@breaks("COMPLETED-1")
class LeavesTheFailure(Completing):
    """Sets the candles of a symbol, and not its error back to NULL."""

    @override
    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        failed = dict(job.failed_symbols)
        done = job.with_completed_symbol(symbol, candles)
        self._put(done._changed(failed_symbols=failed))  # what no adapter may do


@breaks("COMPLETED-1")
class AddsUp(Completing):
    """SET candles = candles + ?: a symbol that is collected again counts twice."""

    @override
    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        super().record(job, symbol, candles + job.completed_symbols.get(symbol, 0))


@breaks("COMPLETED-1")
class KeepsTheFirst(Completing):
    """ON CONFLICT DO NOTHING: the first outcome of a symbol stays."""

    @override
    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        super().record(job, symbol, job.completed_symbols.get(symbol, candles))


@breaks("COMPLETED-1")
class CountsIn32Bits(Completing):
    """Keeps candles in an INTEGER that wraps around."""

    @override
    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        super().record(job, symbol, candles % 2**32)


@breaks("INPUT-1")
class ClampsCandles(Completing):
    """Takes 2**63 - 1 for more than that, as an engine of 64 bits may."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        if type(candles) is int:
            candles = min(candles, 2**63 - 1)
        await super().add_completed_symbol(job_id, symbol, candles)


@breaks("SAVE-4")
class CompletesInSilence(Completing):
    """Writes the row of the symbol, and forgets the revision in that of the job."""

    @override
    def record(self, job: CollectionJob, symbol: str, candles: int) -> None:
        super().record(job, symbol, candles)
        self._jobs[job.id] = self._jobs[job.id].with_revision(job.revision)


@breaks("COMPLETED-3")
class CompletesNobody(Completing):
    """An UPDATE of no row is as good as one of a row."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        try:
            await super().add_completed_symbol(job_id, symbol, candles)
        except (JobNotFoundError, UnknownSymbolError):
            return


@breaks("COMPLETED-3")
class TakesASymbolForAJob(Completing):
    """Raises LookupError's child whatever is unknown."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        try:
            await super().add_completed_symbol(job_id, symbol, candles)
        except UnknownSymbolError as error:
            raise JobNotFoundError(job_id) from error


@breaks("INPUT-1")
class TakesNegativeCandles(Completing):
    """Checks the names, and leaves the number to the database."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        await super().add_completed_symbol(job_id, symbol, max(candles, 0))


@breaks("ERROR-1")
class CompletesWhenClosed(Completing):
    """Forgets to look whether it is open in the method that was written last."""

    @override
    async def add_completed_symbol(self, job_id: str, symbol: str, candles: int) -> None:
        if not self._closed:
            await super().add_completed_symbol(job_id, symbol, candles)


# SavesMany


class Many(Full):
    """Takes jobs as it should, and lets the mutants save them."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        checked = check_jobs(jobs)
        self._check_open()
        self.save_all(checked)

    def save_all(self, jobs: list[CollectionJob]) -> None:
        raise NotImplementedError

    def save_one(self, job: CollectionJob) -> None:
        found = self._revision_of(job.id)
        if job.revision is not None and job.revision != found:
            raise StaleJobError(job.id, job.revision, found)
        self._put(job)

    def check(self, jobs: Iterable[CollectionJob]) -> None:
        """Refuse a stale job before anything is saved."""
        for job in jobs:
            found = self._revision_of(job.id)
            if job.revision is not None and job.revision != found:
                raise StaleJobError(job.id, job.revision, found)


@breaks("MANY-2")
class StopsAtTheStaleOne(Many):
    """Saves one after another, each by itself, until one is refused."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        for job in jobs:
            self.save_one(job)


@breaks("MANY-2")
class SavesInChunks(Many):
    """Saves 25 jobs at a time, as BatchWriteItem takes them: each 25 all or none."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        for first in range(0, len(jobs), 25):
            self.check(jobs[first : first + 25])
            for job in jobs[first : first + 25]:
                self.save_one(job)


@breaks("MANY-2")
class SavesTheOthers(Many):
    """Saves what it can, and raises the first refusal at the end."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        errors: list[StaleJobError] = []
        for job in jobs:
            try:
                self.save_one(job)
            except StaleJobError as error:
                errors.append(error)
        if errors:
            raise errors[0]


@breaks("MANY-1")
class PassesOverTheStale(Many):
    """INSERT OR IGNORE: what is refused is nobody's business."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        for job in jobs:
            try:
                self.save_one(job)
            except StaleJobError:
                continue


@breaks("MANY-1")
class SavesAllButTheLast(Many):
    """Flushes a buffer whenever the next job comes."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        self.check(jobs)
        for job in jobs[: max(1, len(jobs) - 1)]:
            self._put(job)


@breaks("MANY-1")
class LetsTheFirstCount(Many):
    """ON CONFLICT DO NOTHING within the batch: of two with one id, the first stays."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        self.check(jobs)
        for job in {job.id: job for job in reversed(jobs)}.values():
            self._put(job)


@breaks("MANY-1")
class ChecksBeforeAndNotBetween(Many):
    """Compares every revision with the stored one, then saves: a second copy is not stale."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        self.check(jobs)
        for job in jobs:
            self._put(job)


@breaks("MANY-1")
class SavesManyWhatever(Many):
    """An upsert of many rows, which asks for no revision."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        for job in jobs:
            self._put(job)


@breaks("MANY-1")
class GoesThroughTwice(Full):
    """Checks the jobs, then saves them: an iterator is empty by then."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        check_jobs(jobs)
        await super().save_many(jobs)


@breaks("INPUT-1")
class ChecksAsItSaves(Full):
    """Meets a value of a wrong type when the jobs before it are saved."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        self._check_open()
        met: list[CollectionJob] = []
        try:
            for job in jobs:
                check_jobs([job])
                met.append(job)
        except TypeError:
            await super().save_many(met)
            raise
        await super().save_many(met)


# PagesByKey


class Pages(Full):
    """Lists as it should, by a key that the mutants compare."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        found = await super().list_after(status, None, 0)
        if after is None:
            return await super().list_after(status, None, limit)
        key = check_key("after", after)
        await super().list_after(status, key, limit)
        found = await super().list_after(status, None, 10**9)
        return [job for job in found if self.is_behind((job.created_at, job.id), key)][:limit]

    def is_behind(self, key: Key, after: Key) -> bool:
        return key > after


@breaks("KEY-2")
class ComparesAgesOnly(Pages):
    """WHERE created_at > ?: jobs of the same age as the last of a page are lost."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return key[0] > after[0]


@breaks("KEY-2")
class RepeatsTheLast(Pages):
    """WHERE (created_at, id) >= (?, ?)."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return key >= after


@breaks("KEY-2")
class ComparesEachByItself(Pages):
    """WHERE created_at >= ? AND id > ?: a younger job of a lesser id is lost."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return key[0] >= after[0] and key[1] > after[1]


@breaks("KEY-2")
class ComparesIdsFolded(Pages):
    """Compares ids by a collation that knows no case."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return (key[0], key[1].casefold()) > (after[0], after[1].casefold())


@breaks("KEY-2")
class ComparesSeconds(Pages):
    """Writes the time of the key without its microseconds."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return key > (after[0].replace(microsecond=0), after[1])


@breaks("KEY-2")
class ComparesFloats(Pages):
    """Compares the seconds since the epoch as floats, which have no microseconds far from it."""

    @override
    def is_behind(self, key: Key, after: Key) -> bool:
        return (key[0].timestamp(), key[1]) > (after[0].timestamp(), after[1])


@breaks("KEY-2")
class LooksTheKeyUp(Pages):
    """Finds the job of the key and goes on behind it: where it is gone, from the beginning."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        page = await super().list_after(status, after, limit)
        if after is not None and after[1] not in self._jobs:
            return await super().list_after(status, None, limit)
        return page


@breaks("KEY-2")
class IgnoresTheLimit(Pages):
    """Gives all there is behind the key."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        page = await super().list_after(status, after, limit)
        return page if after is None else await super().list_after(status, after, 10**9)


@breaks("KEY-1")
class PagesOfEverything(Full):
    """Forgets the status where there is a key."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        page = await super().list_after(status, after, limit)
        if after is None:
            return page
        key = check_key("after", after)
        return self._read((one for one in self._index.by_age().ascending() if one > key), limit)


@breaks("KEY-1")
class OrdersByIdAlone(Full):
    """ORDER BY id, as the ids were made by a counter."""

    @override
    async def list_after(
        self, status: JobStatus, after: Key | None = None, limit: int = 100
    ) -> list[CollectionJob]:
        page = await super().list_after(status, after, limit)
        return sorted(page, key=lambda job: job.id)


# Right, and unusual


class Bare(Full):
    """Nothing beyond the nine."""


@is_right
class OnlyPages(Full):
    """Has one of the three."""


@is_right
class OnlyCompletes(Full):
    """Has another of them."""


@is_right
class OnlySavesMany(Full):
    """Has the third."""


_KEPT = {OnlyPages: "list_after", OnlyCompletes: "add_completed_symbol", OnlySavesMany: "save_many"}
for _store in (Bare, *_KEPT):
    for _method in METHODS.keys() - {_KEPT.get(_store)}:
        setattr(_store, _method, None)


@is_right
class CountsOnceForTwo(Many):
    """Of several copies of one id, stores only what the last leaves, at one new revision."""

    @override
    def save_all(self, jobs: list[CollectionJob]) -> None:
        met = {job.id: self._revision_of(job.id) for job in jobs}
        for number, job in enumerate(jobs, self._revision + 1):
            if job.revision is not None and job.revision != met[job.id]:
                raise StaleJobError(job.id, job.revision, met[job.id])
            met[job.id] = number
        for job in {job.id: job for job in jobs}.values():
            self._put(job)
