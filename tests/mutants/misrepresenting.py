"""Stores that give back another value than they were given, for some values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from urllib.parse import unquote

from typing_extensions import override

from collection_jobs import CollectionJob, JobStats
from tests.mutants.tried import LARGE, ONE, Kept, changed, tried


@tried(ONE, "SAVE-1", "FAILED-1", "STATUS-1", "STATUS-3")
class UnescapesEntities(Kept):
    """Shows error messages on a page, and unescapes when it reads what nobody escaped."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(job, failed_symbols={k: unescape(v) for k, v in job.failed_symbols.items()})


@tried(ONE, "SAVE-1")
class ReadsYaml(Kept):
    """Keeps metadata as YAML without quotes: ``no`` is false, ``12:30`` is a number of minutes."""

    WORDS: Mapping[str, str] = {
        "no": "false", "yes": "true", "on": "true", "off": "false", "NULL": "null", "~": "null",
        "None": "null", "True": "true", "False": "false",
    }  # fmt: skip

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(job, metadata={k: self.scalar(v) for k, v in job.metadata.items()})

    def scalar(self, text: str) -> str:
        """What a parser of YAML 1.1 makes of a bare word."""
        if re.fullmatch(r"\d+:[0-5]\d", text):
            hours, _, minutes = text.partition(":")
            return str(int(hours) * 60 + int(minutes))
        return self.WORDS.get(text, text)


@tried(ONE, "SAVE-1")
class GuardsAgainstFormulas(Kept):
    """Puts an apostrophe before values that a spreadsheet would take for a formula."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(
            job,
            metadata={
                k: f"'{v}" if v.startswith(("=", "+", "-", "@")) else v
                for k, v in job.metadata.items()
            },
        )


@tried(ONE, "SAVE-1", "FAILED-1", "FAILED-3", "ERROR-1")
class FormatsErrors(Kept):
    """Passes errors through ``%``, as a logger does with the arguments that it does not have."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(
            job, failed_symbols={k: v.replace("%%", "%") for k, v in job.failed_symbols.items()}
        )


@tried(ONE, "SAVE-1", "FAILED-1")
class UnescapesBackslashes(Kept):
    r"""Reads ``\n`` in a text as the end of a line."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(
            job,
            failed_symbols={
                k: v.replace("\\n", "\n").replace("\\t", "\t")
                for k, v in job.failed_symbols.items()
            },
        )


@tried(ONE, "SAVE-1")
class UnquotesSources(Kept):
    """Keeps sources as parts of URLs, and decodes them once too often."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(job, source=unquote(job.source) or job.source)


@tried(ONE, "SAVE-1")
class StripsMarks(Kept):
    """Reads every text as UTF-8 with a byte order mark."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(job, timeframe=job.timeframe.removeprefix("\ufeff") or job.timeframe)


@tried(ONE, "SAVE-1")
class IndexesShortKeys(Kept):
    """Has metadata keys of 191 characters, which is what an index of MySQL takes."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(job, metadata={k[:191]: v for k, v in job.metadata.items()})


@tried(ONE, "SAVE-1")
class ClipsCandles(Kept):
    """Keeps candles in an unsigned integer of four bytes."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        return changed(
            job, completed_symbols={k: min(v, 2**32 - 1) for k, v in job.completed_symbols.items()}
        )


@tried(ONE, "STATS-1")
class SumsAsReal(Kept):
    """Sums candles as TOTAL() of SQLite does, which is a floating-point number."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        if stats is None:
            return None
        job = self._jobs[job_id]
        total = int(sum(float(candles) for candles in job.completed_symbols.values()))
        return JobStats(
            total=stats.total, completed=stats.completed, failed=stats.failed, total_candles=total
        )


@tried(ONE, "STATS-1")
class SumOverflows(Kept):
    """Sums candles in a BIGINT, which wraps."""

    @override
    async def get_stats(self, job_id: str) -> JobStats | None:
        stats = await super().get_stats(job_id)
        if stats is None:
            return None
        return JobStats(
            total=stats.total,
            completed=stats.completed,
            failed=stats.failed,
            total_candles=stats.total_candles % 2**63,
        )


