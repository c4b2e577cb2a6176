"""What differs between operating systems where processes are started and ended.

POSIX passes descriptors on to a process, Windows handles; a pipe's `fileno()` is the one or the
other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, cast

if sys.platform == "win32":
    import msvcrt
    from multiprocessing.connection import PipeConnection

__all__ = [
    "close_in_forks",
    "descriptor_of",
    "handle_of",
    "in_own_session",
    "inheriting",
    "kill_at_once",
    "new_pipe",
    "pipe_of",
]


def inheriting(handles: Sequence[int]) -> dict[str, Any]:
    """Return what `subprocess.Popen` needs so that the process inherits these.

    Args:
        handles: Of a pipe, its `fileno()`; of a file, its `handle_of()`. The process knows them by
            the same numbers, of which its arguments can tell it.
    """
    if sys.platform == "win32":
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [*handles]})
        # What Popen does by itself with such a list, and warns of where it is not asked to.
        return {"startupinfo": startup, "close_fds": False}
    return {"pass_fds": tuple(handles)}


def in_own_session() -> dict[str, Any]:
    """Return what `subprocess.Popen` needs so that Ctrl-C in a terminal is not the process's."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def handle_of(descriptor: int) -> int:
    """Return what a process inherits a file by."""
    if sys.platform == "win32":
        return msvcrt.get_osfhandle(descriptor)
    return descriptor


def descriptor_of(handle: int) -> int:
    """Return the descriptor of a file that this process has inherited."""
    if sys.platform == "win32":
        return msvcrt.open_osfhandle(handle, os.O_RDWR)
    return handle


def new_pipe() -> tuple[Connection, Connection]:
    """Make a pipe, and return both ends."""
    if sys.platform == "win32":
        # Its ends have the methods of a Connection, from a base class that has no public name.
        return cast("tuple[Connection, Connection]", Pipe())
    return Pipe()


def pipe_of(handle: int) -> Connection:
    """Return the end of a pipe that this process has inherited."""
    if sys.platform == "win32":
        return cast("Connection", PipeConnection(handle))
    return Connection(handle)


def close_in_forks(pipe: Connection) -> None:
    """Close a pipe in each copy of this process that an adapter forks: it has nothing to tell."""
    if sys.platform != "win32":  # which has no fork
        os.register_at_fork(after_in_child=pipe.close)


def kill_at_once(pid: int) -> None:
    """End a process without its doing: by SIGKILL, or as Windows ends one for any other number."""
    if sys.platform == "win32":
        os.kill(pid, signal.SIGTERM)
    else:
        os.kill(pid, signal.SIGKILL)
