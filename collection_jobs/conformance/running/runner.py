"""The runner of programs: steps made one after another, with the jobs and leases held."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from collection_jobs.conformance.running.deadline import begin_call, deadline, end_call
from collection_jobs.conformance.running.early_endings import Abandoned, Overdue
from collection_jobs.conformance.running.patience import Timeout
from collection_jobs.conformance.running.places import where_raised
from collection_jobs.conformance.spec.calls import (
    WAIT,
    Call,
    Kept,
    NoAnswer,
    Once,
    Outcome,
    Step,
    error_text,
)
from collection_jobs.conformance.spec.signatures import as_given
from collection_jobs.conformance.spec.well_formed import usable
from collection_jobs.errors import CollectionJobError, RepositoryClosedError, RepositoryError
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.protocol import CollectionJobRepository

__all__ = [
    "Answer",
    "ProgramRunner",
    "Recorder",
    "answered",
    "hidden_cause",
    "invoke",
    "keep",
    "make",
    "observe",
]

Answer = Callable[[Call], Awaitable[Outcome] | None]
"""What makes a call; None: the call is passed over."""


class Recorder(Protocol):
    """Is told of every call as it is made."""

    def begin(self, client: str, call: Call) -> int:
        """Note that a call is about to be made; return its number."""
        ...

    def end(self, number: int, outcome: Outcome) -> None:
        """Note that the call of that number came back."""
        ...


class ProgramRunner:
    """One caller: makes the steps of programs, and holds the jobs and leases that they keep.

    Attributes:
        held: What is held, by the names under which steps keep it.
    """

    def __init__(
        self,
        client: str,
        answer: Answer,
        recorder: Recorder,
        held: Mapping[str, Kept] | None = None,
    ) -> None:
        """Prepare a caller.

        Args:
            client: How histories call it.
            answer: What makes its calls.
            recorder: Told of every call.
            held: What it holds when it starts.
        """
        self.held: dict[str, Kept] = dict(held or {})
        self._client = client
        self._answer = answer
        self._recorder = recorder

    async def run(self, program: Iterable[Step]) -> bool:
        """Make steps one after another, until one gives no answer; return whether all gave one."""
        for step in program:
            outcome = await self.step(step)
            if outcome is not None and isinstance(outcome.error, NoAnswer):
                return False
        return True

    async def step(self, step: Step) -> Outcome | None:
        """Make one step, and keep the job that it returned; None where it was passed over.

        A step is passed over that needs a held job which is not there, or whose call nothing makes.
        """
        if step.method == WAIT:
            await asyncio.sleep(step.arguments[0].total_seconds())
            return None
        call = step.call(self.held)
        outcome = None if call is None else await self.ask(call)
        if outcome is not None:
            keep(self.held, step, outcome)
        return outcome

    async def ask(self, call: Call) -> Outcome | None:
        """Make one call, and have it recorded; None where it was passed over.

        A call that is cancelled is recorded as one that never returned.
        """
        answer = self._answer(call)
        if answer is None:
            return None
        number = self._recorder.begin(self._client, call)
        outcome = await answer
        self._recorder.end(number, outcome)
        return outcome


def keep(held: dict[str, Kept], step: Step, outcome: Outcome) -> bool:
    """Hold the job or lease that a step returned, if it is to be kept; return whether it was."""
    if step.keep is None or not isinstance(outcome.value, CollectionJob | Lease):
        return False
    held[step.keep] = outcome.value
    return True


async def make(call: Call, repository: CollectionJobRepository) -> Outcome:
    """Make a call and record what came of it, within the deadline and whatever is raised."""
    return await observe(invoke(call, repository), deadline())


async def answered(
    call: Call, repository: CollectionJobRepository, program: Sequence[Step] = ()
) -> Outcome:
    """Make a call for a caller who can do nothing more without its answer.

    Args:
        call: The call.
        repository: What it is made on.
        program: The steps that were made, this call included.

    Raises:
        Overdue: It gave none before the deadline.
    """
    outcome = await make(call, repository)
    if isinstance(outcome.error, NoAnswer):
        raise Overdue(call, outcome.error.place, program=program)
    return outcome


async def invoke(call: Call, repository: CollectionJobRepository) -> object:
    """Make a call and return what it returns; whatever is raised is the adapter's."""
    given, by_name = as_given(call.method, call.arguments)
    given = tuple(iter(value) if isinstance(value, Once) else value for value in given)
    number = begin_call(call)
    try:
        called: Awaitable[Any] = getattr(repository, call.method)(*given, **by_name)
        return await called
    finally:
        end_call(number)


async def observe(work: Awaitable[object], seconds: float | None = None) -> Outcome:
    """Await something that an adapter does, and record what came of it.

    Args:
        work: What is awaited.
        seconds: After how many seconds it is taken to hang; None: it is waited for.

    Raises:
        CancelledError: The caller was cancelled. One that an adapter raises by itself is an
            outcome like any other, and so are SystemExit and KeyboardInterrupt, unless it was the
            user who interrupted.
    """
    began = datetime.now(UTC)
    value: object = None
    error: BaseException | None = None
    timer = None if seconds is None else Timeout(seconds)
    try:
        value = usable(await work)
    except asyncio.CancelledError as raised:
        error = raised
        if timer is None or not timer.ended_it():
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
    except (Abandoned, GeneratorExit):
        raise
    except BaseException as raised:
        if isinstance(raised, KeyboardInterrupt) and _may_be_the_users():
            raise
        error = raised
    finally:
        if timer is not None:
            timer.stop()
    if error is not None and timer is not None and timer.is_over:
        place = where_raised(error)
        error = NoAnswer(f"no answer within {seconds:g} s")
        error.place = place
    return Outcome(began, datetime.now(UTC), value, error, hidden_cause(error))


def _may_be_the_users() -> bool:
    """Whether a KeyboardInterrupt may come of a signal: Python raises it on the main thread."""
    on_main = threading.current_thread() is threading.main_thread()
    return on_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def hidden_cause(error: BaseException | None) -> str | None:
    """Return the engine's error that a RepositoryError hides (ERROR-1), as text; None for none.

    Python remembers which error was being handled when another was raised, also behind
    ``from None``. Where a RepositoryError was raised like that and the other is not its cause, a
    caller who reads ``__cause__`` finds nothing. One that was raised while nothing was handled says
    nothing: an adapter may have found by itself that a store is damaged, and then there is no
    driver's error.
    """
    if not isinstance(error, RepositoryError) or isinstance(error, RepositoryClosedError):
        return None
    handled = error.__context__
    if error.__cause__ is not None or handled is None:
        return None
    while isinstance(handled, RepositoryError) and handled.__cause__ is not None:
        handled = handled.__cause__  # of an error of the contract's that was replaced by another
    if isinstance(handled, CollectionJobError | asyncio.CancelledError):
        return None
    return error_text(handled)
