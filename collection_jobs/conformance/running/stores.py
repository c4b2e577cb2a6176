"""New stores of a target: where they are made, what one look at one tells, and their removal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, TypeVar

from collection_jobs.conformance.running.configuration import Plan, Profile
from collection_jobs.conformance.running.early_endings import Interrupted
from collection_jobs.conformance.running.open_store import OpenStore, open_with_timeout
from collection_jobs.conformance.running.probing import Probed
from collection_jobs.conformance.running.processes import ForkServer
from collection_jobs.conformance.running.targets import Target, TargetError
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.validation import shown

__all__ = ["Stores", "new_stores", "stores_parent", "temporary_directory"]

_PREFIX = "collection-jobs-verify-"
_T = TypeVar("_T")


@contextmanager
def temporary_directory(parent: Path) -> Generator[Path]:
    """Make a directory in another, and remove it at the end."""
    # A store that was left behind with a thread of its own may still be writing: what cannot be
    # removed because of that is no reason to give no verdict.
    with TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def new_stores(
    target: Target,
    profile: Profile,
    interrupted: Callable[[], bool],
    make_directory: Callable[[Path], AbstractContextManager[Path]] = temporary_directory,
) -> Generator[Stores]:
    """Give new stores of a target, all in one directory that is removed at the end.

    Args:
        target: Whose stores.
        profile: Says whether they have to be on a disk.
        interrupted: Asked before each store: True raises Interrupted.
        make_directory: Makes the directory of them all in another, and removes it.

    Raises:
        TargetError: What the stores have left elsewhere cannot be removed.
    """
    parent = stores_parent(target.scratch, on_disk=profile.on_disk)
    with make_directory(parent) as scratch:
        stores = Stores(target, scratch, interrupted, in_memory=parent == _MEMORY)
        try:
            yield stores
        except BaseException:
            # What went wrong there is to be told, rather than what goes wrong here because of it.
            with suppress(TargetError):
                stores.discard()
            raise
        finally:
            stores.end_fork_server()
        stores.discard()


class Stores:
    """New stores of a target, each in a directory of its own.

    Attributes:
        in_memory: Whether the directories are in the system's memory, and on no disk: a listing of
            files has another order there.
    """

    def __init__(
        self,
        target: Target,
        scratch: Path,
        interrupted: Callable[[], bool],
        *,
        in_memory: bool = False,
    ) -> None:
        self.in_memory: bool = in_memory
        self._interrupted = interrupted
        self._target = target
        self._scratch = scratch
        self._directories: list[Path] = []
        self._fork_server: ForkServer | None = None

    def new_directory(self) -> Path:
        """Make a new, empty directory for a store."""
        self.look_for_interruption()
        directory = self._scratch / f"store-{len(self._directories) + 1}"
        directory.mkdir()
        self._directories.append(directory)
        return directory

    def fork_server(self) -> ForkServer:
        """Return the process that forks workers; one that has ended is replaced."""
        if self._fork_server is not None and self._fork_server.has_ended:
            self.end_fork_server()
        if self._fork_server is None:
            self._fork_server = ForkServer(self._target)
        return self._fork_server

    def end_fork_server(self) -> None:
        """End the process that forks workers, if there is one."""
        if self._fork_server is not None:
            self._fork_server.close()
            self._fork_server = None

    def look_for_interruption(self) -> None:
        """Raise Interrupted where the user has asked for the end."""
        if self._interrupted():
            raise Interrupted

    def discard(self) -> None:
        """Remove what the stores have left outside of their directories."""
        if self._target.discard is None or not self._directories:
            return
        try:
            asyncio.run(_awaited(self._target.discard(self._directories)))
        except Exception as error:
            text = f"{type(error).__name__}: {self._target.without_secrets(str(error))}"
            name = self._target.name
            raise TargetError(f"the stores of {name} could not be removed: {text}") from error

    def opening(self, directory: Path) -> AbstractAsyncContextManager[CollectionJobRepository]:
        """Return the store in a directory, not open yet; TargetError where there is none."""
        try:
            opening: Any = self._target.factory(directory)
        except Exception as error:
            raise TargetError(_failure(self._target, error)) from error
        if not hasattr(opening, "__aenter__"):
            raise TargetError(
                f"{self._target.name}: the factory must return an async context manager, not"
                f" {shown(opening)}"
            )
        return opening  # type: ignore[no-any-return] # what it gives is looked at when it is open

    def open(self) -> OpenStore:
        """Open a new store; TargetError where it does not open."""
        directory = self.new_directory()
        return self._opened(lambda: open_with_timeout(self.opening(directory)), directory)

    def open_several(self, number: int) -> OpenStore[Sequence[CollectionJobRepository]]:
        """Open new stores on one event loop; TargetError where one does not open."""
        directories = [self.new_directory() for _ in range(number)]
        return self._opened(lambda: _together(map(self.opening, directories)), *directories)

    def _opened(
        self, opening: Callable[[], AbstractAsyncContextManager[_T]], *directories: Path
    ) -> OpenStore[_T]:
        try:
            return OpenStore(opening(), *directories)
        except (TargetError, NoAnswer):
            raise
        except Exception as error:
            raise TargetError(_failure(self._target, error)) from error

    def plan(
        self,
        probed: Probed,
        profile: Profile,
        seed: int,
        progress: Callable[[int, int], None],
    ) -> Plan:
        """Return what a check works with on these stores."""
        return Plan(
            target=self._target,
            capabilities=probed.capabilities,
            unwritten=probed.unwritten,
            profile=profile,
            seed=seed,
            new_store=self.open,
            new_stores=self.open_several,
            new_directory=self.new_directory,
            opening=self.opening,
            fork_server=self.fork_server,
            progress=progress,
        )


@asynccontextmanager
async def _together(
    openings: Iterable[AbstractAsyncContextManager[CollectionJobRepository]],
) -> AsyncGenerator[Sequence[CollectionJobRepository]]:
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(open_with_timeout(one)) for one in openings]


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _failure(target: Target, error: Exception) -> str:
    if isinstance(error, asyncio.CancelledError):
        return f"{target.name}: opening it was cancelled"
    said = target.without_secrets(str(error))
    return f"{target.name} cannot be opened: {type(error).__name__}: {said}"


_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory; what is made there is private
_ENOUGH = 512 * 2**20
"""Bytes that must be free there: containers are often given a mere 64 MiB."""


def stores_parent(asked: Path | None, *, on_disk: bool) -> Path:
    """Return the directory in which to make the directories of the stores.

    In memory nothing waits for an fsync, and no check of the kit sees the difference: it kills
    processes, not machines, and what a process handed to the system survives it there as well.

    Args:
        asked: Where the target wants them, if it matters to it.
        on_disk: Whether they have to be on the disk of temporary files; so they are, too, where
            the environment names a directory for these (TMPDIR).
    """
    if asked is not None:
        return asked
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    if on_disk or named or not _has_room(_MEMORY):
        return Path(gettempdir())
    return _MEMORY


def _has_room(directory: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return os.access(directory, os.W_OK) and disk_usage(directory).free >= _ENOUGH
    except OSError:
        return False
