"""Repositories with one planted bug each in how they find and count jobs.

Each derives from the in-memory repository, and one caller alone can see what is wrong. `BUGS` gives
for each exactly the laws that convict it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStats, JobStatus
from collection_jobs.lease import Lease
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.validation import check_key, check_limit

__all__ = ["BUGS", "Finding"]

Key = tuple[datetime, str]
BUGS: dict[type[Finding], frozenset[str]] = {}
_BOTH = ("FIND-1", "FIND-3")


def breaks(*laws: str) -> Callable[[type[Finding]], type[Finding]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Finding]) -> type[Finding]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


class Finding(InMemoryCollectionJobRepository):
    """Goes through all jobs, and lets the mutants say which match, and what is shown of each."""

    @override
    async def find(
        self, query: JobQuery, limit: int = 100, after: Key | None = None
    ) -> list[JobSummary]:
        await super().find(query, limit, after)
        key = None if after is None else check_key("after", after)
        found = sorted(self.found(query), key=self.order)
        behind = [job for job in found if key is None or self.is_behind(job, key)]
        return [self._summary(job) for job in behind[: self.most(check_limit(limit))]]

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        await super().count(query)
        counts = dict.fromkeys(JobStatus, 0)
        for job in self.found(query):
            counts[job.status] += 1
        return self.told(counts)

    def found(self, query: JobQuery) -> list[CollectionJob]:
        return [job for job in self._jobs.values() if self.meets(query, job)]

    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return query.matches(job)

    def order(self, job: CollectionJob) -> Any:
        return job.created_at, job.id

    def is_behind(self, job: CollectionJob, key: Key) -> bool:
        return (job.created_at, job.id) > key

    def most(self, limit: int) -> int:
        return limit

    def told(self, counts: dict[JobStatus, int]) -> Mapping[JobStatus, int]:
        return counts


def instead(query: JobQuery, job: CollectionJob, **conditions: Callable[[Any], bool]) -> bool:
    """Whether a job matches where some conditions are asked in a way of their own."""
    rest = replace(query, **dict.fromkeys(conditions))
    return rest.matches(job) and all(
        (value := getattr(query, name)) is None or meets(value)
        for name, meets in conditions.items()
    )


# Which jobs match


@breaks(*_BOTH)
class JoinsByOr(Finding):
    """ " OR ".join(conditions)."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        names = [item.name for item in fields(query)]
        asked = {name: value for name in names if (value := getattr(query, name)) is not None}
        return not asked or any(
            JobQuery(**{name: value}).matches(job) for name, value in asked.items()
        )


@breaks(*_BOTH)
class TakesTheLast(Finding):
    """The second condition on a time replaces the first in a dict of parameters."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        if query.created_before is not None and query.created_from is not None:
            query = replace(query, created_from=None)
        return query.matches(job)


@breaks(*_BOTH)
class FromBehind(Finding):
    """created_from asks for > and not for >=."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, created_from=lambda first: job.created_at > first)


@breaks(*_BOTH)
class UpToAndWith(Finding):
    """created_before asks for <= and not for <, as BETWEEN does."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, created_before=lambda end: job.created_at <= end)


@breaks(*_BOTH)
class FinishedUpToAndWith(Finding):
    """finished_before asks for <= and not for <."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(
            query,
            job,
            finished_before=lambda end: job.finished_at is not None and job.finished_at <= end,
        )


@breaks(*_BOTH)
class NeverFinishedIsLongAgo(Finding):
    """COALESCE(finished_at, 0) < ?: a job that has not ended did so in 1970."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(
            query,
            job,
            finished_before=lambda end: job.finished_at is None or job.finished_at < end,
        )


@breaks(*_BOTH)
class ToTheSecond(Finding):
    """Compares times without their microseconds."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        at = job.created_at.replace(microsecond=0)
        return instead(
            query,
            job,
            created_from=lambda first: at >= first.replace(microsecond=0),
            created_before=lambda end: at < end.replace(microsecond=0),
        )


@breaks(*_BOTH)
class SourceLike(Finding):
    """WHERE source LIKE ?."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, source=lambda asked: _like(asked, job.source))


def _like(pattern: str, text: str) -> bool:
    signs = {"%": ".*", "_": "."}
    expression = "".join(signs.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL) is not None


@breaks(*_BOTH)
class SourceGlob(Finding):
    """WHERE source GLOB ?."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, source=lambda asked: fnmatchcase(job.source, asked))


@breaks(*_BOTH)
class SourceBegins(Finding):
    """A range over the index: every source that begins with the one asked for."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, source=job.source.startswith)


@breaks(*_BOTH)
class SourceTrimmed(Finding):
    """A CHAR column, or PAD SPACE: blanks at the end do not count."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, source=lambda asked: job.source.rstrip() == asked.rstrip())


