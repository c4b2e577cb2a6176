"""One fault on new stores: the calls before it, while it lasts, and when it is over.

It comes while a store is open, while it is closed and while it is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from collection_jobs.conformance.checks.faults.limits import files_of
from collection_jobs.conformance.checks.faults.table import ResourceFault, locked
from collection_jobs.conformance.checks.faults.wrong_errors import wrong_answer, wrong_failure
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Close, Do, Done, Open, Work
from collection_jobs.conformance.running.processes import (
    Worker,
    WorkerDied,
    WorkerFailed,
)
from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import RepositoryError

__all__ = ["NotTriedError", "Tried", "try_fault"]

_HOLD, _SHORT_HOLD = 0.4, 0.1
"""Seconds for which another process holds its locks: less than any usual time-out."""
_CALLERS = 8
_ALL = 1_000_000
_LONG = "a page of HTML, or a stack of calls. " * 1_600
"""What does not fit where there is little room."""


class NotTriedError(Exception):
    """The fault cannot be tried on this machine, or on this target; the message says why."""


class _BrokenError(Exception):
    """Something that may not happen did; the message says what."""


@dataclass(slots=True)
class Tried:
    """What came of one fault.

    Attributes:
        events: The calls that were made.
        message: What is wrong; None: nothing.
        history: The calls that show it, where they are some.
        during: Whether it showed while the fault lasted.
        at_opening: Whether the fault began before the store was opened.
        at_closing: Whether it began before the store was closed, and nothing else was done then.
        openings: How many openings the fault made fail.
    """

    events: list[Event] = field(default_factory=list[Event])
    message: str | None = None
    history: tuple[str, ...] = ()
    during: bool = True
    at_opening: bool = False
    at_closing: bool = False
    openings: int = 0

    @property
    def errors(self) -> int:
        """How many calls and openings the fault made fail."""
        return self.openings + sum(map(_failed, self.events))


def try_fault(plan: Plan, fault: ResourceFault) -> Tried:
    """Let a fault come while a store is open, then before it is closed, opened, and made.

    Raises:
        NotTriedError: It cannot be tried here.
    """
    trial = _Trial(plan, fault)
    try:
        trial.play()
    except _BrokenError as error:
        trial.tried.message = str(error)
    return trial.tried


class _Trial:
    def __init__(self, plan: Plan, fault: ResourceFault) -> None:
        self.tried = Tried()
        self._plan = plan
        self._fault = fault
        self._capabilities = plan.capabilities
        self._worker: Worker
        self._directory = plan.new_directory()

    def play(self) -> None:
        with self._plan.fork_server().worker(counting=False) as worker:
            self._worker = worker
            self._prepare(self._directory)
            self._set_up()
            self._in_mid_call()
            if self._keeps:
                self._when_closing()
            closed = len(self.tried.events)
            self._when_opening(self._directory)
            if self._keeps:
                self._judge_what_was_kept(closed)
            if self._fault.comes_before_files:
                new = self._plan.new_directory()
                self._prepare(new)
                self._when_opening(new)

    @property
    def _keeps(self) -> bool:
        """Whether what is acknowledged has to be there when the store is opened again."""
        aside = self._directory.with_name(f"{self._directory.name}-meanwhile")
        return "durable" in self._capabilities and not aside.exists()

    def _prepare(self, directory: Path) -> None:
        if self._fault.prepare is None:
            return
        try:
            self._worker.ask(Do(partial(self._fault.prepare, directory)))
        except (WorkerFailed, WorkerDied) as error:
            raise NotTriedError(str(error).replace("Error: [Errno", "Error [errno")) from None

    def _set_up(self) -> None:
        """Open the store and save jobs; what is wrong then is not this law's business."""
        try:
            self._worker.ask(self._opening(self._directory))
            saves = _saves(self._capabilities)
            callers = (Client(f"before {at}", saves[at::_CALLERS]) for at in range(_CALLERS))
            done = self._worker.ask(Work(tuple(callers)))
            if self._fault.needs_files:
                self._worker.ask(Do(partial(_check_for_files, self._directory)))
        except WorkerFailed as error:
            raise NotTriedError("it keeps no files in its directory") from error
        except WorkerDied as error:
            raise NotTriedError(str(error)) from None
        self.tried.events += done.events

    def _in_mid_call(self) -> None:
        """Make every call while the fault lasts, one by one and at once, and when it is over."""
        one_by_one = Client("one by one", _calls(self._capabilities, "one by one"))
        at_once = [
            Client(f"at once {number}", (step,))
            for number, step in enumerate(_calls(self._capabilities, "at once"))
        ]
        if self._fault.begin is not None:
            self._begin(self._directory)
            self._work([one_by_one])
            self._work(at_once)
            self._end(self._directory)
        else:
            self._while_locked(Work(tuple(at_once)), self._directory)
        self.tried.during = False
        again = Client("afterwards", _probes(self._capabilities, "afterwards"))
        self._work([again])
        if not self._keeps:
            self._judge(self.tried.events)
        self._close()

    def _when_closing(self) -> None:
        """Close the store while the fault lasts: what was acknowledged is there when it is over."""
        self._must(self._opening(self._directory), "opening the store again")
        self._work([Client("before the close", _probes(self._capabilities, "before the close"))])
        self.tried.during = self.tried.at_closing = True
        if self._fault.begin is None:
            with suppress(WorkerFailed):
                self._while_locked(Close(), self._directory)
        else:
            self._begin(self._directory)
            self._close()
            self._end(self._directory)
        self.tried.during = False
        self._must(self._opening(self._directory), "opening the store that was closed meanwhile")
        self._work([Client("after the close", _probes(self._capabilities, "after the close"))])
        self._close()
        self.tried.at_closing = False

    def _when_opening(self, directory: Path) -> None:
        """Open the store while the fault lasts; when it is over it must open, and work."""
        self.tried.during = self.tried.at_opening = True
        opened = False
        if self._fault.begin is None:
            opened = self._opened_while_locked(directory)
        else:
            self._begin(directory)
            with suppress(WorkerFailed):
                self._follow("opening the store", self._opening(directory))
                opened = True
            if opened:
                self._work([Client("opened", _calls(self._capabilities, "opened"))])
            self._end(directory)
        self.tried.openings += not opened
        self.tried.during = False
        self._close()
        self._must(self._opening(directory), "opening the store again")
        reads = Client("again", _probes(self._capabilities, f"again {directory.name}"))
        for event in self._work([reads]):
            if _failed(event):
                raise _BrokenError(f"the store was opened again, and {event.call} {event.outcome}")
        self._must(Close(), "closing the store")

    def _opened_while_locked(self, directory: Path) -> bool:
        try:
            self._while_locked(self._opening(directory), directory)
        except WorkerFailed:
            return False
        return True

    def _while_locked(self, order: object, directory: Path) -> None:
        """Give an order, hold every lock for a while, and wait for the answer."""
        with locked(directory):
            self._worker.order(order)
            time.sleep(
                _HOLD if self._plan.profile.on_disk else _SHORT_HOLD
            )  # it is the time that the lock is held, and nobody tells when it ends
        self._take(self._answered("a call", self._worker.answer))

    def _opening(self, directory: Path) -> Open:
        return Open(directory, 1, deadline())

    def _begin(self, directory: Path) -> None:
        if self._fault.begin is not None:
            self._worker.ask(Do(partial(self._fault.begin, directory)))

    def _end(self, directory: Path) -> None:
        self._worker.ask(Do(partial(self._fault.end, directory)))

    def _work(self, clients: Sequence[Client]) -> Sequence[Event]:
        """Let clients work; each call ends with an error of the contract's, or with an answer."""
        return self._take(self._follow("a call", Work(tuple(clients))))

    def _take(self, done: Done) -> Sequence[Event]:
        self.tried.events += done.events
        for event in done.events:
            wrong = wrong_answer(event)
            if wrong is not None:
                raise _BrokenError(wrong)
        return done.events

    def _close(self) -> None:
        with suppress(WorkerFailed):
            self._follow("closing the store", Close())

    def _must(self, order: object, what: str) -> None:
        try:
            self._follow(what, order)
        except WorkerFailed as error:
            raise _BrokenError(f"{what} raised {error}") from None

    def _follow(self, what: str, order: object) -> Done:
        return self._answered(what, lambda: self._worker.ask(order))

    def _answered(self, what: str, answer: Callable[[], Done]) -> Done:
        try:
            return answer()
        except WorkerDied as error:
            raise _BrokenError(f"{what} ended the process: {error}") from None
        except WorkerFailed as error:
            wrong = wrong_failure(what, error)
            if wrong is not None:
                raise _BrokenError(wrong) from None
            raise

    def _judge_what_was_kept(self, closed: int) -> None:
        """Judge all calls at once, for that takes long; look only then whether the close lost it.

        Args:
            closed: How many calls there were when the fault at the close was over.
        """
        try:
            self._judge(self.tried.events)
        except _BrokenError:
            self.tried.at_closing, self.tried.at_opening = True, False
            self._judge(self.tried.events[:closed])
            self.tried.at_closing, self.tried.at_opening = False, True
            raise

    def _judge(self, events: Sequence[Event]) -> None:
        """Hold what was acknowledged against what is there; what failed happened, or did not."""
        ids = {id_ for event in events for id_ in event.call.job_ids}
        told = [_unknown(event) if _failed(event) else event for event in events]
        found = check_among(ids, told)
        if found:
            self.tried.during = False
            self.tried.history = found[0].history
            raise _BrokenError(found[0].message)


