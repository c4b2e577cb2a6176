"""Who may use a repository: no other process, thread or event loop, and none harms its owner."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from collection_jobs import JobStatus, RepositoryClosedError, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Server

Repository = PostgresCollectionJobRepository
Call = Callable[[Repository], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "save": lambda repository: repository.save(example_job("b")),
    "get_by_id": lambda repository: repository.get_by_id("a"),
    "delete": lambda repository: repository.delete("a"),
    "list_by_status": lambda repository: repository.list_by_status(JobStatus.PENDING),
    "list_recent": lambda repository: repository.list_recent(),
    "get_running_jobs": lambda repository: repository.get_running_jobs(),
    "update_status": lambda repository: repository.update_status("a", JobStatus.RUNNING),
    "add_failed_symbol": lambda repository: repository.add_failed_symbol("a", "BTC", "x"),
    "get_stats": lambda repository: repository.get_stats("a"),
    "add_completed_symbol": lambda repository: repository.add_completed_symbol("a", "BTC", 1),
    "save_many": lambda repository: repository.save_many([example_job("b")]),
    "list_after": lambda repository: repository.list_after(JobStatus.PENDING),
    "close": lambda repository: repository.close(),
    "__aenter__": lambda repository: repository.__aenter__(),
    "__aexit__": lambda repository: repository.__aexit__(None, None, None),
}


async def refusal(call: Awaitable[Any]) -> str:
    """What a call is refused with."""
    try:
        await call
    except RepositoryError as error:
        return f"{type(error).__name__}: {error}"
    return "it was done"


async def refusals(repository: Repository) -> dict[str, str]:
    return {name: await refusal(call(repository)) for name, call in CALLS.items()}


def _other_loop(repository: Repository) -> dict[str, str]:
    return asyncio.run(refusals(repository))


async def _as_ever(repository: Repository) -> None:
    """The owner works on, and nothing was done meanwhile."""
    assert [job.id for job in await repository.list_recent()] == ["a"]
    assert await repository.get_by_id("a") == example_job("a")
    await repository.save(example_job("a"))


async def test_another_thread_is_refused_and_touches_nothing(url: str) -> None:
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("a"))
        said = await asyncio.to_thread(_other_loop, repository)
        assert {text.partition(";")[0] for text in said.values()} == {
            "RepositoryError: the repository was opened in another thread"
        }
        await _as_ever(repository)


def test_another_event_loop_is_refused_and_touches_nothing(url: str) -> None:
    repository = Repository.from_url(url)
    with asyncio.Runner() as owner:
        owner.run(repository.__aenter__())
        owner.run(repository.save(example_job("a")))
        said = _other_loop(repository)
        assert {text.partition(";")[0] for text in said.values()} == {
            "RepositoryError: the repository was opened in another event loop"
        }
        owner.run(_as_ever(repository))
        owner.run(repository.close())


async def test_arguments_are_looked_at_first_and_then_whether_it_is_open(url: str) -> None:
    async with Repository.from_url(url) as repository:

        async def wrong() -> tuple[str, str]:
            with pytest.raises(ValueError, match="job_id"):
                await repository.get_by_id("")
            with pytest.raises(TypeError, match="job must be"):
                await repository.save("a")  # type: ignore[arg-type]  # it is wrong
            return await refusal(repository.get_by_id("a")), await refusal(repository.close())

        for text in await asyncio.to_thread(lambda: asyncio.run(wrong())):
            assert "another thread" in text
    closed = await asyncio.to_thread(lambda: asyncio.run(refusals(Repository.from_url(url))))
    assert closed["get_by_id"].startswith(RepositoryClosedError.__name__)
    assert closed["close"] == "it was done"


# Forks


async def forked(work: Callable[[], object]) -> str:
    """What some work in a forked child gives; the child's end is awaited."""
    mine, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(mine)
        try:
            text = repr(work())
        except BaseException:  # noqa: BLE001 - whatever it is, the parent says so
            text = traceback.format_exc()
        os.write(theirs, text.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(mine, "rb") as said:
        text = (await asyncio.to_thread(said.read)).decode()
    await asyncio.to_thread(os.waitpid, pid, 0)
    return text


def _drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


async def sessions(server: Server, schema: str) -> set[int]:
    query = (
        "SELECT pid FROM pg_stat_activity WHERE strpos(query, $1) > 0 AND pid <> pg_backend_pid()"
    )
    return {row[0] for row in await server.fetch(query, schema)}


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
async def test_a_forked_child_is_refused_and_its_end_ends_no_session_of_the_parent(
    server: Server,
) -> None:
    async with Repository.from_url(server.in_schema("forks")) as repository:
        await repository.save(example_job("a"))
        before = await sessions(server, "forks")
        assert before
        said = await forked(lambda: _drive(refusals(repository)))
        assert said.count("opened in another process (this process was forked from it)") == len(
            CALLS
        ), said
        await _as_ever(repository)
        assert await sessions(server, "forks") == before


SCRIPT = """
import asyncio, gc, os, sys
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job

async def main(url):
    repository = PostgresCollectionJobRepository.from_url(url)
    await repository.__aenter__()
    await repository.save(example_job("a"))
    (pooled,) = repository._engine._connections._idle
    session = pooled.connection.get_server_pid()
    del pooled
    for collects in (True, False):
        pid = os.fork()
        if pid == 0:
            if collects:
                repository._engine._connections._idle.clear()
                repository._engine = None
                gc.collect()
                os._exit(0)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # asyncio warns of what is not closed
            sys.exit(0)
        os.waitpid(pid, 0)
        assert await repository.get_by_id("a") == example_job("a")
        (pooled,) = repository._engine._connections._idle
        print(pooled.connection.get_server_pid() == session, flush=True)  # a child would, too
        del pooled
    await repository.close()

asyncio.run(main(sys.argv[1]))
"""


def test_a_child_that_collects_or_ends_as_programs_do_writes_nothing_on_the_parents_sockets(
    server: Server,
) -> None:
    url = f"{server.tcp_url}?schema=ends"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True\nTrue\n", done.stdout + done.stderr


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
async def test_a_child_opens_a_repository_of_its_own(server: Server) -> None:
    url = server.in_schema("own")
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("a"))

        async def work() -> list[str]:
            async with Repository.from_url(url) as mine:
                await asyncio.gather(*(mine.save(example_job(f"{n}")) for n in range(20)))
                return [job.id for job in await mine.list_recent()]

        def in_child() -> object:
            asyncio._set_running_loop(None)  # the parent's, which the child has inherited
            return len(asyncio.run(work()))

        assert await forked(in_child) == "21"
        assert len(await repository.list_recent()) == 21
        await repository.save(example_job("b"))