@breaks(*_BOTH)
class SymbolsInAText(Finding):
    """WHERE symbols LIKE '%' || ? || '%', with the symbols joined by commas."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, symbol=lambda asked: asked in ",".join(job.symbols))


@breaks(*_BOTH)
class SymbolsBetweenCommas(Finding):
    """A comma in front and one behind: but a symbol may have commas of its own."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        text = f",{','.join(job.symbols)},"
        return instead(query, job, symbol=lambda asked: f",{asked}," in text)


@breaks(*_BOTH)
class SymbolsAsJSON(Finding):
    """WHERE symbols LIKE '%"BTC"%': text that is quoted may stand within another symbol."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        text = json.dumps(job.symbols).replace('\\"', '"')
        return instead(query, job, symbol=lambda asked: f'"{asked}"' in text)


@breaks(*_BOTH)
class SymbolsInOneCase(Finding):
    """An index on lower(symbol)."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        lower = [symbol.lower() for symbol in job.symbols]
        return instead(query, job, symbol=lambda asked: asked.lower() in lower)


@breaks(*_BOTH)
class SymbolsWithOutcomes(Finding):
    """Joins the table of outcomes: a symbol without one is in no job."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        known = {**job.completed_symbols, **job.failed_symbols}
        return instead(query, job, symbol=lambda asked: asked in known)


@breaks(*_BOTH)
class MetadataAsText(Finding):
    """Compares the JSON of all metadata: other entries of the job make it another."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, metadata=lambda asked: dict(asked) == dict(job.metadata))


@breaks(*_BOTH)
class MetadataWithinText(Finding):
    """WHERE metadata LIKE '%"ticket": "T-1"%', for each entry."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        text = json.dumps(dict(job.metadata)).replace('\\"', '"')
        return instead(
            query,
            job,
            metadata=lambda asked: all(f'"{key}": "{asked[key]}"' in text for key in asked),
        )


@breaks(*_BOTH)
class MetadataByPath(Finding):
    """json_extract(metadata, '$.' || key): a key with a dot is a path."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        def extracted(key: str) -> Any:
            found: Any = dict(job.metadata)
            for part in key.split("."):
                found = None if isinstance(found, str | None) else found.get(part)
            return found

        return instead(
            query, job, metadata=lambda asked: all(extracted(key) == asked[key] for key in asked)
        )


@breaks(*_BOTH)
class MetadataFirstKey(Finding):
    """One pair of parameters for metadata: only the first entry is asked for."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        own = set(job.metadata.items())
        return instead(query, job, metadata=lambda asked: set(list(asked.items())[:1]) <= own)


@breaks(*_BOTH)
class MetadataValuesOnly(Finding):
    """An index over the values: whatever their keys are."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        values = set(job.metadata.values())
        return instead(query, job, metadata=lambda asked: set(asked.values()) <= values)


@breaks(*_BOTH)
class EmptyIsAll(Finding):
    """``if query.statuses:`` takes no statuses for none given."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, statuses=lambda some: not some or job.status in some)


@breaks(*_BOTH)
class EmptyMetadataIsNone(Finding):
    """metadata={} finds the jobs that have none."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(
            query,
            job,
            metadata=lambda asked: (
                asked.items() <= job.metadata.items() if asked else not job.metadata
            ),
        )


@breaks(*_BOTH)
class FailedOrNot(Finding):
    """with_failures=False is falsy, and asks for nothing."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, with_failures=lambda yes: not yes or bool(job.failed_symbols))


@breaks(*_BOTH)
class AnyOutcomeIsAFailure(Finding):
    """EXISTS (SELECT 1 FROM outcomes ...): of the completed ones as well."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        outcomes = {**job.completed_symbols, **job.failed_symbols}
        return instead(query, job, with_failures=lambda yes: bool(outcomes) is yes)


@breaks(*_BOTH)
class EverFailed(Finding):
    """with_failures asks the counts: also of symbols that completed since."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, with_failures=lambda yes: bool(job.failure_counts) is yes)


@breaks(*_BOTH)
class FailedAsAWhole(Finding):
    """with_failures asks for the status FAILED."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        has = job.status is JobStatus.FAILED
        return instead(query, job, with_failures=lambda yes: has is yes)


# Pages


@breaks("FIND-1")
class SkipsTies(Finding):
    """created_at > ?: the other jobs of that instant are on no page."""

    @override
    def is_behind(self, job: CollectionJob, key: Key) -> bool:
        return job.created_at > key[0]