@tried(ONE, "SAVE-1", "FAILED-1")
class OutcomesByCase(Kept):
    """Keys outcomes by a column that ignores case."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        known = {symbol.casefold(): symbol for symbol in job.failed_symbols}
        return changed(
            job,
            failed_symbols={
                symbol: error
                for symbol, error in job.failed_symbols.items()
                if known[symbol.casefold()] == symbol
            },
        )


@tried(LARGE, "SAVE-1")
class RangesOfDays(Kept):
    """Keeps the start of the range as a date where it is more than a century ago."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        if job.start.year >= 1924:
            return job
        return changed(job, start=job.start.replace(hour=0, minute=0, second=0, microsecond=0))


@tried(ONE, "SAVE-1")
class SecondsInFourBytes(Kept):
    """Keeps the end of the range in seconds of four unsigned bytes, and adds the microseconds."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        seconds = (job.end - epoch) // timedelta(seconds=1)
        end = epoch + timedelta(seconds=seconds % 2**32, microseconds=job.end.microsecond)
        return changed(job, end=end) if end > job.start else job


@tried(ONE, "SAVE-1", "RECENT-1", "LIST-1")
class FloorsBeforeTheEpoch(Kept):
    """Splits an instant into seconds and microseconds, and rounds toward zero before the epoch."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        if job.created_at >= epoch or not job.created_at.microsecond:
            return job
        return changed(job, created_at=job.created_at + timedelta(seconds=1))  # the sign is lost


@tried(ONE, "SAVE-1")
class DurationAsFloat(Kept):
    """Keeps ``finished_at`` as seconds after ``started_at``, in four bytes of floating point."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        if job.started_at is None or job.finished_at is None:
            return job
        seconds = (job.finished_at - job.started_at).total_seconds()
        return changed(job, finished_at=job.started_at + timedelta(seconds=round(seconds, 3)))


@tried(LARGE, "SAVE-1")
class ForgetsTheFold(Kept):
    """Keeps naive times of a zone with daylight saving: the hour that comes twice is the first."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        summer, winter = timezone(timedelta(hours=2)), timezone(timedelta(hours=1))
        instant = job.created_at
        last = max(
            day for day in range(25, 32) if datetime(2024, 10, day, tzinfo=UTC).weekday() == 6
        )
        change = datetime(2024, 10, last, 1, tzinfo=UTC)
        if not change <= instant < change + timedelta(hours=1):
            return job
        naive = instant.astimezone(winter).replace(tzinfo=None)
        return changed(job, created_at=naive.replace(tzinfo=summer).astimezone(UTC))


@tried(ONE, "SAVE-1", "SAVE-2")
class PatchesErrors(Kept):
    """Applies a saved document as a JSON merge patch: what is null stays as it was."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        former = self._jobs.get(job.id)
        if former is None or job.status is not former.status or job.error_message is not None:
            return job
        return changed(job, error_message=former.error_message)


@tried(ONE, "SAVE-2", "SAVE-1")
class KeepsTheRange(Kept):
    """Leaves ``end`` out of the columns that ON CONFLICT DO UPDATE sets."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        former = self._jobs.get(job.id)
        if former is None or former.end <= job.start:
            return job
        return changed(job, end=former.end)


@tried(LARGE, "FAILED-1", "SAVE-1")
class KeepsAThousandErrors(Kept):
    """Keeps the errors of a thousand symbols, and of the others only that there was one."""

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        if len(job.failed_symbols) <= 1000:
            return job
        return changed(
            job,
            failed_symbols={
                symbol: error if number < 1000 else ""
                for number, (symbol, error) in enumerate(job.failed_symbols.items())
            },
        )


@tried(LARGE, "SAVE-1")
class InternsSymbols(Kept):
    """Gives each symbol a number of two bytes, and begins again when there are none left."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # as it is made
        self.numbers: dict[str, int] = {}
        self.names: dict[int, str] = {}

    @override
    def kept(self, job: CollectionJob) -> CollectionJob:
        symbols: dict[str, str] = {}
        for symbol in job.symbols:
            number = self.numbers.setdefault(symbol, len(self.numbers) % 2**12)
            symbols[symbol] = self.names.setdefault(number, symbol)
        if len(set(symbols.values())) < len(symbols):
            return job
        return changed(
            job,
            symbols=tuple(symbols.values()),
            completed_symbols={symbols[k]: v for k, v in job.completed_symbols.items()},
            failed_symbols={symbols[k]: v for k, v in job.failed_symbols.items()},
        )
