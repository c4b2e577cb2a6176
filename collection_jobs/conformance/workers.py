"""Workers: processes of the kit's own that work on a store, seen from the process that asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from tempfile import TemporaryFile
from typing import IO, Any, Self

from collection_jobs.conformance.calls import PATIENCE
from collection_jobs.conformance.messages import Done, Failed
from collection_jobs.conformance.targets import Target

__all__ = ["LONG", "Worker", "WorkerDied", "WorkerFailed", "workers"]

LONG = 4 * PATIENCE
"""Seconds for the answer to an order: some calls may run into their own patience meanwhile."""


class WorkerFailed(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A worker could not do what it was asked.

    Attributes:
        ours: Whether the adapter's error is one of the contract's.
    """

    def __init__(self, error: str, *, ours: bool) -> None:
        """Remember the adapter's error, as text."""
        super().__init__(error)
        self.ours = ours


class WorkerDied(Exception):  # noqa: N818 - as above
    """A worker process ended, or went silent, without being told to."""


class Worker:
    """One process, which starts at once and can import the target.

    Args:
        target: What to work on; it has a spec.
        counting: Whether the process counts which sites in the adapter it passes.
    """

    def __init__(self, target: Target, *, counting: bool = False) -> None:
        """Start the process; it is not waited for."""
        assert target.spec is not None  # noqa: S101 - the callers looked; this tells the type checker
        self._pipe, theirs = Pipe()
        self._stderr: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed with the process
        self._ready = False
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        mode = "counting" if counting else "plain"
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [
                *(sys.executable, "-m", "collection_jobs.conformance.worker"),
                *(str(theirs.fileno()), target.spec, mode),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            env=environment,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()

    @property
    def pipe(self) -> Connection:
        """What it tells comes out here."""
        return self._pipe

    def wait_ready(self) -> None:
        """Wait until it has imported the target."""
        if not self._ready:
            self._ready = True
            self.answer()

    def order(self, order: object) -> None:
        """Ask for something, without waiting for the answer."""
        self.wait_ready()
        try:
            self._pipe.send(order)
        except OSError:
            raise WorkerDied(self._epitaph()) from None

    def tell(self, patience: float = LONG) -> Any:
        """Wait for the next thing that it tells.

        Raises:
            WorkerDied: It ended, or told nothing.
        """
        try:
            if self._pipe.poll(patience):
                return self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._epitaph()) from None
        raise WorkerDied(f"a worker process gave no answer within {patience:g} s")

    def answer(self, patience: float = LONG) -> Done:
        """Wait for the answer to an order.

        Raises:
            WorkerFailed: The adapter raised an error.
            WorkerDied: There was no answer.
        """
        told = self.tell(patience)
        if isinstance(told, Failed):
            raise WorkerFailed(told.error, ours=told.ours)
        if not isinstance(told, Done):
            raise WorkerDied(f"a worker process told {told!r} where an answer was due")
        return told

    def ask(self, order: object, patience: float = LONG) -> Done:
        """Ask for something and wait for the answer."""
        self.order(order)
        return self.answer(patience)

    def kill(self) -> None:
        """Kill it, and collect its remains; what it told before can still be read."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill it, and let go of the pipe."""
        self.kill()
        self._pipe.close()
        self._stderr.close()

    def _epitaph(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return f"a worker process ended with code {code}{last}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@contextmanager
def workers(target: Target, count: int) -> Generator[list[Worker]]:
    """Some workers, killed at the end."""
    started: list[Worker] = []
    try:
        started.extend(Worker(target) for _ in range(count))
        yield started
    finally:
        for worker in started:
            with suppress(OSError):
                worker.close()