@breaks("FIND-1")
class RepeatsTheLast(Finding):
    """(created_at, id) >= (?, ?): the last job of a page is the first of the next."""

    @override
    def is_behind(self, job: CollectionJob, key: Key) -> bool:
        return (job.created_at, job.id) >= key


@breaks("FIND-1")
class ComparesEach(Finding):
    """created_at >= ? AND id > ?: younger jobs of smaller ids are on no page."""

    @override
    def is_behind(self, job: CollectionJob, key: Key) -> bool:
        return job.created_at >= key[0] and job.id > key[1]


@breaks("FIND-1")
class KeyOfAStoredJob(Finding):
    """Looks up the job of the key, and starts anew where it is gone."""

    @override
    def is_behind(self, job: CollectionJob, key: Key) -> bool:
        known = self._jobs.get(key[1])
        if known is None or known.created_at != key[0]:
            return True
        return (job.created_at, job.id) > key


@breaks("FIND-1")
class NewestFirst(Finding):
    """ORDER BY created_at DESC, as every list of a web page has it."""

    @override
    def order(self, job: CollectionJob) -> Any:
        return -(job.created_at - datetime.min.replace(tzinfo=job.created_at.tzinfo)), job.id


@breaks("FIND-1")
class ByAgeOnly(Finding):
    """ORDER BY created_at: what is of one instant comes as it was saved."""

    @override
    def order(self, job: CollectionJob) -> Any:
        return job.created_at


@breaks("FIND-1")
class AFewAtMost(Finding):
    """min(limit, 3): nobody needs more on a page."""

    @override
    def most(self, limit: int) -> int:
        return min(limit, 3)


# Counts


@breaks("FIND-3")
class OnlyWhatIsThere(Finding):
    """GROUP BY status: a status without a job is not named."""

    @override
    def told(self, counts: dict[JobStatus, int]) -> Mapping[JobStatus, int]:
        return {status: number for status, number in counts.items() if number}


@breaks("FIND-3")
class CountsByText(Finding):
    """The keys are what the column holds."""

    @override
    def told(self, counts: dict[JobStatus, int]) -> Mapping[JobStatus, int]:
        texts: dict[Any, int] = {status.value: number for status, number in counts.items()}
        return texts


@breaks("FIND-3")
class CountsOutcomes(Finding):
    """COUNT(*) over a join with the outcomes."""

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = dict(await super().count(query))
        for job in self.found(query):
            counts[job.status] += max(0, len(job.failed_symbols) - 1)
            counts[job.status] += len(job.completed_symbols) if job.failed_symbols else 0
        return counts


@breaks("FIND-3")
class CountsAPage(Finding):
    """Counts what find shows with its usual limit, here of three."""

    @override
    def told(self, counts: dict[JobStatus, int]) -> Mapping[JobStatus, int]:
        return {status: min(number, 3) for status, number in counts.items()}


@breaks("FIND-3")
class CountsFromACache(Finding):
    """A count by status that deletions do not lower."""

    def __init__(self) -> None:
        super().__init__()
        self._gone = dict.fromkeys(JobStatus, 0)

    @override
    def _delete(self, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        if job is not None:
            self._gone[job.status] += 1
        return super()._delete(job_id)

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counts = await super().count(query)
        if query != JobQuery():
            return counts
        return {status: number + self._gone[status] for status, number in counts.items()}


@breaks("GET-2")
class GivesItsCountsAway(Finding):
    """Gives out the very dict that it counts in."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[JobStatus, int] | None = None

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self._counts = None

    @override
    def _delete(self, job_id: str) -> bool:
        self._counts = None
        return super()._delete(job_id)

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        if query != JobQuery():
            return await super().count(query)
        if self._counts is None:
            self._counts = dict(await super().count(query))
        return self._counts


# Summaries


class Summarizing(Finding):
    """Lets the mutants say what is shown of a job."""

    @override
    def _summary(self, job: CollectionJob) -> JobSummary:
        return self.shown(super()._summary(job), job)

    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        return summary


@breaks("FIND-2")
class CountersOnlyGrow(Summarizing):
    """Stats from counters that each outcome raises, and one that is replaced does not lower."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[set[str], set[str]]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        completed, failed = self._seen.setdefault(job.id, (set(), set()))
        completed |= set(job.completed_symbols)
        failed |= set(job.failed_symbols)

    @override
    def _delete(self, job_id: str) -> bool:
        self._seen.pop(job_id, None)
        return super()._delete(job_id)

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        failed = len(self._seen[job.id][1] & set(job.symbols))
        return replace(summary, stats=replace(summary.stats, failed=failed))


@breaks("FIND-2")
class NoLease(Summarizing):
    """Summaries were there before leases were."""

    of_leases = True

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        return replace(summary, worker=None, expires_at=None)


@breaks("FIND-2")
class EndedLeases(Summarizing):
    """Joins the table of leases, in which those that ended stay."""

    of_leases = True

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, Lease] = {}

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        lease = await super().claim(job_id, worker, ttl)
        if lease is not None:
            self._last[job_id] = lease
        return lease

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        lease = self._last.get(job.id)
        if lease is None or summary.worker is not None:
            return summary
        return replace(summary, worker=lease.worker, expires_at=lease.expires_at)