def _check_for_files(directory: Path) -> None:
    if not any(files_of(directory)):
        raise FileNotFoundError("the store keeps no files in its directory")


def _failed(event: Event) -> bool:
    return event.outcome is not None and isinstance(event.outcome.error, RepositoryError)


def _unknown(event: Event) -> Event:
    return Event(event.client, event.call, event.began)


_PHASES = ("one by one", "at once", "opened")


def _saves(capabilities: frozenset[str]) -> Program:
    jobs = (id_ for phase in _PHASES for id_ in _ids(phase, capabilities))
    return tuple(Step("save", (example_job(id_),)) for id_ in jobs)


def _ids(phase: str, capabilities: frozenset[str]) -> Iterable[str]:
    return (f"{phase} {one.name}" for one in operations(capabilities))


def _calls(capabilities: frozenset[str], phase: str) -> Program:
    """Return a call of each method on a job of its own, and others that need much room."""
    steps = [
        one.step(id_, limit=_ALL)
        for one, id_ in zip(operations(capabilities), _ids(phase, capabilities), strict=True)
    ]
    large = example_job(f"{phase} large", failed_symbols={"BTC": _LONG, "ETH": _LONG})
    small = (example_job(f"{phase} small {number}") for number in range(3))
    return (
        *steps,
        *(Step("save", (job,)) for job in small),
        Step("save", (large,)),
        Step("add_failed_symbol", (f"{phase} save", "ETH", _LONG)),
        Step("save", (example_job(f"{phase} last"),)),
    )


def _probes(capabilities: frozenset[str], phase: str) -> Program:
    """Return reads of all that was called about, and changes of a new job."""
    before = [id_ for one in _PHASES for id_ in _ids(one, capabilities)]
    before += [f"{one} {name}" for one in _PHASES for name in ("large", "small 0", "small 1")]
    reads = (Step("get_by_id", (id_,)) for id_ in before)
    new = example_job(phase)
    changing = (
        one.step(phase, job=new, jobs=(new,), limit=_ALL) for one in operations(capabilities)
    )
    return (
        *reads,
        Step("save", (new,)),
        *changing,
        Step("save", (new,)),
        Step("get_by_id", (phase,)),
    )
