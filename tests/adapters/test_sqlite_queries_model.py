"""Any program of failures, cursors, searches and purges does on SQLite what it does in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection_jobs import (
    CollectionJob,
    CollectionJobError,
    InMemoryCollectionJobRepository,
    JobQuery,
    JobStatus,
)
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, finding, writes
from collection_jobs.documents import to_micros
from tests.adapters.sqlite_stores import counts_are_right
from tests.adapters.sqlite_support import plain_connection

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
SYMBOLS, STATUSES = ("A", "B", "C", "D"), tuple(JobStatus)
SEARCHES = 3


def _id(draw: Random) -> str:
    return f"job {draw.randrange(12)}"


def _instant(draw: Random) -> datetime:
    return START + SECOND * draw.randrange(4)


def _job(draw: Random) -> CollectionJob:
    symbols = draw.sample(SYMBOLS, draw.randint(1, 4))
    completed = {one: draw.choice((0, 5, 2**63 - 1)) for one in symbols if draw.random() < 0.3}
    left = [one for one in symbols if one not in completed]
    failed = {one: draw.choice(("", "boom")) for one in left if draw.random() < 0.4}
    return CollectionJob(
        id=_id(draw),
        source=draw.choice("xy"),
        symbols=tuple(symbols),
        timeframe="1m",
        start=START,
        end=START + DAY,
        created_at=_instant(draw),
        status=draw.choice(STATUSES),
        finished_at=draw.choice((None, _instant(draw))),
        completed_symbols=completed,
        failed_symbols=failed,
        metadata={one: draw.choice("12") for one in "mn" if draw.random() < 0.5},
        permanent_failures=frozenset(one for one in failed if draw.random() < 0.5),
        failure_counts={one: draw.choice((1, 2**62)) for one in symbols if draw.random() < 0.3},
        cursors={one: START + draw.random() * DAY for one in left if draw.random() < 0.3},
    )


def _query(draw: Random) -> JobQuery:
    def perhaps(value: Any) -> Any:
        return value if draw.random() < 0.3 else None

    return JobQuery(
        statuses=perhaps(draw.sample(STATUSES, draw.randint(0, 4))),
        source=perhaps(draw.choice("xyz")),
        symbol=perhaps(draw.choice("ABCDE")),
        metadata=perhaps({one: draw.choice("123") for one in "mno" if draw.random() < 0.4}),
        created_from=perhaps(_instant(draw)),
        created_before=perhaps(_instant(draw)),
        finished_before=perhaps(_instant(draw)),
        with_failures=perhaps(draw.random() < 0.5),
    )


def _find(it: Any, draw: Random) -> Any:
    after = draw.choice((None, None, (_instant(draw), _id(draw))))
    return it.find(_query(draw), draw.choice((0, 1, 2, 3, 5, 100, 101)), after)


async def _resave(it: Any, draw: Random) -> None:
    """Save a job as it was read, with the outcomes of another."""
    job, other = await it.get_by_id(_id(draw)), _job(draw)
    if job is not None:
        await it.save(other._changed(id=job.id, revision=job.revision))


def _purge(it: Any, draw: Random) -> Any:
    statuses = draw.choice(((), STATUSES[2:3], (JobStatus.COMPLETED, JobStatus.CANCELLED)))
    return it.delete_finished(_instant(draw), statuses=statuses, limit=draw.choice((0, 1, 2, 100)))


Call = Callable[[Any, Random], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "save": lambda it, draw: it.save(_job(draw)),
    "save again": _resave,
    "add": lambda it, draw: it.add(_job(draw)),
    "delete": lambda it, draw: it.delete(_id(draw)),
    "update": lambda it, draw: it.update_status(
        _id(draw), draw.choice((*STATUSES[1:2], STATUSES[0]))
    ),
    "fail": lambda it, draw: it.add_failed_symbol(_id(draw), draw.choice(SYMBOLS), "boom"),
    "fail for good": lambda it, draw: it.add_failure(
        _id(draw), draw.choice(SYMBOLS), "gone", permanent=draw.random() < 0.7
    ),
    "complete": lambda it, draw: it.add_completed_symbol(
        _id(draw), draw.choice(SYMBOLS), draw.choice((0, 2**63 - 1))
    ),
    "cursor": lambda it, draw: it.set_cursor(
        _id(draw), draw.choice(SYMBOLS), START + DAY * draw.choice((-1, 0, 0.5, 1, 2))
    ),
    "purge": _purge,
    "stats": lambda it, draw: it.get_stats(_id(draw)),
    "count": lambda it, draw: it.count(_query(draw)),
    "find": _find,
}


async def said(call: Awaitable[Any]) -> Any:
    """What a call returns, or its error."""
    try:
        return await call
    except (CollectionJobError, ValueError) as error:
        return type(error), str(error).partition("revision")[0]


async def revisions(it: Any) -> dict[str, int]:
    return {job.id: job.revision for job in await it.list_recent()}


async def agree(one: Any, model: Any, program: list[tuple[str, int]]) -> None:
    for name, seed in program:
        before = await revisions(one), await revisions(model)
        answers = [await said(CALLS[name](it, Random(seed))) for it in (one, model)]  # noqa: S311 - not for secrets
        assert answers[0] == answers[1], (name, seed)
        after = await revisions(one), await revisions(model)
        changed = [
            {key for key, value in now.items() if value != former.get(key)}
            for now, former in zip(after, before, strict=True)
        ]
        assert changed[0] == changed[1], (name, seed)
        assert all(
            value > before[0].get(key, 0) for key, value in after[0].items() if key in changed[0]
        )
        for search in range(SEARCHES):
            draws = [Random(seed + search) for _ in range(2)]  # noqa: S311 - not for secrets
            assert await _find(one, draws[0]) == await _find(model, draws[1]), (name, seed, search)
    assert await one.list_recent() == await model.list_recent()


steps = st.tuples(
    st.sampled_from([*CALLS, "save", "save", "save again", "fail for good", "cursor"]),
    st.integers(0, 10**9),
)


@pytest.mark.parametrize("fewest", [1, 3, 64])
@settings(max_examples=25, deadline=None)
@given(program=st.lists(steps, min_size=30, max_size=60))
def test_as_in_memory(fewest: int, program: list[tuple[str, int]]) -> None:
    async def run(path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(finding, "_FEWEST", fewest)
            patch.setattr(finding, "_MOST_AT_FIRST", fewest)
            patch.setattr(writes, "now_micros", lambda: to_micros(START))
            async with (
                SQLiteCollectionJobRepository(path, synchronous="NORMAL") as one,
                InMemoryCollectionJobRepository(clock=lambda: START) as model,
            ):
                await agree(one, model, program)
                with plain_connection(path) as connection:
                    counts_are_right(connection)

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder) / "jobs.db"))
