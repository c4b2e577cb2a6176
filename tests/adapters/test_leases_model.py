"""Any program does with leases what it does on dicts that look at every job, by the same clock."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection_jobs import (
    CollectionJob,
    CollectionJobError,
    InMemoryCollectionJobRepository,
    JobStatus,
    Lease,
)
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, leases, writes
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.documents import to_micros
from tests.adapters.sqlite_support import plain_connection
from tests.dict_repository import DictRepositoryWithLeases

START = datetime(2024, 1, 1, tzinfo=UTC)
IDS, SOURCES = ("a", "b", "c"), ("s", "t")
TTLS = (timedelta(seconds=1), timedelta(seconds=5))


class Step(NamedTuple):
    """One call, or the passing of time.

    Attributes:
        name: What is done.
        job_id: The job, where it is done to one.
        number: What chooses among the arguments.
    """

    name: str
    job_id: str
    number: int


def _save(it: Any, step: Step, _: Lease | None) -> Any:
    statuses = (JobStatus.RUNNING, JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED)
    return it.save(_job(step, statuses[step.number // 3 % 4]))


def _job(step: Step, status: JobStatus = JobStatus.PENDING) -> CollectionJob:
    return example_job(
        step.job_id,
        status=status,
        source=SOURCES[step.number % 2],
        created_at=START + timedelta(minutes=step.number % 3),
    )


async def _move(it: Any, step: Step, _: Lease | None) -> None:
    """Save a job as it is, in another place."""
    job = await it.get_by_id(step.job_id)
    if job is not None:
        wanted = _job(step)
        if step.number % 2:
            await it.save(replace(job, source=wanted.source, error_message="moved"))
        else:
            await it.save(replace(job, source=wanted.source, created_at=wanted.created_at))


def _claim_next(it: Any, step: Step, _: Lease | None) -> Any:
    source = (None, *SOURCES)[step.number % 3]
    most = (None, 1, 2, 3)[step.number // 3 % 4]
    return it.claim_next(f"w{step.number}", TTLS[step.number % 2], source=source, most_running=most)


def _update(it: Any, step: Step, lease: Lease | None) -> Any:
    status = tuple(JobStatus)[step.number % 5]
    return it.update_status(step.job_id, status, lease=lease)


def _renew(it: Any, step: Step, lease: Lease | None) -> Any:
    return it.get_lease(step.job_id) if lease is None else it.renew(lease, TTLS[step.number % 2])


CALLS: dict[str, Callable[[Any, Step, Lease | None], Any]] = {
    "save": _save,
    "move": _move,
    "add": lambda it, step, lease: it.add(_job(step)),
    "add_many": lambda it, step, lease: it.add_many(
        [_job(step), _job(step._replace(job_id="a")), _job(step)]
    ),
    "delete": lambda it, step, lease: it.delete(step.job_id),
    "claim_next": _claim_next,
    "claim": lambda it, step, lease: it.claim(step.job_id, "w", TTLS[step.number % 2]),
    "renew": _renew,
    "get_lease": lambda it, step, lease: it.get_lease(step.job_id),
    "update": lambda it, step, lease: _update(it, step, None),
    "update, lease": _update,
    "fail, lease": lambda it, step, lease: it.add_failed_symbol(
        step.job_id, "BTC", "boom", lease=lease
    ),
    "complete, lease": lambda it, step, lease: it.add_completed_symbol(
        step.job_id, "BTC", step.number, lease=lease
    ),
}
LONGEST_WAIT = 4  # seconds

# What makes leases and lets them expire comes more often than what ends them.
OFTEN = (
    *("wait", "wait", "wait", "claim_next", "claim_next", "claim_next", "claim"),
    *("renew", "renew", "renew", "move", "move", "add_many"),
)
steps = st.builds(Step, st.sampled_from([*CALLS, *OFTEN]), st.sampled_from(IDS), st.integers(0, 59))
programs = st.lists(steps, min_size=30, max_size=50)


class Clock:
    """What all repositories of one program take the time from."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def micros(self) -> int:
        return to_micros(self.now)


