"""The program of the second process: it makes the checks that are wanted, and tells of each."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from multiprocessing.connection import Connection

from collection_jobs.conformance.beside.messages import (
    Beat,
    CheckMade,
    ChecksWanted,
    GaveUp,
    take,
)
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.deadline import with_deadline
from collection_jobs.conformance.running.deciding import told_if_undecided
from collection_jobs.conformance.running.early_endings import Escaped, Overdue
from collection_jobs.conformance.running.garbage import collect_seldom
from collection_jobs.conformance.running.messages import Done
from collection_jobs.conformance.running.processes import let_workers_print
from collection_jobs.conformance.running.stores import Stores
from collection_jobs.conformance.running.system import close_in_forks, pipe_of
from collection_jobs.conformance.running.targets import Target, find_target
from collection_jobs.conformance.running.watchdog import until_overdue

__all__ = ["run_second"]

_BEAT = 0.5


class _Teller:
    """Tells how far the check under way is, and that the interpreter runs."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._beat = Beat(0, 1)
        threading.Thread(target=self._go_on_beating, daemon=True).start()
        threading.Thread(target=self._end_with_who_asked, daemon=True).start()
        close_in_forks(pipe)

    def tell(self, message: object) -> None:
        with self._lock:
            self._pipe.send(message)

    def progress(self, done: int, total: int) -> None:
        self._beat = Beat(done, total)

    def _go_on_beating(self) -> None:
        while True:
            self.tell(self._beat)
            time.sleep(_BEAT)

    def _end_with_who_asked(self) -> None:
        try:
            self._pipe.recv()
        except (EOFError, OSError):
            os._exit(0)


def run_second() -> None:
    """Do what is asked for at the pipe whose descriptor is the first argument."""
    pipe = pipe_of(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides when this process ends
    collect_seldom()
    spec, seconds = pipe.recv()
    with with_deadline(seconds):
        target = find_target(spec)
        pipe.send(Done())
        wanted: ChecksWanted = pipe.recv()
        if wanted.printing:
            let_workers_print()
        _make(target, wanted, _Teller(pipe))


def _make(target: Target, wanted: ChecksWanted, teller: _Teller) -> None:
    stores = Stores(target, wanted.directory, lambda: False, in_memory=wanted.in_memory)
    checks = {check.name: check for check in CHECKS}
    for name in wanted.checks:
        if not take(wanted.directory, name):
            continue
        teller.progress(0, 1)
        plan = stores.plan(wanted.probed, wanted.profile, wanted.seed, teller.progress)
        try:
            run = partial(until_overdue, partial(checks[name].run, plan))
            examination = told_if_undecided(checks[name].laws, run)
        except (Overdue, Escaped):
            teller.tell(GaveUp())
            return
        teller.tell(CheckMade(name, examination))


if __name__ == "__main__":
    run_second()
