"""Workers: processes of the kit's own that work on a store, seen from the process that asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, Self

from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.fork_server import COUNTING, FORK_SERVER, PLAIN
from collection_jobs.conformance.running.messages import Done, Failed, Leave
from collection_jobs.conformance.running.patience import parts_of
from collection_jobs.conformance.running.system import inheriting, kill_at_once, new_pipe
from collection_jobs.conformance.running.targets import Target, TargetError

__all__ = [
    "ForkServer",
    "Worker",
    "WorkerDied",
    "WorkerFailed",
    "let_workers_print",
    "workers_print",
]

_WORKER = "collection_jobs.conformance.running.worker"
_STDERR = 2
_PART = 2**16
_STARTING = 60.0
"""Seconds for starting and for importing the target: no deadline of a call applies to that."""
_ORDERED = 4
"""How many deadlines the answer to an order may take: some calls may pass their own meanwhile."""


class WorkerFailed(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A worker could not do what it was asked.

    Attributes:
        ours: Whether the adapter's error is one of the contract's.
        hidden: The engine's error that it stands for and does not carry as its cause.
    """

    def __init__(self, error: str, *, ours: bool, hidden: str | None = None) -> None:
        """Remember the adapter's error, as text."""
        super().__init__(error)
        self.ours = ours
        self.hidden = hidden


class WorkerDied(Exception):  # noqa: N818 - as above
    """A worker process ended, or went silent, without being told to."""


class _Process(Protocol):
    def kill(self) -> None:
        """Kill it; return when it is gone."""
        ...

    def epitaph(self) -> str:
        """How it ended, which it did."""
        ...


class _Printing:
    allowed: bool = False


def let_workers_print() -> None:
    """Let workers print where this process does, from now on; they print nothing otherwise."""
    _Printing.allowed = True


def workers_print() -> bool:
    """Return whether workers print where this process does."""
    return _Printing.allowed