async def said(call: Awaitable[Any]) -> Any:
    """What a call returns, without the store's numbers, or its error."""
    try:
        answer = await call
    except CollectionJobError as error:
        return type(error), error.args[0]
    return replace(answer, token=1) if isinstance(answer, Lease) else answer


async def state(repository: Any) -> list[Any]:
    """Every job with its lease, as far as a caller can see."""
    jobs = await repository.list_recent()
    return [(job, await said(repository.get_lease(job.id))) for job in jobs]


async def agree(one: Any, model: Any, clock: Clock, program: list[Step]) -> None:
    """Run a program on two repositories, each with the leases that it gave out itself."""
    held: list[dict[str, list[Lease]]] = [{}, {}]
    for step in program:
        if step.name == "wait":  # alone: so leases expire at the very instant of a call, too
            clock.now += timedelta(seconds=step.number % LONGEST_WAIT + 1)
            continue
        answers: list[Any] = []
        for repository, known in zip((one, model), held, strict=True):
            mine = known.get(step.job_id)
            # Mostly the one that was given out last, which may be current.
            lease = mine[step.number % len(mine) if step.number % 4 == 0 else -1] if mine else None
            answers.append(await said(CALLS[step.name](repository, step, lease)))
            for job in await repository.get_running_jobs():
                found = await repository.get_lease(job.id)
                if found is not None:
                    known.setdefault(job.id, []).append(found)
                    assert found.job.revision == job.revision
        assert answers[0] == answers[1], step
        assert await state(one) == await state(model), step


@settings(max_examples=200, deadline=None)
@given(program=programs)
def test_in_memory(program: list[Step]) -> None:
    async def run() -> None:
        clock = Clock()
        async with (
            InMemoryCollectionJobRepository(clock=clock) as one,
            DictRepositoryWithLeases(clock) as model,
        ):
            await agree(one, model, clock, program)
            table, jobs = one._leases, await one.list_recent()
            table.expire(clock.now, {job.id: job for job in jobs})
            assert len(table._by_expiry) <= 2 * len(table._held) + 101

    asyncio.run(run())


def test_an_in_memory_repository_forgets_the_expiries_of_renewed_leases() -> None:
    async def run() -> None:
        async with InMemoryCollectionJobRepository(clock=Clock()) as one:
            await one.save(example_job("a"))
            lease = await one.claim("a", "w", TTLS[0])
            assert lease is not None
            for _ in range(1_000):
                await one.renew(lease, TTLS[1])
            assert len(one._leases._by_expiry) < 200

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(program=programs)
def test_on_sqlite(program: list[Step]) -> None:
    async def run(path: Path) -> None:
        clock = Clock()
        async with AsyncExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for module in (leases, writes):
                patch.setattr(module, "now_micros", clock.micros)
            one = await stack.enter_async_context(
                SQLiteCollectionJobRepository(path, synchronous="NORMAL")
            )
            model = await stack.enter_async_context(DictRepositoryWithLeases(clock))
            await agree(one, model, clock, program)
            with plain_connection(path) as connection:
                counts_are_right(connection)

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder) / "jobs.db"))


def counts_are_right(connection: sqlite3.Connection) -> None:
    """What the triggers keep is what a look at every row finds."""
    counted = connection.execute(
        "SELECT source, count(*) FROM leases WHERE has_expired = 0 GROUP BY source"
    ).fetchall()
    kept = dict(connection.execute("SELECT * FROM leased").fetchall())
    assert kept.pop("", 0) == sum(count for _, count in counted)
    assert kept == dict(counted)
    strays = connection.execute(
        "SELECT count(*) FROM leases AS l LEFT JOIN jobs AS j ON j.key = l.job AND j.id = l.id"
        " AND (j.source, j.created_at) = (l.source, l.created_at) AND j.status = 'running'"
        " WHERE j.key IS NULL"
    ).fetchone()
    assert strays == (0,)
