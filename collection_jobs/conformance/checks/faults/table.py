"""The faults: what runs out or is denied, and for how long."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from collection_jobs.conformance.checks.faults.limits import (
    allow_writing,
    deny_writing,
    empty_disk,
    files_of,
    fill_disk,
    limit_files,
    limit_handles,
    mount_small_disk,
    move_away,
    move_back,
    obey_permissions,
    unlimited,
)

__all__ = ["ResourceFault", "faults", "locked"]

if sys.platform != "win32":
    import fcntl

OnDirectory = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class ResourceFault:
    """One way for an engine to fail, for a while.

    Attributes:
        name: A few words, for reports.
        told: What happens, as a clause.
        begin: Makes it happen, in the worker process; None: the files are locked by the kit.
        end: Ends it, in the worker process.
        prepare: Called in the worker process before the store is opened, on its directory; an
            OSError says that the fault cannot be tried here.
        needs_files: Whether only a store can meet it that keeps files in its directory.
        comes_before_files: Whether it can come while there are no files yet.
    """

    name: str
    told: str
    begin: OnDirectory | None
    end: OnDirectory
    prepare: OnDirectory | None = None
    needs_files: bool = True
    comes_before_files: bool = True


_SMALL_ROOM = (2_048,)
_ROOMS = (1, 512, 2_048, 9_000, 40_000, 100_000)
"""How many bytes there is room for: a change that needs more is torn where they end."""
_FEW_HANDLES = (0,)
_HANDLES = (0, 1, 2, 3, 5)
"""How many file handles are left: an opening that needs more fails where they end."""


def faults(*, thoroughly: bool) -> Iterator[ResourceFault]:
    """Yield every fault.

    Args:
        thoroughly: Whether disks and file handles run out at several points.
    """
    yield from map(_file_too_large, (None, *(_ROOMS if thoroughly else _SMALL_ROOM)))
    yield from map(_full_disk, (0, *_ROOMS[2:]) if thoroughly else _SMALL_ROOM)
    yield from map(_no_handles, _HANDLES if thoroughly else _FEW_HANDLES)
    yield ResourceFault(
        "locked files",
        "another process holds a lock on every file of the store",
        None,
        _nothing,
        comes_before_files=False,
    )
    yield ResourceFault(
        "read-only files",
        "the store's directory and its files are read-only",
        deny_writing,
        allow_writing,
        obey_permissions,
    )
    yield ResourceFault(
        "a renamed directory",
        "the store's directory is renamed",
        move_away,
        move_back,
        comes_before_files=False,
    )


def _nothing(directory: Path) -> None:
    pass


def _file_too_large(room: int | None) -> ResourceFault:
    told = "no byte can be written to a file (RLIMIT_FSIZE)"
    if room is not None:
        told = f"no file can grow by more than {room:,} bytes (RLIMIT_FSIZE)"
    return ResourceFault("a limit of the files' size", told, partial(limit_files, room), unlimited)


def _full_disk(left: int) -> ResourceFault:
    told = f"the disk has {left:,} bytes left"
    begin = partial(fill_disk, left)
    return ResourceFault("a full disk", told, begin, empty_disk, mount_small_disk)


def _no_handles(free: int) -> ResourceFault:
    few = f"{free} more file handles" if free != 1 else "one more file handle"
    told = f"the process may have {few if free else 'no more file handles'} (RLIMIT_NOFILE)"
    begin = partial(limit_handles, free)
    return ResourceFault("no file handles", told, begin, unlimited, needs_files=False)


_BYTES = 1_024
"""Where a file is in use, each of its first bytes is locked by itself as far as it is free."""


@contextmanager
def locked(directory: Path) -> Generator[None]:
    """Hold every lock that the files of a store leave to another process: this one.

    No store may be open in this process: closing a file here would drop the store's own locks.
    """
    descriptors = [os.open(path, os.O_RDWR) for path in files_of(directory)]
    try:
        for descriptor in descriptors:
            _lock(descriptor)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "the kit locks no files on Windows")
    else:  # noqa: RET506 - type checkers see by it which system the rest is for
        at_once = fcntl.LOCK_EX | fcntl.LOCK_NB
        with suppress(OSError):
            fcntl.flock(descriptor, at_once)
        try:
            fcntl.lockf(descriptor, at_once)
        except OSError:
            for at in range(_BYTES):
                with suppress(OSError):
                    fcntl.lockf(descriptor, at_once, 1, at)
