"""Candidates: the jobs that meet one condition of a query, out of the index that knows it.

The indexes are named, since statistics could mislead the planner to walk another one.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from collection_jobs.adapters.sqlite.conditions import BEHIND, Conditions
from collection_jobs.adapters.sqlite.decoding import decoded
from collection_jobs.adapters.sqlite.rows import decode_json
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["Candidates", "to_count", "to_find"]

_NAMES = "FROM symbols INDEXED BY symbols_by_name WHERE symbol = :symbol"
_MOST_ENTRIES = 8  # of the metadata asked for, whose index is tried


class Candidates(ABC):
    """Jobs that meet a condition, in one run of an index or in several.

    Attributes:
        others: The conditions that not all of them meet; None if they meet all.
    """

    def __init__(self, asked: Conditions, met: Iterable[str], runs: Iterable[str]) -> None:
        """Take up what follows the columns of a SELECT of the rows ``j`` of `jobs`, for each run.

        Args:
            asked: The search.
            met: The conditions that all of them meet, by their names.
            runs: The runs.
        """
        self.asked: Conditions = asked
        self.others: str | None = asked.others(frozenset(met))
        self.runs: tuple[str, ...] = tuple(runs)

    @abstractmethod
    def keys(self, connection: sqlite3.Connection, budget: int, limit: int) -> list[int] | None:
        """Return the first keys that are asked for, unless more candidates must be read for it.

        Args:
            connection: Within a transaction.
            budget: How many candidates may be read in this call; those of former calls are known.
            limit: The most keys to return.
        """

    def is_smaller(self, connection: sqlite3.Connection, number: int) -> bool:
        """Return whether there are fewer than so many."""
        ones = " UNION ALL ".join(self._ones())
        counted = f"SELECT count(*) FROM ({ones} LIMIT :number)"  # noqa: S608 - constant text
        parameters = self.asked.parameters | {"number": number}
        ((found,),) = connection.execute(counted, parameters).fetchall()
        return int(found) < number

    def _ones(self) -> list[str]:
        return [f"SELECT 1 {run} AND {BEHIND}" for run in self.runs]

    def count(self, connection: sqlite3.Connection) -> list[tuple[str, int]]:
        """Return how many of them are asked for, by their status, which may occur several times."""
        counted = " UNION ALL ".join(
            f"SELECT j.status, count(*) {run} AND {BEHIND} AND {self.others or 'true'} "
            "GROUP BY j.status"
            for run in self.runs
        )
        asked = self.asked
        return connection.execute(asked.given + counted, asked.parameters).fetchall()

    def _rows(self, others: str | None) -> str:
        """Select the keys that are asked for, in their order, of all runs merged."""
        rows = " UNION ALL ".join(
            f"SELECT j.key AS key, j.created_at AS created_at, j.id AS id {run} AND {BEHIND} "
            f"AND {others or 'true'}"
            for run in self.runs
        )
        return f"SELECT key FROM ({rows} ORDER BY created_at, id LIMIT :number OFFSET :passed)"  # noqa: S608 - constant text

    def _execute(
        self, connection: sqlite3.Connection, statement: str, **parameters: Any
    ) -> tuple[Any, ...]:
        asked = self.asked
        ((*row,),) = connection.execute(
            asked.given + statement, asked.parameters | parameters
        ).fetchall()
        return tuple(row)


class _InOrder(Candidates):
    """Candidates whose runs have the order of the listings."""

    def __init__(self, asked: Conditions, met: Iterable[str], runs: Iterable[str]) -> None:
        super().__init__(asked, met, runs)
        self._read = 0
        self._found: list[int] = []

    @override
    def keys(self, connection: sqlite3.Connection, budget: int, limit: int) -> list[int] | None:
        if self.others is None:
            statement = f"SELECT json_group_array(key) FROM ({self._rows(None)})"  # noqa: S608 - constant text
            (found,) = self._execute(connection, statement, number=limit, passed=0)
            return _keys_in(found)
        found, read = self._execute(
            connection,
            f"SELECT json_group_array(j.key) FILTER (WHERE {self.others}), count(*) "  # noqa: S608 - constant text
            f"FROM ({self._rows(None)}) AS w CROSS JOIN jobs AS j ON j.key = w.key",
            number=budget,
            passed=self._read,
        )
        self._read += read
        self._found += _keys_in(found)
        if len(self._found) >= limit or read < budget:
            return self._found[:limit]
        return None


class _WithSymbol(Candidates):
    """The jobs that collect a symbol, by the time at which they were created.

    Those of one instant are not in the order of their ids, so they are read together or not yet.
    """

    def __init__(self, asked: Conditions) -> None:
        run = (
            "FROM symbols AS s INDEXED BY symbols_by_name CROSS JOIN jobs AS j ON j.key = s.job "
            "WHERE s.symbol = :symbol AND s.created_at >= :first AND s.created_at < :end"
        )
        super().__init__(asked, ("symbol",), (run,))
        asked.parameters["first"] = asked.parameters["at"]
        asked.parameters["end"] = asked.parameters["before"]
        self._first: int = asked.parameters["at"]
        self._found: list[int] = []

    @override
    def keys(self, connection: sqlite3.Connection, budget: int, limit: int) -> list[int] | None:
        (end,) = self._execute(
            connection,
            f"SELECT (SELECT created_at {_NAMES} AND created_at >= :first AND created_at < :before "
            "ORDER BY created_at LIMIT 1 OFFSET :budget)",
            first=self._first,
            budget=budget,
        )
        bound = self.asked.parameters["before"] if end is None else end
        (found,) = self._execute(
            connection,
            f"SELECT json_group_array(key) FROM ({self._rows(self.others)})",  # noqa: S608 - constant text
            first=self._first,
            end=bound,
            number=limit - len(self._found),
            passed=0,
        )
        self._found += _keys_in(found)
        self._first = bound
        return self._found if end is None or len(self._found) >= limit else None

    @override
    def _ones(self) -> list[str]:
        return [f"SELECT 1 {_NAMES} AND created_at >= :at AND created_at < :before"]


class _Unordered(Candidates):
    """Candidates whose runs have another order: all of them are read, if they are few."""

    @override
    def keys(self, connection: sqlite3.Connection, budget: int, limit: int) -> list[int] | None:
        if not self.is_smaller(connection, budget):
            return None
        statement = f"SELECT json_group_array(key) FROM ({self._rows(self.others)})"  # noqa: S608 - constant text
        (found,) = self._execute(connection, statement, number=limit, passed=0)
        return _keys_in(found)

    @override
    def _ones(self) -> list[str]:
        return [f"SELECT 1 {run}" for run in self.runs]


def _keys_in(document: str) -> list[int]:
    keys: list[int] = decoded(decode_json, document)[0]
    return keys


def to_find(asked: Conditions) -> list[Candidates]:
    """Give the candidates among which to look for the first jobs, in the order of the listings."""
    query = asked.query
    ordered = _by_columns(asked)
    if query.source is None and query.statuses is None:
        ordered = []
    if query.with_failures is not None:
        ordered.append(_by_failures(asked))
    if not ordered:
        ordered.append(_InOrder(asked, (), ["FROM jobs AS j INDEXED BY jobs_by_age WHERE true"]))
    return ordered if ordered[0].others is None else [*ordered, *_few(asked)]


def to_count(asked: Conditions) -> list[Candidates]:
    """Give the candidates among which to count."""
    ordered = _by_columns(asked)
    if ordered[0].others is None:
        return ordered
    if asked.query.with_failures is not None:
        ordered.append(_by_failures(asked))
    return [*ordered, *_few(asked)]


def _statuses(query: JobQuery) -> list[JobStatus]:
    return sorted(JobStatus if query.statuses is None else query.statuses)


def _by_columns(asked: Conditions) -> list[Candidates]:
    query = asked.query
    index, source = "jobs_by_status", ""
    if query.source is not None:
        index, source = "jobs_by_source", "j.source = :source AND "
    runs = [
        f"FROM jobs AS j INDEXED BY {index} WHERE {source}j.status = '{status.value}'"
        for status in _statuses(query)
    ]
    return [_InOrder(asked, ("statuses", "source"), runs)]


def _by_failures(asked: Conditions) -> Candidates:
    run = "FROM jobs AS j INDEXED BY jobs_by_failures WHERE j.has_failures = :with_failures"
    return _InOrder(asked, ("with_failures",), [run])


def _few(asked: Conditions) -> list[Candidates]:
    """Give the candidates of conditions that often few jobs meet."""
    query = asked.query
    few: list[Candidates] = []
    if query.symbol is not None:
        few.append(_WithSymbol(asked))
    if query.finished_before is not None:
        runs = [
            f"FROM jobs AS j INDEXED BY jobs_by_end WHERE j.status = '{status.value}' "
            "AND j.finished_at < :finished_before"
            for status in _statuses(query)
        ]
        few.append(_Unordered(asked, ("statuses", "finished_before"), runs))
    for number, (name, value) in enumerate(list((query.metadata or {}).items())[:_MOST_ENTRIES]):
        asked.parameters |= {f"name{number}": name, f"value{number}": value}
        run = (
            "FROM metadata AS e INDEXED BY metadata_by_value CROSS JOIN jobs AS j ON j.key = e.job "
            f"WHERE e.name = :name{number} "
            f"AND substr(e.value, 1, 50) = substr(:value{number}, 1, 50)"
        )
        few.append(_Unordered(asked, (), [run]))
    return few
