"""The process that examines: it imports the target, runs the checks, and tells what comes of it."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from collection_jobs.conformance.examining import FIRST_LOOK
from collection_jobs.conformance.isolated.messages import (
    CheckEnded,
    CheckProgress,
    DirectoryMade,
    DirectoryWanted,
    ExaminationRequest,
    NotExamined,
    Paced,
    Reproduced,
    Result,
    Verified,
)
from collection_jobs.conformance.isolated.status import StatusWriter
from collection_jobs.conformance.running.deadline import listen_to_calls
from collection_jobs.conformance.running.garbage import collect_seldom, leave_all_to_the_end
from collection_jobs.conformance.running.processes import let_workers_print
from collection_jobs.conformance.running.system import close_in_forks, descriptor_of, pipe_of
from collection_jobs.conformance.running.targets import (
    Factory,
    Target,
    TargetError,
    find_target,
    shown_target,
)
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["run_child"]

_BEAT = 0.1


class _Teller:
    """Tells the process that watches how the examination goes on."""

    def __init__(self, pipe: Connection, status: StatusWriter) -> None:
        self._pipe = pipe
        self._status = status
        self._next = 0.0
        self._lock = threading.Lock()
        close_in_forks(pipe)

    def tell(self, message: object) -> None:
        with self._lock:
            self._pipe.send(message)

    def progress(self, check: str, done: int, total: int) -> None:
        self._status.where(
            f"the check {check!r}" if check != FIRST_LOOK else "the first look at it"
        )
        now = time.monotonic()
        if now >= self._next or not done:
            self._next = now + _BEAT
            self.tell(CheckProgress(check, done, total))

    def paced(self, opening: float, call: float, seconds: float) -> None:
        self.tell(Paced(opening, call, seconds))

    def ended(self, check: str, findings: Sequence[Finding], done: int, total: int) -> None:
        self.tell(CheckEnded(check, tuple(findings), done, total))

    @contextmanager
    def directory(self, parent: Path) -> Generator[Path]:
        """Have the directory of the stores made by who watches, and removed, whatever happens."""
        with self._lock:
            self._pipe.send(DirectoryWanted(parent))
            answer: Path | str = self._pipe.recv()
        if isinstance(answer, str):
            raise TargetError(answer)
        yield answer


def run_child() -> None:
    """Do what is asked for at the pipe whose descriptor is the first argument."""
    pipe, status = pipe_of(int(sys.argv[1])), StatusWriter(descriptor_of(int(sys.argv[2])))
    threading.Thread(target=_beat, args=(status, os.getppid()), daemon=True).start()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who watches decides when this process ends
    listen_to_calls(status.calls)
    let_workers_print()
    collect_seldom()
    request: ExaminationRequest = pipe.recv()
    teller = _Teller(pipe, status)
    try:
        result = _answer(request, teller, status)
    except (TargetError, ValueError) as error:
        result = NotExamined(str(error))
    except BaseException as error:  # noqa: BLE001 - it must be told, whatever it is
        traceback.print_exc()
        result = NotExamined(f"the examination failed: {type(error).__name__}: {error}")
    leave_all_to_the_end()
    teller.tell(result)


def _beat(status: StatusWriter, parent: int) -> None:
    """Show that the interpreter runs; end the process when nobody watches it any more."""
    while os.getppid() == parent:
        status.beat()
        time.sleep(_BEAT)
    os._exit(1)


def _answer(request: ExaminationRequest, teller: _Teller, status: StatusWriter) -> Result:
    status.where(f"the import of {shown_target(request.target or 'the target')}")
    target = find_target(request.target)
    if request.discard:
        _discard(target, request.discard)
        return Reproduced()
    if target.discard is not None:
        target = replace(target, factory=_telling(target, teller))
    # Here, for it takes longer to load than the target mostly does.
    from collection_jobs.conformance.run import examine, reproduce
    from collection_jobs.conformance.selection import select_checks, without_the_rest
    from collection_jobs.conformance.static.check import signatures_of

    if request.cache is not None:
        # Of the second process, too.
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(request.cache)
    if request.token is not None:
        found = reproduce(
            target,
            request.token,
            deadline=request.deadline,
            make_directory=teller.directory,
        )
        return Reproduced(tuple(found))
    asked = select_checks(request.checks, request.laws)
    report = examine(
        target,
        request.profile,
        request.seed,
        asked,
        request.deadline,
        teller,
        make_directory=teller.directory,
    )
    report = without_the_rest(report, asked, request.laws)
    teller.progress("signatures", 0, 1)
    signatures = signatures_of(report.adapter) if report.adapter else None
    return Verified(replace(report, signatures=signatures))


def _telling(target: Target, teller: _Teller) -> Factory:
    """Return the target's factory, which tells of each directory before its store is opened."""
    known: set[Path] = set()

    def factory(directory: Path) -> AbstractAsyncContextManager[CollectionJobRepository]:
        if directory not in known:
            known.add(directory)
            teller.tell(DirectoryMade(directory))
        return target.factory(directory)

    return factory


def _discard(target: Target, directories: Sequence[Path]) -> None:
    if target.discard is None:
        return

    async def discard() -> None:
        assert target.discard is not None  # noqa: S101 - looked at above; this tells the type checker
        await target.discard(directories)

    asyncio.run(discard())


if __name__ == "__main__":
    run_child()
