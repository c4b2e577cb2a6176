"""One process of the load: workers with leases, and others that save, until it is told to end.

    python -m benchmarks.cluster.load URL FILE NAME

Each call is written to the file. Nothing here knows of faults: who is told that a call may have
happened asks again, or repeats what can be repeated, as docs/high-availability.md says.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.cluster.calls import Recorder, Told
from collection_jobs import CollectionJob, JobQuery, JobStatus, Lease
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository

__all__ = ["COUNTED", "KEPT", "PLAIN", "TTL", "WORK"]

WORK, PLAIN, KEPT, COUNTED = "work", "plain", "kept", "counted"
"""The sources of the jobs: to collect, to add, to save again and again, and to record failures."""
TTL = timedelta(seconds=4)
_SYMBOLS = tuple(f"S{number}" for number in range(5))
_FEW = 40
_AGAIN = 0.05
"""Seconds after which an unsuccessful call is made again."""
_WORKERS = 3


class Load:
    """What one process does.

    Attributes:
        ended: Whether it is to end.
    """

    def __init__(
        self, repository: PostgresCollectionJobRepository, record: Recorder, name: str
    ) -> None:
        """Remember who it is; the name decides what is random."""
        self._repository = repository
        self._record = record
        self._name = name
        self._random = Random(name)
        self.ended: bool = False

    async def run(self) -> None:
        """Work until the end."""
        async with asyncio.TaskGroup() as group:
            for number in range(_WORKERS):
                group.create_task(self._work(f"{self._name} worker {number}"))
            group.create_task(self._add(f"{self._name} adder"))
            group.create_task(self._keep(f"{self._name} keeper"))
            group.create_task(self._count(f"{self._name} counter"))
            group.create_task(self._plan(f"{self._name} planner"))

    async def _until_answered(self, call: Callable[[], Awaitable[tuple[Told, object]]]) -> Told:
        """Make a call until the store has answered it."""
        while True:
            told, _ = await call()
            if told not in (Told.UNSURE, Told.NOT_DONE) or self.ended:
                return told
            await asyncio.sleep(_AGAIN)

    async def _plan(self, task: str) -> None:
        """See to it that there are jobs to collect."""
        waiting = JobQuery(statuses=(JobStatus.PENDING,), source=WORK)
        number = 0
        while not self.ended:
            told, found = await self._record.call(
                task, "count", "", self._repository.count(waiting)
            )
            if told is Told.DONE and found is not None and sum(found.values()) < _FEW:
                jobs = [self._job(f"{task} {number + n}", WORK, _SYMBOLS) for n in range(10)]
                number += len(jobs)
                await self._until_answered(partial(self._add_many, task, jobs))
            await asyncio.sleep(0.3)

    async def _add_many(self, task: str, jobs: list[CollectionJob]) -> tuple[Told, object]:
        ids = [job.id for job in jobs]
        adding = self._repository.add_many(jobs)
        return await self._record.call(task, "add_many", "", adding, jobs=ids)

    async def _work(self, task: str) -> None:
        """Claim jobs and collect them."""
        while not self.ended:
            told, lease = await self._record.call(
                task,
                "claim_next",
                "",
                self._repository.claim_next(task, TTL, source=WORK),
                noting=_claimed,
                ttl=TTL.total_seconds(),
            )
            if told is Told.DONE and lease is not None:
                await self._collect(task, lease)
            else:
                await asyncio.sleep(_AGAIN)

    async def _collect(self, task: str, lease: Lease) -> None:
        heartbeat = asyncio.create_task(self._renew(task, lease))
        try:
            for symbol in lease.job.symbols_left:
                await asyncio.sleep(self._random.uniform(0.02, 0.2))  # it downloads
                if self._random.random() < 0.02:
                    heartbeat.cancel()  # it stalls, past its lease, and goes on
                    await asyncio.sleep(TTL.total_seconds() + self._random.uniform(0, 2))
                if await self._complete(task, lease, symbol) is not Told.DONE or self.ended:
                    return
            await self._until_answered(
                lambda: self._record.call(
                    task,
                    "update_status",
                    lease.job.id,
                    self._repository.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease),
                    token=lease.token,
                )
            )
        finally:
            heartbeat.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeat

    async def _complete(self, task: str, lease: Lease, symbol: str) -> Told:
        """Record an outcome, of which each attempt has a value of its own."""
        attempt = 0

        async def call() -> tuple[Told, object]:
            nonlocal attempt
            attempt += 1
            candles = lease.token * 1000 + attempt
            return await self._record.call(
                task,
                "add_completed_symbol",
                lease.job.id,
                self._repository.add_completed_symbol(lease.job.id, symbol, candles, lease=lease),
                token=lease.token,
                symbol=symbol,
                candles=candles,
            )

        return await self._until_answered(call)

    async def _renew(self, task: str, lease: Lease) -> None:
        while True:
            await asyncio.sleep(TTL.total_seconds() / 3)
            told, _ = await self._record.call(
                f"{task} heartbeat",
                "renew",
                lease.job.id,
                self._repository.renew(lease, TTL),
                token=lease.token,
                ttl=TTL.total_seconds(),
            )
            if told is Told.REFUSED:
                return

    async def _add(self, task: str) -> None:
        """Add a job and save another, and neither a second time."""
        number = 0
        while not self.ended:
            number += 1
            for method in ("add", "save"):
                job = self._job(f"{task} {number} {method}", PLAIN, ("BTC",))
                call = getattr(self._repository, method)(job)
                await self._record.call(task, method, job.id, call, noting=_created)
                await asyncio.sleep(_AGAIN)

    async def _keep(self, task: str) -> None:
        """Save one job again and again: each copy has a number of its own, which only grows."""
        number = 0
        job = self._job(task, KEPT, ("BTC",))
        await self._until_answered(
            lambda: self._record.call(task, "create", task, self._repository.add(job))
        )
        while not self.ended:
            _, found = await self._record.call(
                task, "get_by_id", task, self._repository.get_by_id(task), noting=_numbered
            )
            if found is not None:
                number += 1
                copy = replace(found, metadata={"number": str(number)})
                await self._record.call(
                    task, "save_copy", task, self._repository.save(copy), number=number
                )
            await asyncio.sleep(_AGAIN)

    async def _count(self, task: str) -> None:
        """Record failures, which are counted: none twice, and none not at all."""
        job = self._job(task, COUNTED, ("BTC",))
        await self._until_answered(
            lambda: self._record.call(task, "create", task, self._repository.add(job))
        )
        while not self.ended:
            await self._record.call(
                task, "add_failure", task, self._repository.add_failure(task, "BTC", "boom")
            )
            await asyncio.sleep(_AGAIN)

    def _job(self, job_id: str, source: str, symbols: tuple[str, ...]) -> CollectionJob:
        day = datetime(2024, 1, 1, tzinfo=UTC)
        return CollectionJob(
            id=job_id,
            source=source,
            symbols=symbols,
            timeframe="1h",
            start=day,
            end=day + timedelta(days=1),
        )


def _claimed(lease: Lease | None) -> dict[str, object]:
    """Note what a worker has got."""
    if lease is None:
        return {}
    job = lease.job
    return {"claimed": job.id, "token": lease.token, "completed": dict(job.completed_symbols)}


def _created(created: bool | None) -> dict[str, object]:
    """Note whether a job was new; None of a save, which does not say."""
    return {} if created is None else {"created": created}


def _numbered(job: CollectionJob | None) -> dict[str, object]:
    return {} if job is None else {"number": int(job.metadata.get("number", "0"))}


async def _main(url: str, file: str, name: str) -> None:
    record = Recorder(Path(file))
    try:
        async with PostgresCollectionJobRepository.from_url(url) as repository:
            load = Load(repository, record, name)

            def end() -> None:
                load.ended = True

            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
            print("ready", flush=True)
            await load.run()
    finally:
        record.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
