"""Finding and counting jobs by several conditions.

Each condition that an index knows gives *candidates*: the jobs that meet it, among which those that
meet the others are looked for. How many must be read until enough were found is not known, and what
statistics say of it is wrong for one store or another. So a search reads a few candidates of each
condition, then some more, until those of one were enough, or are all read. It reads at most some
five times as many, for each condition, as the best of them alone would have taken, however many
other jobs there are.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from collection_jobs.adapters.sqlite.candidates import Candidates, to_count, to_find
from collection_jobs.adapters.sqlite.conditions import BEFORE_ALL, Conditions
from collection_jobs.adapters.sqlite.decoding import decoded
from collection_jobs.adapters.sqlite.reads import WITH_KEYS, all_of, read_page, snapshot
from collection_jobs.adapters.sqlite.rows import (
    encode_json,
)
from collection_jobs.adapters.sqlite.summaries import SUMMARIES
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus

__all__ = ["JobSearch", "count_jobs", "find_all", "find_few"]

_FEWEST, _MOST_AT_FIRST, _GROWTH = 64, 4_096, 4  # candidates


class JobSearch(NamedTuple):
    """What is to be found.

    Attributes:
        query: The conditions.
        limit: The most jobs to show, 1 or more.
        after: The key behind which to begin.
    """

    query: JobQuery
    limit: int
    after: tuple[int, str] = BEFORE_ALL


def find_few(connection: sqlite3.Connection, search: JobSearch) -> list[JobSummary]:
    """Return the summaries of some jobs, unless their document is beyond the connection's limit."""
    with snapshot(connection):
        keys = encode_json(_keys(connection, search))
        page = read_page(connection, SUMMARIES, WITH_KEYS, (keys,))
    return SUMMARIES.decode_page(page)


def find_all(connection: sqlite3.Connection, search: JobSearch) -> list[JobSummary]:
    """Return the summaries of any number of jobs, however long."""
    with snapshot(connection):
        return all_of(connection, SUMMARIES, _keys(connection, search))


def _keys(connection: sqlite3.Connection, search: JobSearch) -> list[int]:
    if _is_empty(search.query):
        return []
    candidates = to_find(Conditions(search.query, search.after))
    budget = min(max(search.limit, _FEWEST), _MOST_AT_FIRST)
    while True:
        for each in candidates:
            keys = each.keys(connection, budget, search.limit)
            if keys is not None:
                return keys
        budget *= _GROWTH


def count_jobs(connection: sqlite3.Connection, query: JobQuery) -> dict[JobStatus, int]:
    """Return how many jobs match, by their status."""
    counts = dict.fromkeys(JobStatus, 0)
    if _is_empty(query):
        return counts
    with snapshot(connection):
        rows = _smallest(connection, to_count(Conditions(query))).count(connection)
    for status, number in rows:
        counts[decoded(JobStatus, status)] += number
    return counts


def _smallest(connection: sqlite3.Connection, candidates: list[Candidates]) -> Candidates:
    """Return those that are fewest, or nearly so."""
    number = _FEWEST
    while len(candidates) > 1:
        for each in candidates:
            if each.is_smaller(connection, number):
                return each
        number *= _GROWTH
    return candidates[0]


def _is_empty(query: JobQuery) -> bool:
    return query.statuses is not None and not query.statuses
