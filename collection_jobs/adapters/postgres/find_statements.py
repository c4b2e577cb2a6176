"""The statements that find, count and purge jobs.

A *walk* goes through the jobs that meet one condition, by an index, from the first key that is
asked for to the last: by symbol, by source and status, by status, with failures, or by age, each in
the order of the listing; or those that have ended, in another order. What else is asked for is
looked at in each job's row, and in no outcome.

* One condition, and whatever ages and statuses, is one walk, which ends once a page is full. So a
  page costs the same however many jobs are stored, and however many match.
* Of several conditions nobody knows beforehand which one few jobs meet. So the walks take turns:
  each goes a number of jobs far, then each goes farther, until one has filled the page, or is at
  its end. That costs at most some thirty times what the best of them alone costs. Only where each
  condition is met by many jobs, and all together by few, does a page take long.
* Metadata, and that there are no failures, is no condition of any walk.

Where a column of an index is said to be equal to something, only a walk of this index may have the
order that is asked for: see `data_migration` and, for the odd bounds of a status,
`lease_migration`. Such a walk does not see that it has passed the last instant, and is cut there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.rows import JOB_COLUMNS
from collection_jobs.adapters.postgres.statements import LARGEST_METADATA
from collection_jobs.fields import FIELD_NAMES
from collection_jobs.query import JobSummary

__all__ = [
    "SUMMARY_FIELDS",
    "FindStatement",
    "Shape",
    "count_statement",
    "find_statement",
    "purge_statement",
]

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
_DISTANCES = (250, 4_000, 64_000)
"""How many jobs each walk goes through before the next one has its turn."""
_ALL = 2**63 - 1


class Shape(NamedTuple):
    """Which conditions a query has."""

    symbol: bool = False
    source: bool = False
    statuses: bool = False
    metadata: bool = False
    finished: bool = False
    with_failures: bool = False
    without_failures: bool = False
    before: bool = False


class FindStatement(NamedTuple):
    """A statement, and what its arguments are.

    Attributes:
        text: The statement.
        parameters: The key behind which to start (``after_created_at``, ``after_id``), the ``last``
            instant of the age, ``of_statuses``, all if none are asked for, what the conditions ask
            for, by their names, and a ``limit``: as far as it has a use for them.
    """

    text: str
    parameters: tuple[str, ...]


_PARAMETERS: Mapping[str, str] = {
    "after_created_at": "timestamptz",
    "after_id": "text",
    "last": "timestamptz",
    "of_statuses": "text[]",
    "symbol": "text",
    "source": "text",
    "metadata": "text",
    "finished": "timestamptz",
    "limit": "bigint",
}
_NAMED = re.compile(f"<({'|'.join(_PARAMETERS)})>")
# What a job's row says of each condition. (EXISTS might be planned as a look at all jobs of the
# symbol.)
_CONDITIONS: Mapping[str, str] = {
    "symbol": """(
            SELECT true FROM {schema}.job_symbols AS s WHERE s.symbol = <symbol>
                AND s.created_at = j.created_at AND s.id = j.id LIMIT 1) IS NOT NULL""",
    "source": "j.source = <source>",
    "statuses": "j.status = ANY (<of_statuses>)",
    "metadata": "j.metadata @> <metadata>::jsonb",
    "finished": "j.finished_at < <finished>",
    "with_failures": "j.failed > 0",
    "without_failures": "j.failed = 0",
}


_JOBS = """
    FROM {schema}.jobs AS j"""
_OF_AGE = "(j.created_at, j.id) > (<after_created_at>, <after_id>) AND j.created_at <= <last>"


class _Walk(NamedTuple):
    """One way through the jobs.

    Attributes:
        text: From where; its rows are `j`, or `s` of a symbol.
        order: Their order.
        meets: The conditions that all of them meet.
        of_each: Whether it is one of each status, named `one`.
        in_order: Whether the order, of each, is that of the listing.
        goes_on: Whether it goes on behind the last instant.
    """

    text: str
    order: str
    meets: frozenset[str]
    of_each: bool = False
    in_order: bool = True
    goes_on: bool = False

    @property
    def row(self) -> str:
        return "s" if "job_symbols" in self.text else "j"


_AGE = _Walk(
    f"{_JOBS}\n    WHERE {_OF_AGE}",
    "j.created_at, j.id",
    frozenset(),
)
_FAILURES = _Walk(f"{_AGE.text} AND j.has_failed", _AGE.order, frozenset({"with_failures"}))
_STATUS = _Walk(
    """
    FROM {schema}.jobs AS j
    WHERE (j.status, j.created_at, j.id) > (one.status, <after_created_at>, <after_id>)
        AND j.status <= one.status""",
    "j.status, j.created_at, j.id",
    frozenset({"statuses"}),
    of_each=True,
    goes_on=True,
)
_SOURCE = _Walk(
    """
    FROM {schema}.jobs AS j
    WHERE j.source COLLATE "POSIX" = <source> AND j.status COLLATE "POSIX" = one.status
        AND (j.created_at, j.id COLLATE "POSIX") > (<after_created_at>, <after_id>)
        AND j.created_at <= <last>""",
    'j.created_at, j.id COLLATE "POSIX"',
    frozenset({"source", "statuses"}),
    of_each=True,
)
_SYMBOL = _Walk(
    """
    FROM {schema}.job_symbols AS s
    WHERE s.symbol = <symbol> AND (s.created_at, s.id) > (<after_created_at>, <after_id>)
        AND s.created_at <= <last>""",
    "s.created_at, s.id",
    frozenset({"symbol"}),
)
_ENDED = _Walk(
    """
    FROM {schema}.jobs AS j
    WHERE j.status = one.status AND j.finished_at < <finished>""",
    "j.finished_at, j.id",
    frozenset({"finished", "statuses"}),
    of_each=True,
    in_order=False,
)


# OFFSET 0 keeps it from becoming a join. Where a plan has a sort in it, which is made to look as
# expensive as anything, joins in whichever order look the same, such as one of all jobs.
def _row_of(key: str) -> str:
    """Give the rows of jobs, one by one, of which there are keys."""
    return f"""CROSS JOIN LATERAL (
            SELECT * FROM {{schema}}.jobs AS j WHERE j.id = {key}.id OFFSET 0
        ) AS j"""  # noqa: S608 - constant text


def _walks(shape: Shape) -> list[_Walk]:
    """Choose the walks, of which the first has the order of the listing."""
    walks = [_SYMBOL] if shape.symbol else []
    if shape.source:
        walks.append(_SOURCE)
    if shape.with_failures:
        walks.append(_FAILURES)
    if shape.statuses and not shape.source:
        walks.append(_STATUS)
    if not walks:
        walks.append(_AGE)
    return [*walks, _ENDED] if shape.finished else walks


def _missing(shape: Shape, walk: _Walk) -> list[str]:
    """Give what is still to be asked of the jobs of a walk."""
    asked = {name for name, is_asked in zip(shape._fields, shape, strict=True) if is_asked}
    missing = [text for name, text in _CONDITIONS.items() if name in asked - walk.meets]
    return missing if walk.in_order else [*missing, _OF_AGE]


def _steps(shape: Shape, walk: _Walk, most: str, more: str = "") -> str:
    """Give the statement that walks so far: keys, in the order of the walk, of each status too."""
    row = walk.row
    steps = f"SELECT {row}.created_at, {row}.id{walk.text}{more} ORDER BY {walk.order} LIMIT {most}"
    if walk.goes_on and shape.before:
        steps = f"SELECT c.created_at, c.id FROM ({steps}) AS c WHERE c.created_at <= <last>"  # noqa: S608 - constant text
    if not walk.of_each:
        return steps
    order = f"ORDER BY w.created_at, w.id LIMIT {most}" if walk.in_order else f"LIMIT {most}"
    return f"""SELECT w.created_at, w.id
        FROM unnest(<of_statuses>) AS one (status) CROSS JOIN LATERAL ({steps}) AS w {order}"""  # noqa: S608 - constant text


def _all_the_way(shape: Shape, walk: _Walk) -> str:
    """Give the walk that ends when a page is full."""
    conditions = _missing(shape, walk)
    if not conditions:
        return _steps(shape, walk, "<limit>")
    if walk.goes_on and shape.before:
        conditions.append("(j.status, j.created_at) <= (one.status, <last>)")
    if walk.row == "s":
        walk = walk._replace(text=walk.text.replace(" AS s\n", f" AS s {_row_of('s')}\n"))
    return _steps(shape, walk, "<limit>", "".join(f"\n        AND {one}" for one in conditions))


def _in_turns(shape: Shape, walks: list[_Walk]) -> Iterator[str]:
    """Give the walks in turns: what each has seen, and whether that is all of the page."""
    number = 0
    for distance in _DISTANCES:
        for walk in walks:
            number += 1
            before = f"(SELECT is_done FROM done{number - 1})" if number > 1 else "false"  # noqa: S608 - as above
            is_full = "OR count(*) FILTER (WHERE matches) >= <limit>" if walk.in_order else ""
            conditions = " AND ".join(_missing(shape, walk)) or "true"
            yield f"""seen{number} AS MATERIALIZED (
        SELECT e.created_at, e.id, {conditions} AS matches
        FROM (SELECT WHERE NOT {before}) AS go CROSS JOIN LATERAL (
            {_steps(shape, walk, str(distance))}
        ) AS e {_row_of("e")}
    ), done{number} AS MATERIALIZED (
        SELECT {before} OR count(*) < {distance} {is_full} AS is_done FROM seen{number}
    )"""  # noqa: S608 - constant text
    parts = [
        f"SELECT created_at, id FROM seen{n} WHERE matches AND (SELECT is_done FROM done{n})"  # noqa: S608 - as above
        for n in range(1, number + 1)
    ]
    parts.append(f"""SELECT rest.created_at, rest.id
            FROM (SELECT WHERE NOT (SELECT is_done FROM done{number})) AS go
            CROSS JOIN LATERAL ({_all_the_way(shape, walks[0])}) AS rest""")  # noqa: S608 - constant text
    yield f"""found AS (
            {" UNION ALL ".join(parts)}
    )"""


def _page(shape: Shape) -> tuple[str, str]:
    """Give what is before a statement, and the keys of a page in it."""
    walks = _walks(shape)
    if len(walks) == 1:
        return "", f"({_all_the_way(shape, walks[0])})"
    return f"WITH {', '.join(_in_turns(shape, walks))}", "found"


@cache
def find_statement(schema: str, shape: Shape) -> FindStatement:
    """Give the statement that reads a page of summaries."""
    before, page = _page(shape)
    if page == "found":
        page = "(SELECT created_at, id FROM found ORDER BY created_at, id LIMIT <limit>)"
    text = f"""{before}
    SELECT {_SUMMARY}, {_BEHIND}
    FROM {page} AS page {_row_of("page")}
    ORDER BY page.created_at, page.id"""  # noqa: S608 - constant text
    return _filled(schema, text)


@cache
def count_statement(schema: str, shape: Shape) -> FindStatement:
    """Give the statement that counts by status."""
    walks = _walks(shape)
    if len(walks) == 1 and walks[0].row == "j" and walks[0] is not _FAILURES:
        walk = walks[0] if walks[0].of_each else _STATUS
        if walk is _STATUS:  # no order is asked for
            walk = walk._replace(text=f"{_JOBS}\n    WHERE j.status = one.status AND {_OF_AGE}")
        where = "".join(f"\n        AND {one}" for one in _missing(shape, walk))
        text = f"""
    SELECT one.status, counted.many
    FROM unnest(<of_statuses>) AS one (status) CROSS JOIN LATERAL (
        SELECT count(*) AS many{walk.text}{where}
    ) AS counted"""  # noqa: S608 - constant text
    else:
        before, page = _page(shape)
        text = f"""{before}
    SELECT j.status, count(*) FROM {page} AS page {_row_of("page")}
    GROUP BY j.status"""  # noqa: S608 - constant text
    return _filled(schema, text.replace("<limit>", f"{_ALL}"))


def _filled(schema: str, text: str) -> FindStatement:
    names = tuple(dict.fromkeys(_NAMED.findall(text)))
    for number, name in enumerate(names, 1):
        text = text.replace(f"<{name}>", f"${number}::{_PARAMETERS[name]}")
    return FindStatement(in_schema(text, schema), names)


def purge_statement(schema: str) -> str:
    """Give the statement that deletes jobs that have ended."""
    text = """
    SELECT {schema}.delete_finished($1::timestamptz, $2::text[], $3::bigint, $4::text::bigint)"""
    return in_schema(text, schema)