class _Started:
    """A process that runs the worker program."""

    def __init__(
        self,
        target: Target,
        mode: str,
        ours: Connection,
        theirs: Connection,
        environment: Mapping[str, str] | None = None,
        program: str = _WORKER,
    ) -> None:
        assert target.spec is not None  # noqa: S101 - the callers looked; this tells the type checker
        self._stderr: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            [sys.executable, "-m", program, str(theirs.fileno()), mode],
            stdin=subprocess.DEVNULL,
            stdout=None if _Printing.allowed else subprocess.DEVNULL,
            stderr=self._stderr,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",  # what is killed has printed what it printed
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **(environment or {}),
            },
            **inheriting((theirs.fileno(),)),
        )
        theirs.close()
        # Not as an argument, which every user of the machine can read: it may hold a password.
        with suppress(OSError):  # a process that is gone already is noticed by who waits for it
            ours.send((target.spec, deadline()))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def epitaph(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return f"a worker process ended with code {code}{last}"

    def __del__(self) -> None:
        if _Printing.allowed:
            with suppress(OSError, ValueError):
                self._stderr.seek(0)
                while part := self._stderr.read(_PART):
                    os.write(_STDERR, part)
        self._stderr.close()


class Worker:
    """One process, at the other end of a pipe."""

    def __init__(self, pipe: Connection, process: _Process) -> None:
        """Take over a process that has just been made; it is not waited for."""
        self._pipe = pipe
        self._process = process
        self._ready = False

    @classmethod
    def start(
        cls,
        target: Target,
        environment: Mapping[str, str] | None = None,
        program: str = _WORKER,
    ) -> Self:
        """Start a process that can open the target's stores; it has a spec.

        Args:
            target: Whose stores.
            environment: Variables of the process that are other than those of this one.
            program: The module that it runs.
        """
        ours, theirs = new_pipe()
        return cls(ours, _Started(target, PLAIN, ours, theirs, environment, program))

    def order(self, order: object) -> None:
        """Ask for something, without waiting for the answer.

        Raises:
            TargetError: The process cannot find the target.
            WorkerDied: It is gone.
        """
        if not self._ready:
            self._wait_ready()
        try:
            self._pipe.send(order)
        except OSError:
            raise WorkerDied(self._process.epitaph()) from None

    def post(self, order: object) -> None:
        """Ask for something, without waiting until it is ready for that."""
        with suppress(OSError):  # one that is gone is noticed by who waits for an answer
            self._pipe.send(order)

    def _wait_ready(self) -> None:
        """Wait until it has found the target: if it cannot, that is not the adapter's doing."""
        try:
            self.answer(_STARTING)
        except WorkerDied as error:
            raise TargetError(f"no other process can open the target: {error}") from error
        self._ready = True

    def tell(self, seconds: float | None = None) -> Any:
        """Wait for the next thing that it tells.

        Raises:
            WorkerDied: It ended, or told nothing.
        """
        limit = _ORDERED * deadline() if seconds is None else seconds
        try:
            if any(map(self._pipe.poll, parts_of(limit))):
                return self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._process.epitaph()) from None
        raise WorkerDied(f"a worker process gave no answer within {limit:g} s")

    def hear(self, seconds: float) -> object:
        """Return the next thing that it tells; None if it tells nothing in that time.

        Raises:
            WorkerDied: It has ended.
        """
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except (EOFError, OSError):
            raise WorkerDied(self._process.epitaph()) from None

    def answer(self, seconds: float | None = None) -> Done:
        """Wait for the answer to an order.

        Raises:
            WorkerFailed: The adapter raised an error.
            WorkerDied: There was no answer.
        """
        told = self.tell(seconds)
        if isinstance(told, Failed):
            raise WorkerFailed(told.error, ours=told.ours, hidden=told.hidden)
        if not isinstance(told, Done):
            raise WorkerDied(f"a worker process sent {told!r} instead of an answer")
        return told

    def ask(self, order: object, seconds: float | None = None) -> Done:
        """Ask for something and wait for the answer."""
        self.order(order)
        return self.answer(seconds)

    def leave(self) -> None:
        """Let it come to its end by itself; kill it if it does not."""
        with suppress(WorkerDied, WorkerFailed, EOFError, OSError):
            self.ask(Leave())
            if self._pipe.poll(deadline()):
                self._pipe.recv()  # the end of the pipe
        self.close()

    def kill(self) -> None:
        """Kill it; what it told before can still be read."""
        self._process.kill()

    def close(self) -> None:
        """Kill it, and let go of the pipe."""
        self.kill()
        self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class ForkServer:
    """A process that has imported the target, and forks workers.

    To fork takes a tenth of the time that an interpreter takes to start. Where the target's module
    has threads, or the system is not known to fork safely, each worker is started by itself.
    """

    def __init__(self, target: Target, environment: Mapping[str, str] | None = None) -> None:
        """Start the process; it is not waited for.

        Args:
            target: Whose stores the workers can open; it has a spec.
            environment: Variables of the workers that are other than those of this process.
        """
        self._target = target
        self._environment = environment
        self._forks: bool | None = None
        self._pipe, theirs = new_pipe()
        self._process = _Started(target, FORK_SERVER, self._pipe, theirs, environment)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, whatever ended it."""
        return self._process.has_ended

    def worker(self, *, counting: bool) -> Worker:
        """Start a new worker.

        Args:
            counting: Whether it counts what it passes, and can die at a site.

        Raises:
            TargetError: The target cannot be imported in another process.
        """
        if self._forks is None:
            try:
                self._forks = bool(self._ask())
            except WorkerDied as error:
                raise TargetError(f"no other process can open the target: {error}") from error
        kind = COUNTING if counting else PLAIN
        ours, theirs = new_pipe()
        if sys.platform != "win32" and self._forks:
            self._pipe.send(kind)
            send_handle(self._pipe, theirs.fileno(), None)
            theirs.close()
            return Worker(ours, _Forked(int(self._ask()), self))
        return Worker(ours, _Started(self._target, kind, ours, theirs, self._environment))

    @contextmanager
    def workers(self, count: int) -> Generator[list[Worker]]:
        """Start some workers, which are killed at the end."""
        started: list[Worker] = []
        try:
            started.extend(self.worker(counting=False) for _ in range(count))
            yield started
        finally:
            for worker in started:
                with suppress(OSError):
                    worker.close()

    def reap(self, pid: int) -> int:
        """Wait for the end of a worker; how it ended."""
        self._pipe.send(pid)
        return int(self._ask())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._pipe.close()

    def _ask(self) -> Any:
        try:
            if any(map(self._pipe.poll, parts_of(_ORDERED * deadline()))):
                return self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._process.epitaph()) from None
        raise WorkerDied(f"a worker process gave no answer within {_ORDERED * deadline():g} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _Forked:
    """A worker that a fork server forked."""

    def __init__(self, pid: int, fork_server: ForkServer) -> None:
        self._pid = pid
        self._fork_server = fork_server
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            with suppress(ProcessLookupError):
                kill_at_once(self._pid)
            self.epitaph()

    def epitaph(self) -> str:
        if self._code is None:
            self._code = self._fork_server.reap(self._pid)
        return f"a worker process ended with code {self._code}"
