"""A process that forks for the tests: ``python -m tests.adapters.sqlite_fork PATH WHEN``."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import selectors
import sys
import threading
import warnings
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from collection_jobs import RepositoryError
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from tests.adapters.sqlite_support import a_job
from tests.adapters.sqlite_worker import say


async def save_jobs(repository: SQLiteCollectionJobRepository, first: int) -> None:
    """Save 20 jobs, and say which are acknowledged."""
    for n in range(first, first + 20):
        await repository.save(a_job(f"{os.getpid()}-{n}"))
        say(f"saved {os.getpid()}-{n}")


def main(path: Path, when: str) -> None:
    """Save jobs, fork, and save more; the child tries what it must not. Both end as processes do.

    ``when``: whether the child uses what it inherited ("used"), leaves it alone ("idle"), lets it
    be collected ("collected"), cancels the call that was under way ("cancels"), or has inherited
    the lock of a module that a thread was importing ("importing"); or the parent closed the file
    before the fork, or after it.
    """
    # Not by epoll, which a fork shares: the child's end would take the parent's wake-up out of it.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    repository = SQLiteCollectionJobRepository(path)
    loop.run_until_complete(repository.__aenter__())
    loop.run_until_complete(save_jobs(repository, 0))
    if when == "closed before":
        loop.run_until_complete(repository.close())
    if when == "cancels":
        child = loop.run_until_complete(fork_while_writing(repository))
    else:
        if when == "importing":
            import_in_a_thread("ctypes")
        child = os.fork()
    if not child:
        warnings.simplefilter("ignore", ResourceWarning)  # the parent's event loop stays open
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        asyncio.run(use_in_child(repository, path, when))
        if when == "collected":
            del repository
            gc.collect()
        return
    if when == "closed after":
        loop.run_until_complete(repository.close())
    assert os.waitpid(child, 0)[1] == 0
    if when.startswith("closed"):
        loop.run_until_complete(repository.__aenter__())
    loop.run_until_complete(save_jobs(repository, 20))
    loop.run_until_complete(repository.close())
    loop.close()


def import_in_a_thread(name: str) -> None:
    """Be in the middle of an import when this process forks; it goes on at that moment."""
    begun, forking = threading.Event(), threading.Event()

    class Slow(MetaPathFinder):
        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == name:
                begun.set()
                forking.wait()

    sys.meta_path.insert(0, Slow())
    os.register_at_fork(before=forking.set)
    threading.Thread(target=importlib.import_module, args=(name,)).start()
    begun.wait()


async def fork_while_writing(repository: SQLiteCollectionJobRepository) -> int:
    """Fork while a call is written; the child cancels it afterwards, as a loop's end does.

    Returns:
        What fork returned.
    """
    long = a_job("long", symbols=tuple(f"symbol {n}" for n in range(100_000)))
    saving = asyncio.ensure_future(repository.save(long))
    await asyncio.sleep(0)  # it is on its way now
    assert repository._engine is not None
    while not any(write.started for write in repository._engine._batch):
        pass  # the writer's thread, which takes it up, tells nobody
    child = os.fork()
    if child:
        await saving
    return child


async def use_in_child(repository: SQLiteCollectionJobRepository, path: Path, when: str) -> None:
    """Save jobs if the file was closed before the fork; else be refused."""
    if when == "closed before":
        async with SQLiteCollectionJobRepository(path) as own:
            await save_jobs(own, 0)
    elif when != "idle":
        for call in (repository.save(a_job("no")), repository.get_by_id("no"), repository.close()):
            with pytest.raises(RepositoryError, match="opened in another process"):
                await call
        with pytest.raises(RepositoryError, match="opened in this process: it was forked"):
            await SQLiteCollectionJobRepository(path).__aenter__()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
