"""Failures of symbols, grouped by their errors and by the symbols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from collection_jobs.job import CollectionJob

__all__ = ["ErrorGroup", "FailureGroups", "SymbolGroup"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_TRACEBACK = "Traceback (most recent call last):"
_VARIES = "#"


def _line(error: str) -> str:
    """Return the line that says what happened: of a traceback the last, else the first."""
    lines = [line for line in error.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1 if lines[0].startswith(_TRACEBACK) else 0].strip()


@dataclass(slots=True)
class ErrorGroup:
    """Failures that differ in nothing but numbers.

    Attributes:
        line: What they say; ``#`` stands for each number that differs.
        is_permanent: Whether no retry can mend them.
        failures: How many symbols of jobs failed so.
        jobs: The ids of the jobs.
        symbols: The symbols.
    """

    line: str
    is_permanent: bool
    failures: int = 0
    jobs: set[str] = field(default_factory=set[str])
    symbols: set[str] = field(default_factory=set[str])

    def add(self, line: str, job_id: str, symbol: str) -> None:
        """Take in a failure."""
        self.failures += 1
        self.jobs.add(job_id)
        self.symbols.add(symbol)
        if line != self.line:
            self.line = _without_differences(self.line, line)


def _without_differences(one: str, other: str) -> str:
    numbers = iter(_NUMBER.findall(other))
    parts = re.split(rf"({_NUMBER.pattern}|{_VARIES})", one)
    return "".join(
        part if at % 2 == 0 or next(numbers, None) == part else _VARIES
        for at, part in enumerate(parts)
    )


@dataclass(slots=True)
class SymbolGroup:
    """The failures of one symbol, in all jobs.

    Attributes:
        symbol: The symbol.
        is_permanent: Whether no retry can mend them.
        jobs: The ids of the jobs in which it is failed.
        failures: How often a failure of it was recorded in these jobs.
        line: What the last of them that was read says.
    """

    symbol: str
    is_permanent: bool
    jobs: set[str] = field(default_factory=set[str])
    failures: int = 0
    line: str = ""


class FailureGroups:
    """The failures of jobs, by error and by symbol; the permanent ones are groups of their own."""

    def __init__(self) -> None:
        """Start without a job."""
        self.failures: int = 0
        self.jobs: int = 0
        self._errors: dict[tuple[bool, str], ErrorGroup] = {}
        self._symbols: dict[tuple[bool, str], SymbolGroup] = {}

    def add(self, job: CollectionJob, symbol: str | None = None) -> None:
        """Take in the failures of a job, or that of one symbol of it alone."""
        failed = {one: error for one, error in job.failed_symbols.items() if symbol in (None, one)}
        self.jobs += bool(failed)
        for one, error in failed.items():
            self._add(job, one, _line(error))

    def _add(self, job: CollectionJob, symbol: str, line: str) -> None:
        self.failures += 1
        is_permanent = symbol in job.permanent_failures
        key = (is_permanent, _NUMBER.sub(_VARIES, line))
        group = self._errors.setdefault(key, ErrorGroup(line, is_permanent))
        group.add(line, job.id, symbol)
        of_symbol = self._symbols.setdefault(
            (is_permanent, symbol), SymbolGroup(symbol, is_permanent)
        )
        of_symbol.jobs.add(job.id)
        of_symbol.failures += max(job.failure_counts.get(symbol, 0), 1)
        of_symbol.line = line

    def errors(self, *, permanent: bool) -> list[ErrorGroup]:
        """Return the groups by error, the most failures first."""
        found = [group for group in self._errors.values() if group.is_permanent is permanent]
        return sorted(found, key=lambda group: (-group.failures, group.line))

    def symbols(self, *, permanent: bool) -> list[SymbolGroup]:
        """Return the groups by symbol, the most jobs first, then the most failures."""
        found = [group for group in self._symbols.values() if group.is_permanent is permanent]
        return sorted(found, key=lambda one: (-len(one.jobs), -one.failures, one.symbol))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yield the fields of a row for each group, those by error first."""
        for is_permanent in (False, True):
            kind = "permanent" if is_permanent else "retryable"
            for group in self.errors(permanent=is_permanent):
                jobs, symbols = len(group.jobs), len(group.symbols)
                yield ("error", kind, group.failures, jobs, symbols, group.line)
            for one in self.symbols(permanent=is_permanent):
                yield ("symbol", kind, one.failures, len(one.jobs), one.symbol, one.line)

    def to_json(self) -> dict[str, Any]:
        """Describe the groups."""
        both = (False, True)
        return {
            "failures": self.failures,
            "jobs": self.jobs,
            "errors": [
                {
                    "error": group.line,
                    "permanent": is_permanent,
                    "failures": group.failures,
                    "jobs": len(group.jobs),
                    "symbols": len(group.symbols),
                }
                for is_permanent in both
                for group in self.errors(permanent=is_permanent)
            ],
            "symbols": [
                {
                    "symbol": one.symbol,
                    "permanent": is_permanent,
                    "failures": one.failures,
                    "jobs": len(one.jobs),
                    "error": one.line,
                }
                for is_permanent in both
                for one in self.symbols(permanent=is_permanent)
            ],
        }
