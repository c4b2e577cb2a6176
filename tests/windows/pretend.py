"""Make an interpreter on POSIX look like one on Windows to the package.

What only POSIX has is gone, what only Windows has is there, in the words of the documentation of
Python. The standard library looks at its system when it is imported, so its modules come first.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.process
import concurrent.futures.thread
import ctypes
import logging
import multiprocessing.connection
import multiprocessing.reduction
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import uuid
import zoneinfo
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

import platformdirs
from typing_extensions import override

__all__ = ["pretend"]

IMPORTED = (
    *(asyncio, concurrent.futures.process, concurrent.futures.thread, ctypes, logging, random),
    *(
        multiprocessing.connection,
        multiprocessing.reduction,
        shutil,
        socket,
        sqlite3,
        tempfile,
        uuid,
    ),
    *(zoneinfo, platformdirs),
)
"""What looks at its system when it is imported."""
NO_MODULES = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"})
NO_FUNCTIONS = (
    *("fork", "forkpty", "killpg", "getpgid", "setsid", "register_at_fork"),
    *("getuid", "geteuid", "getgid", "wait", "wait3", "wait4", "mkfifo", "statvfs", "uname"),
)
SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
"""Those that there are; SIGBREAK is left out."""
_SIGKILL = signal.SIGKILL
_ours = subprocess.Popen
_kill = os.kill


class _NoModules(MetaPathFinder):
    @override
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


class _StartupInfo:
    """As `subprocess.STARTUPINFO` is documented."""

    def __init__(self, *, lpAttributeList: dict[str, list[int]]) -> None:  # noqa: N803 - its name
        self.handles = lpAttributeList["handle_list"]


class _Popen(subprocess.Popen[bytes]):
    """Starts processes as on Windows: they inherit handles, and are ended without signals."""

    def __init__(
        self,
        args: Any,
        *,
        startupinfo: _StartupInfo | None = None,
        creationflags: int = 0,
        pass_fds: tuple[int, ...] = (),
        start_new_session: bool = False,
        **others: Any,
    ) -> None:
        if pass_fds:
            raise ValueError("pass_fds not supported on Windows.")
        if startupinfo is not None:
            others |= {"pass_fds": startupinfo.handles, "close_fds": True}
        super().__init__(args, **others)

    @override
    def kill(self) -> None:
        self.send_signal(_SIGKILL)

    terminate = kill


def _end(pid: int, number: int) -> None:
    """End a process, as os.kill does there for any number."""
    _kill(pid, _SIGKILL)


def _open(handle: int, flags: int) -> int:
    return handle


def pretend() -> None:
    """Begin; it does not end."""
    for name in NO_MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _NoModules())
    for name in NO_FUNCTIONS:
        if hasattr(os, name):
            delattr(os, name)
    for number in signal.Signals:
        if number.name not in SIGNALS:
            delattr(signal, number.name)
    msvcrt: Any = ModuleType("msvcrt")
    msvcrt.get_osfhandle = int
    msvcrt.open_osfhandle = _open
    sys.modules["msvcrt"] = msvcrt
    there: dict[ModuleType, dict[str, Any]] = {
        os: {"set_handle_inheritable": os.set_inheritable, "kill": _end},
        subprocess: {"STARTUPINFO": _StartupInfo, "Popen": _Popen, "CREATE_NEW_PROCESS_GROUP": 512},
        multiprocessing.connection: {"PipeConnection": multiprocessing.connection.Connection},
        sys: {"platform": "win32"},
    }
    for module, names in there.items():
        for name, value in names.items():
            setattr(module, name, value)
