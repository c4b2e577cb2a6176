"""What is done to a worker process, or to the files of a store, to make its engine fail.

Every function here is called in the worker process itself, but for those that say otherwise.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import resource

__all__ = [
    "allow_writing",
    "deny_writing",
    "empty_disk",
    "files_of",
    "fill_disk",
    "limit_files",
    "limit_handles",
    "mount_small_disk",
    "move_away",
    "move_back",
    "obey_permissions",
    "unlimited",
]

_SMALL_DISK = 8 * 2**20
_PAGE = 4096
_BALLAST = ".collection-jobs-ballast"

_CLONE_NEWNS = 0x0002_0000
_MS_PRIVATE, _MS_REC = 1 << 18, 0x4000
_CAPABILITIES = 0x2008_0522
"""The version of the structure that the kernel takes: two words for each set."""
_DAC_OVERRIDE = 1 << 1


def files_of(directory: Path) -> Iterator[Path]:
    """Yield the files of a store, in their order; in any process."""
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def limit_files(room: int | None, directory: Path) -> None:
    """Let no file become larger than the largest of the store's by so many bytes (RLIMIT_FSIZE).

    Args:
        room: How many bytes; None: nothing can be written to any file.
        directory: The store's.
    """
    largest = max((path.stat().st_size for path in files_of(directory)), default=0)
    limit = 0 if room is None else largest + room
    _set_limit("RLIMIT_FSIZE", limit)


def limit_handles(free: int, directory: Path) -> None:
    """Let the process have so many more file handles (RLIMIT_NOFILE)."""
    with os.scandir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd") as entries:
        used = {int(entry.name) for entry in entries}
    # The handle of the listing itself is closed by now; it is the lowest that was free.
    used = {one for one in used if _is_open(one)}
    limit = 0
    while free or limit in used:
        free -= limit not in used
        limit += 1
    _set_limit("RLIMIT_NOFILE", limit)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def unlimited(directory: Path) -> None:
    """Lift both limits."""
    for kind in ("RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        _set_limit(kind, None)


def _set_limit(kind: str, limit: int | None) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "the kit limits no process on Windows")
    else:  # noqa: RET506 - type checkers see by it which system the rest is for
        number: int = getattr(resource, kind)
        _, most = resource.getrlimit(number)
        resource.setrlimit(number, (most if limit is None else limit, most))


def mount_small_disk(directory: Path) -> None:
    """Mount a disk of a few megabytes on a directory, which this process alone can see.

    Raises:
        OSError: The process may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(_CLONE_NEWNS))
    _checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    options = f"size={_SMALL_DISK}".encode()
    place = os.fsencode(directory)
    _checked(libc.mount(b"tmpfs", place, b"tmpfs", ctypes.c_ulong(0), options))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fill_disk(left: int, directory: Path) -> None:
    """Fill the small disk, but for so many bytes; what a page holds already may still change."""
    with (directory / _BALLAST).open("wb", buffering=0) as ballast:
        with suppress(OSError):
            while ballast.write(b"\0" * _PAGE) == _PAGE:
                pass
        ballast.truncate(max(0, ballast.tell() // _PAGE * _PAGE - left))


def empty_disk(directory: Path) -> None:
    """Make room on the small disk again."""
    (directory / _BALLAST).unlink(missing_ok=True)


def obey_permissions(directory: Path) -> None:
    """Have the permissions of files hold for this process, also where it is root's.

    Raises:
        OSError: It cannot give up its right to pass them over.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "the kit runs as root")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    sets = (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, sets))
    sets[0] &= ~_DAC_OVERRIDE
    _checked(libc.capset(header, sets))


def deny_writing(directory: Path) -> None:
    """Make a directory and all that is in it read-only."""
    for path in [*directory.rglob("*"), directory]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def allow_writing(directory: Path) -> None:
    """Make it writable again."""
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def move_away(directory: Path) -> None:
    """Rename a directory."""
    directory.rename(_elsewhere(directory))


def move_back(directory: Path) -> None:
    """Give it its name again; what was made in its place meanwhile goes aside."""
    if directory.exists():
        directory.rename(directory.with_name(f"{directory.name}-meanwhile"))
    _elsewhere(directory).rename(directory)


def _elsewhere(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}-away")
