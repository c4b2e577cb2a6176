"""Fork server: a process that has imported the target, opened nothing, and forks workers."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

__all__ = ["COUNTING", "FORK_SERVER", "PLAIN", "tend"]

COUNTING, PLAIN, FORK_SERVER = "counting", "plain", "fork_server"
"""The kinds of processes: a worker that counts what it passes, one that does not, and this."""


def tend(pipe: Connection, work: Callable[[Connection, bool], None]) -> None:
    """Fork a worker whenever one is asked for, and tell how it ended.

    Args:
        pipe: Where the kit asks.
        work: What a worker does, at a pipe of its own, and whether it counts what it passes.
    """
    pipe.send(_can_fork())
    if sys.platform == "win32":
        return  # it has no fork: who asks starts each worker by itself
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        if isinstance(asked, int):
            _, status = os.waitpid(asked, 0)
            pipe.send(os.waitstatus_to_exitcode(status))
            continue
        descriptor = recv_handle(pipe)
        pid = os.fork()
        if not pid:
            pipe.close()
            work(Connection(descriptor), asked == COUNTING)
            sys.exit()  # with all that the adapter has asked to be done at the end of its process
        os.close(descriptor)
        pipe.send(pid)


def _can_fork() -> bool:
    """Whether a fork of this process is a process like any other: it has this one thread only."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    return len(list(Path("/proc/self/task").iterdir())) == 1