@breaks("FIND-2")
class OnlyUnexpired(Summarizing):
    """WHERE expires_at > now(): a lease that has expired is current all the same."""

    of_leases = True

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        if summary.expires_at is None or summary.expires_at > self._clock():
            return summary
        return replace(summary, worker=None, expires_at=None)


@breaks("FIND-2")
class FirstExpiry(Summarizing):
    """Shows when the lease would have expired if nobody had renewed it."""

    of_leases = True

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[tuple[str, str], datetime] = {}

    @override
    async def claim(self, job_id: str, worker: str, ttl: timedelta) -> Lease | None:
        lease = await super().claim(job_id, worker, ttl)
        if lease is not None:
            self._first[job_id, worker] = lease.expires_at
        return lease

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        if summary.worker is None:
            return summary
        first = self._first.get((job.id, summary.worker), summary.expires_at)
        return replace(summary, expires_at=first)


@breaks("FIND-2")
class NoRevision(Summarizing):
    """Leaves the revision out: nobody saves a summary."""

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        return replace(summary, revision=None)


@breaks("FIND-2")
class SortsSymbols(Summarizing):
    """array_agg(symbol ORDER BY symbol)."""

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        return replace(summary, symbols=tuple(sorted(summary.symbols)))


@breaks("FIND-2")
class CountsCandlesOfNobody(Summarizing):
    """SUM over no row is NULL, and that is taken for 1."""

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        stats = JobStats.from_job(job)
        if stats.completed:
            return summary
        return replace(summary, stats=replace(stats, total_candles=1))


@breaks("FIND-2")
class NoMetadata(Summarizing):
    """Leaves the metadata out, which may be long."""

    @override
    def shown(self, summary: JobSummary, job: CollectionJob) -> JobSummary:
        return replace(summary, metadata={})


@breaks("FIND-1")
class ForgetsItsConditions(Finding):
    """Builds the second page's WHERE anew, from the key, and leaves the statuses out."""

    @override
    async def find(
        self, query: JobQuery, limit: int = 100, after: Key | None = None
    ) -> list[JobSummary]:
        if after is not None:
            query = replace(query, statuses=None)
        return await super().find(query, limit, after)


@breaks(*_BOTH)
class NormalisesSources(Finding):
    """Compares sources as a collation does, which takes a composed letter for its two parts."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        return instead(query, job, source=lambda source: nfc(source) == nfc(job.source))


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@breaks("FIND-3")
class CachesItsCounts(Finding):
    """Keeps a count until a job is changed or deleted; a purge is another statement."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[JobQuery, Mapping[JobStatus, int]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        self.counts.clear()
        super()._put(job)

    @override
    async def delete(self, job_id: str) -> bool:
        self.counts.clear()
        return await super().delete(job_id)

    @override
    async def count(self, query: JobQuery) -> Mapping[JobStatus, int]:
        counted = await super().count(query)
        return dict(self.counts.setdefault(query, counted))


@breaks(*_BOTH)
class SymbolsAsEscapedJSON(Finding):
    """Looks for the symbol as JSON has it: the quotes of another symbol end and begin one, too."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        text = json.dumps(job.symbols, ensure_ascii=False)
        return instead(
            query, job, symbol=lambda asked: json.dumps(asked, ensure_ascii=False) in text
        )


@breaks(*_BOTH)
class MetadataBetweenSemicolons(Finding):
    """Keeps metadata as ``;key=value;key=value;``, whose signs may be in a value."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        text = "".join(f";{key}={value}" for key, value in job.metadata.items()) + ";"
        return instead(
            query,
            job,
            metadata=lambda asked: all(f";{key}={asked[key]};" in text for key in asked),
        )


@breaks(*_BOTH)
class ForgetsTheEndOfAWindow(Finding):
    """Has a statement of its own for source, status and age, which knows one bound of the age."""

    @override
    def meets(self, query: JobQuery, job: CollectionJob) -> bool:
        if query.source and query.statuses and query.created_from:
            query = replace(query, created_before=None)
        return query.matches(job)
