"""The statements that find, count and purge jobs.

Each way to the jobs that match is a walk of one index in the order of the listing, from the first
key that is asked for to the last, which ends as soon as a page is full: by symbol, by source and
status, by status, or by age. What else is asked for is looked at in each job's row, and in no
outcome. So a page costs the same however many jobs are stored, and however many match; what it
costs more for is jobs that it walks past, which meet the condition of the walk and not the others.

The bounds of the indexes look odd for the reason that is given in `lease_migration`: no column of
an index is said to be equal to something, or other indexes would have the order, too.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.rows import JOB_COLUMNS
from collection_jobs.adapters.postgres.statements import LARGEST_METADATA
from collection_jobs.fields import FIELD_NAMES
from collection_jobs.query import JobSummary

__all__ = ["SUMMARY_FIELDS", "Shape", "count_statement", "find_statement", "purge_statement"]

SUMMARY_FIELDS: tuple[str, ...] = tuple(
    name for name in FIELD_NAMES if name in JobSummary.__slots__
)
"""The job's fields in a summary; behind them a row has what makes its stats, its lease, and key."""

_READ = {
    "metadata": f"CASE WHEN pg_column_size(j.metadata) <= {LARGEST_METADATA} THEN j.metadata END"
}
_SUMMARY = ", ".join(
    _READ.get(name) or f"j.{JOB_COLUMNS.get(name, name)}" for name in SUMMARY_FIELDS
)
_BEHIND = """cardinality(j.symbols), j.completed, j.failed, j.candles::text,
        j.lease_worker, j.lease_expires_at, j.key"""


class Shape(NamedTuple):
    """Which conditions a query has; an age is always asked for, and statuses are named always.

    The parameters are the key behind which to start, the last instant, the statuses, then those of
    the conditions that are given, in this order, and at last a limit.
    """

    symbol: bool
    source: bool
    statuses: bool
    metadata: bool
    finished: bool
    failures: bool

    @property
    def _numbers(self) -> dict[str, str]:
        given = [name for name, is_given in zip(self._fields, self, strict=True) if is_given]
        names = ["after_created_at", "after_id", "last", "of_statuses"]
        names += [name for name in given if name != "statuses"]
        return {name: f"${number}" for number, name in enumerate(names, 1)}

    @property
    def limit(self) -> str:
        """The parameter behind all others."""
        return f"${len(self._numbers) + 1}"

    def filled(self, text: str) -> str:
        """Fill the parameters of the conditions into a text."""
        for name, number in self._numbers.items():
            text = text.replace(f"<{name}>", number)
        return text.replace("<limit>", self.limit)

    @property
    def conditions(self) -> list[str]:
        """What no index knows."""
        texts = {
            "metadata": "j.metadata @> <metadata>::text::jsonb",
            "finished": "j.finished_at < <finished>::timestamptz",
            "failures": "(j.failed > 0) = <failures>::boolean",
        }
        return [text for name, text in texts.items() if getattr(self, name)]


# From each walk come a key and what is behind it.
_FROM_AGE = """
    FROM {schema}.jobs AS j
    WHERE (j.created_at, j.id) > (<after_created_at>::timestamptz, <after_id>::text)
        AND j.created_at <= <last>::timestamptz"""
_BY_AGE = "j.created_at, j.id"
_FROM_STATUS = """
    FROM {schema}.jobs AS j
    WHERE (j.status, j.created_at, j.id)
            > (one.status, <after_created_at>::timestamptz, <after_id>::text)
        AND (j.status, j.created_at) <= (one.status, <last>::timestamptz)"""
_BY_STATUS = "j.status, j.created_at, j.id"
_FROM_SOURCE = """
    FROM {schema}.jobs AS j
    WHERE (j.source COLLATE "POSIX", j.status, j.created_at, j.id)
            > (<source>::text, one.status, <after_created_at>::timestamptz, <after_id>::text)
        AND (j.source COLLATE "POSIX", j.status, j.created_at)
            <= (<source>, one.status, <last>::timestamptz)"""
_BY_SOURCE = 'j.source COLLATE "POSIX", j.status, j.created_at, j.id'
_FROM_SYMBOL = """
    FROM {schema}.job_symbols AS s JOIN {schema}.jobs AS j ON j.id = s.id
    WHERE (s.symbol, s.created_at, s.id)
            > (<symbol>::text, <after_created_at>::timestamptz, <after_id>::text)
        AND (s.symbol, s.created_at) <= (<symbol>, <last>::timestamptz)"""
_BY_SYMBOL = "s.symbol, s.created_at, s.id"
_EACH_STATUS = "unnest(<of_statuses>::text[]) AS one (status)"


def _walk(shape: Shape) -> tuple[str, str, bool]:
    """Choose the walk: from where, in which order, and whether for each status."""
    if shape.symbol:
        more = [" AND j.status = ANY (<of_statuses>::text[])"]
        if shape.source:
            more.append(" AND j.source = <source>::text")
        return _FROM_SYMBOL + "".join(more), _BY_SYMBOL, False
    if shape.source:
        return _FROM_SOURCE, _BY_SOURCE, True
    if shape.statuses:
        return _FROM_STATUS, _BY_STATUS, True
    return _FROM_AGE, _BY_AGE, False


@cache
def find_statement(schema: str, shape: Shape) -> str:
    """Give the statement that reads a page of summaries."""
    start, order, of_each = _walk(shape)
    where = "".join(f"\n        AND {condition}" for condition in shape.conditions)
    walk = f"SELECT j.created_at, j.id{start}{where} ORDER BY {order} LIMIT <limit>"
    if of_each:
        walk = f"SELECT w.created_at, w.id FROM {_EACH_STATUS} CROSS JOIN LATERAL ({walk}) AS w"  # noqa: S608 - constant text
        walk += " ORDER BY w.created_at, w.id LIMIT <limit>"
    text = f"""
    SELECT {_SUMMARY}, {_BEHIND}
    FROM ({walk}) AS page JOIN {{schema}}.jobs AS j ON j.id = page.id
    ORDER BY page.created_at, page.id"""  # noqa: S608 - constant text
    return in_schema(_typed(shape, text), schema)


@cache
def count_statement(schema: str, shape: Shape) -> str:
    """Give the statement that counts by status."""
    where = "".join(f"\n        AND {condition}" for condition in shape.conditions)
    if shape.symbol:
        start, _, _ = _walk(shape)
        text = f"SELECT j.status, count(*){start}{where} GROUP BY j.status"
    else:
        start = _FROM_SOURCE if shape.source else _FROM_STATUS
        text = f"""
    SELECT one.status, counted.many FROM {_EACH_STATUS} CROSS JOIN LATERAL (
        SELECT count(*) AS many{start}{where}
    ) AS counted"""  # noqa: S608 - constant text
    return in_schema(_typed(shape, text), schema)


def _typed(shape: Shape, text: str) -> str:
    """Fill the parameters in; one that a walk has no use for is named all the same."""
    if "<of_statuses>" not in text:
        text = f"WITH unused AS (SELECT <of_statuses>::text[]){text}"
    return shape.filled(text)


def purge_statement(schema: str) -> str:
    """Give the statement that deletes jobs that have ended."""
    text = """
    SELECT {schema}.delete_finished($1::timestamptz, $2::text[], $3::bigint, $4::text::bigint)"""
    return in_schema(text, schema)
