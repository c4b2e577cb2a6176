"""A process of its own for the tests: ``python -m tests.adapters.sqlite_worker COMMAND PATH``.

Each command says ``ready`` when it can begin, and begins when its input has a line.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collection_jobs import JobStatus, RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import a_job, know_another_version

HOUR = timedelta(hours=1)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def wait_for_the_start() -> None:
    say("ready")
    sys.stdin.readline()


async def claim(path: Path) -> None:
    """Claim each of the pending jobs, and say which were won."""
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        jobs = await repository.list_by_status(JobStatus.PENDING)
        wait_for_the_start()
        won = await asyncio.gather(
            *(repository.update_status(job.id, JobStatus.RUNNING) for job in jobs)
        )
        say(" ".join(job.id for job, mine in zip(jobs, won, strict=True) if mine))


async def lease(path: Path) -> None:
    """Claim one job after the other until none is left, and say which."""
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        wait_for_the_start()
        while (mine := await repository.claim_next(f"{os.getpid()}", HOUR)) is not None:
            say(mine.job.id)
            assert await repository.update_status(mine.job.id, JobStatus.COMPLETED, lease=mine)


async def limited(path: Path) -> None:
    """Claim jobs while fewer than some run, and say the most that were seen to."""
    limit, most = int(sys.argv[3]), 0
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        wait_for_the_start()
        while await repository.list_by_status(JobStatus.PENDING, limit=1):
            mine = await repository.claim_next(f"{os.getpid()}", HOUR, most_running=limit)
            if mine is not None:
                most = max(most, len(await repository.get_running_jobs()))
                assert await repository.update_status(mine.job.id, JobStatus.FAILED, lease=mine)
    say(str(most))


async def hold(path: Path) -> None:
    """Claim a job for some seconds, record a failure, and stop there."""
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        mine = await repository.claim_next("mortal", timedelta(seconds=float(sys.argv[3])))
        assert mine is not None
        await repository.add_failed_symbol(mine.job.id, "BTC/USDT", "boom", lease=mine)
        say(f"{mine.job.id} {mine.token} {mine.expires_at.isoformat()}")
        sys.stdin.readline()


async def create(path: Path) -> None:
    """Open a file that may not be there yet, and save a job."""
    wait_for_the_start()
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        await repository.save(a_job(sys.argv[3]))


async def write(path: Path) -> None:
    """Save jobs for ever, and say which are acknowledged."""
    async with SQLiteCollectionJobRepository(path) as repository:
        wait_for_the_start()

        async def write_on(name: int) -> None:
            for n in range(1_000_000):
                await repository.save(a_job(f"{name}-{n}"))
                say(f"{name}-{n}")

        await asyncio.gather(*(write_on(name) for name in range(8)))


async def forget(path: Path) -> None:
    """Open, write and read, and end without closing."""
    repository = await SQLiteCollectionJobRepository(path).__aenter__()
    await repository.save(a_job())
    await repository.list_recent(limit=1000)
    kept.append(repository)


async def migrate(path: Path) -> None:
    """Open a file of the former version as the next release would, and save a job."""
    know_another_version()
    wait_for_the_start()
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        await repository.save(a_job(sys.argv[3]))


async def halt(path: Path) -> None:
    """Begin to migrate, and say so in the middle of it."""
    know_another_version(in_the_middle=wait_for_the_start)
    async with SQLiteCollectionJobRepository(path, busy_timeout=30):
        say("done")


async def serve(path: Path) -> None:
    """Hold some handles, write through them for ever, and open and close another all the while."""
    async with AsyncExitStack() as stack:
        handles = [
            await stack.enter_async_context(SQLiteCollectionJobRepository(path, busy_timeout=30))
            for _ in range(int(sys.argv[3]))
        ]
        await write_and_claim(handles[0], "opened")
        wait_for_the_start()

        async def write_on(number: int, handle: SQLiteCollectionJobRepository) -> None:
            for n in range(1_000_000):
                await write_and_claim(handle, f"{number}-{n}")

        async def open_and_close() -> None:
            while True:
                async with SQLiteCollectionJobRepository(path, busy_timeout=30) as another:
                    await another.list_recent(limit=1)

        await asyncio.gather(
            open_and_close(), *(write_on(n, handle) for n, handle in enumerate(handles))
        )


async def visit(path: Path) -> None:
    """Open the file, claim and write some jobs, and say what was acknowledged."""
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        for n in range(10):
            await write_and_claim(repository, str(n))


async def write_and_claim(repository: SQLiteCollectionJobRepository, name: str) -> None:
    """Save a job and claim a common one, and say what was acknowledged."""
    job = a_job(f"{os.getpid()}-{name}")
    await repository.save(job)
    say(f"saved {job.id}")
    if await repository.update_status("common", JobStatus.RUNNING):
        say("claimed common")
        await repository.add_failed_symbol("common", "BTC/USDT", job.id)
        say(f"failed {job.id}")


@contextmanager
def little_memory(left: int) -> Generator[None]:
    """Let the process have so many bytes more."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + left, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


async def starve(path: Path) -> None:
    """Save long jobs side by side with little memory left, and say how many were answered."""
    async with SQLiteCollectionJobRepository(path) as repository:
        await repository.save(a_job())
        wait_for_the_start()
        symbols = tuple(f"S{n}" for n in range(30))
        jobs = [
            a_job(str(n), symbols=symbols, failed_symbols=dict.fromkeys(symbols, "\x01" * 60_000))
            for n in range(40)
        ]
        with little_memory(8 * 2**20):
            calls = (repository.save(job) for job in jobs)
            answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {type(None), RepositoryError}, answers
    say(str(len(answers)))


async def fail(path: Path) -> None:
    """Record so many failures of one symbol side by side, and say how many."""
    number = int(sys.argv[3])
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        wait_for_the_start()
        calls = (
            repository.add_failure("job", "BTC/USDT", f"{n}", permanent=n % 2 == 0)
            for n in range(number)
        )
        await asyncio.gather(*calls)
    say(str(number))


async def purge(path: Path) -> None:
    """Delete finished jobs, a few at a time, until none is left, and say how many."""
    deleted = 0
    async with SQLiteCollectionJobRepository(path, busy_timeout=30) as repository:
        wait_for_the_start()
        while number := await repository.delete_finished(datetime.now(UTC), limit=7):
            deleted += number
    say(str(deleted))


kept: list[SQLiteCollectionJobRepository] = []

if __name__ == "__main__":
    commands = {
        command.__name__: command
        for command in (
            *(
                claim,
                lease,
                limited,
                hold,
                create,
                write,
                forget,
                migrate,
                halt,
                serve,
                visit,
                starve,
                fail,
                purge,
            ),
        )
    }
    asyncio.run(commands[sys.argv[1]](Path(sys.argv[2])))
