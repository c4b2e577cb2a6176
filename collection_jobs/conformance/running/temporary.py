"""Where the kit makes its stores: beside the user's, in memory where a quick look is wanted."""

from __future__ import annotations

import os
from pathlib import Path
from shutil import disk_usage
from tempfile import gettempdir

__all__ = ["stores_parent"]

_MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory; what is made there is private
_ENOUGH = 512 * 2**20
"""Bytes that must be free there: containers are often given a mere 64 MiB."""


def stores_parent(asked: Path | None, *, on_disk: bool) -> Path:
    """The directory in which to make the directories of the stores.

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
    try:
        return os.access(directory, os.W_OK) and disk_usage(directory).free >= _ENOUGH
    except OSError:
        return False
