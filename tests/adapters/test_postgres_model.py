"""Any program of calls on symbols, finds and purges does on PostgreSQL what it does in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collection_jobs import (
    CollectionJob,
    CollectionJobError,
    InMemoryCollectionJobRepository,
    JobQuery,
    JobStatus,
    JobSummary,
    Lease,
)
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Database

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
IDS, SYMBOLS, SOURCES = ("a", "b"), ("BTC", "ETH", "{x,\"'\\"), ("s", "t")

symbols = st.sampled_from((*SYMBOLS, "none"))
instants = st.sampled_from([START, START + HOUR, START + 2 * HOUR])
counts = st.sampled_from([1, 2, 2**63 - 1])
texts = st.sampled_from(["", "boom", '{"x" : null}'])


@st.composite
def jobs(draw: st.DrawFn) -> CollectionJob:
    """A job in any state that the entity permits."""
    of = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    known = st.sampled_from(of)
    completed = draw(st.dictionaries(known, st.sampled_from([0, 7, 2**63 - 1])))
    failed = {s: e for s, e in draw(st.dictionaries(known, texts)).items() if s not in completed}
    cursors = draw(st.dictionaries(known, instants))
    return example_job(
        draw(st.sampled_from(IDS)),
        symbols=tuple(of),
        source=draw(st.sampled_from(SOURCES)),
        created_at=draw(instants),
        status=draw(st.sampled_from(JobStatus)),
        finished_at=draw(st.none() | instants),
        metadata=draw(st.dictionaries(st.sampled_from("kK"), texts)),
        completed_symbols=completed,
        failed_symbols=failed,
        permanent_failures=frozenset(s for s in failed if draw(st.booleans())),
        failure_counts=draw(st.dictionaries(known, counts)),
        cursors={s: until for s, until in cursors.items() if s not in completed},
    )


queries = st.builds(
    JobQuery,
    statuses=st.none() | st.sets(st.sampled_from(JobStatus)),
    source=st.none() | st.sampled_from(SOURCES),
    symbol=st.none() | symbols,
    metadata=st.none() | st.dictionaries(st.sampled_from("kK"), texts, max_size=1),
    created_from=st.none() | instants,
    created_before=st.none() | instants,
    finished_before=st.none() | instants,
    with_failures=st.none() | st.booleans(),
)


class Call(NamedTuple):
    """A call of a method; with its own lease of the job where it has one.

    Attributes:
        fenced: Whether the lease is handed over, if there is one.
    """

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    fenced: bool = False


def calls(name: str, *args: st.SearchStrategy[Any], **options: Any) -> st.SearchStrategy[Call]:
    values = st.fixed_dictionaries(options)
    return st.builds(Call, st.just(name), st.tuples(*args), values, st.booleans())


ids = st.sampled_from((*IDS, "unknown"))
records = (
    calls("add_failed_symbol", ids, symbols, texts),
    calls("add_completed_symbol", ids, symbols, st.sampled_from([0, 5, 2**63 - 1])),
    calls("add_failure", ids, symbols, texts, permanent=st.booleans()),
    calls("set_cursor", ids, symbols, instants | st.just(START - HOUR)),
)
others = (
    calls("save", jobs()),
    calls("save_many", st.lists(jobs(), max_size=3)),
    calls("add_many", st.lists(jobs(), max_size=3)),
    calls("delete", ids),
    calls("claim", ids, st.just("w"), st.just(HOUR)),
    calls(
        "delete_finished",
        instants,
        statuses=st.sets(st.sampled_from([JobStatus.COMPLETED, JobStatus.CANCELLED])),
        limit=st.sampled_from([0, 1, 1000]),
    ),
)
finds = st.builds(
    Call,
    st.just("find"),
    st.tuples(queries, st.sampled_from([0, 1, 100]), st.none() | st.tuples(instants, ids)),
    st.just({}),
)
together = st.lists(st.one_of(*records), min_size=1, max_size=6)
"""Calls that are made at once; those on one job keep their order."""
alone = st.lists(st.one_of(*others, finds, finds), min_size=1, max_size=1)
programs = st.lists(together | together | alone, min_size=10, max_size=30)


def plain(value: Any) -> Any:
    """Leave out what stores number and date themselves."""
    if isinstance(value, Lease):
        return plain(value.job), value.worker, value.attempt
    if isinstance(value, CollectionJob):
        return replace(value, started_at=None)
    if isinstance(value, JobSummary):
        return replace(value, started_at=None, expires_at=None), value.expires_at is None
    if isinstance(value, list):
        return [plain(one) for one in cast("list[object]", value)]
    return value


async def said(call: Awaitable[Any]) -> Any:
    try:
        return plain(await call)
    except (CollectionJobError, ValueError) as error:
        return type(error), error.args[0]


class Runner:
    """One repository, and the leases that it gave out."""

    def __init__(self, repository: Any) -> None:
        self._repository = repository
        self._leases: dict[str, Lease] = {}

    async def run(self, batch: list[Call]) -> list[Any]:
        return list(await asyncio.gather(*(said(self._made(call)) for call in batch)))

    async def _made(self, call: Call) -> Any:
        options = dict(call.options)
        lease = self._leases.get(call.args[0]) if type(call.args[0]) is str else None
        if call.fenced and lease is not None and call.name.startswith(("add_", "set_")):
            options["lease"] = lease
        answer = await getattr(self._repository, call.name)(*call.args, **options)
        if isinstance(answer, Lease):
            self._leases[answer.job.id] = answer
        return answer

    async def jobs(self) -> list[Any]:
        """Every job, as a caller sees it."""
        found: list[Any] = plain(await self._repository.list_recent())
        return found

    async def state(self) -> list[Any]:
        """Every job, with its stats and its lease, and what is counted."""
        found = await self._repository.list_recent()
        stats = [await self._repository.get_stats(job.id) for job in found]
        leases = [plain(await self._repository.get_lease(job.id)) for job in found]
        summaries = plain(await self._repository.find(JobQuery()))
        counted = dict(await self._repository.count(JobQuery()))
        return [plain(found), stats, leases, summaries, counted]


# What the row of each job says of its outcomes, and the table of symbols, against the rest.
WRONG = """
    SELECT j.id FROM {schema}.jobs AS j CROSS JOIN LATERAL (
        SELECT count(candles) AS completed, count(error) AS failed,
            coalesce(sum(candles), 0) AS candles, count(*) FILTER (WHERE generation <> j.generation)
        FROM {schema}.outcomes WHERE job = j.key
    ) AS o
    WHERE (j.completed, j.failed, j.candles, 0, j.has_failed)
        <> (o.completed, o.failed, o.candles, o.count, o.failed > 0)
    UNION ALL SELECT coalesce(one.id, other.id) FROM {schema}.job_symbols AS one
    FULL JOIN (
        SELECT s.symbol, j.created_at, j.id FROM {schema}.jobs AS j, unnest(j.symbols) AS s (symbol)
    ) AS other ON (one.symbol, one.created_at, one.id) = (other.symbol, other.created_at, other.id)
    WHERE one.id IS NULL OR other.id IS NULL"""


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=programs)
def test_on_postgresql(program: list[list[Call]], database: Database, schema: str) -> None:
    async def run() -> None:
        async with (
            PostgresCollectionJobRepository(database.url, schema=schema) as one,
            InMemoryCollectionJobRepository() as model,
        ):
            await asyncio.gather(*(one.delete(job_id) for job_id in IDS))
            tested, right = Runner(one), Runner(model)
            for batch in program:
                assert await tested.run(batch) == await right.run(batch), batch
                assert await tested.jobs() == await right.jobs(), batch
            assert await tested.state() == await right.state()
            connection = await asyncpg.connect(database.url)
            assert await connection.fetch(WRONG.format(schema=schema)) == []
            await connection.close()

    asyncio.run(run())
