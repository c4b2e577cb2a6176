"""Repeats: many calls cancelled one after another, and what they left held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any, TypeVar

from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint, Stepped
from collection_jobs.conformance.checks.cancellation.holdings import Holdings
from collection_jobs.conformance.checks.cancellation.scenarios import Scene, scene
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Recording
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import ProgramRunner, make
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Repeats"]

_LAW = "CANCEL-1"
_T = TypeVar("_T")
_AT_ONCE = 16
"""Calls that are under way together, and cancelled: each may wait for what another holds."""
_ELSEWHERE = 4
"""Each fourth of them is cancelled at any of its awaits, and the others at the same one."""


class Repeats:
    """Cancels calls like one again and again; then others must be answered, and truly.

    An adapter that loses one connection of ten with each cancelled call answers nine times more.

    Attributes:
        calls: How many calls were cancelled.
    """

    def __init__(self, times: int, most: int) -> None:
        """Prepare.

        Args:
            times: How many calls to cancel at each suspension.
            most: How many like one call, at all of its suspensions.
        """
        self.calls: int = 0
        self._times = times
        self._most = most

    def __str__(self) -> str:
        """Say what was covered."""
        return f"{self.calls} calls cancelled in a row, up to {self._times} at each of their awaits"

    async def run(
        self, repository: CollectionJobRepository, name: str, id_: str, suspensions: int
    ) -> Finding | None:
        """Cancel calls of a scene at each suspension in turn; return what is wrong after that.

        Args:
            repository: The handle.
            name: The scene.
            id_: Its job, which no other scene is about.
            suspensions: How many there are.
        """
        before = Holdings.at_first()
        burst = _Burst(repository, suspensions)
        cancelled = 0
        for number in range(0, min(self._times * (suspensions + 1), self._most), _AT_ONCE):
            cancelled += await burst.play(scene(name, f"{id_}.{number}"))
            if burst.wrong is not None:
                break
        if burst.wrong is None:
            cancelled += await burst.play_alone(scene(name, f"{id_}.alone"))
        self.calls += cancelled
        last = scene(name, id_)
        wrong = burst.wrong or await _probed(repository, last.probes)
        if wrong is None:
            wrong = await Holdings.leaked(before, cancelled)
        if wrong is None:
            return None
        message = (
            f"{cancelled} calls like {last.victim} were cancelled, the first in {burst.place};"
            f" then {wrong}"
        )
        return Finding(_LAW, message, _history(last, suspensions, cancelled, burst.place, wrong))


def _history(
    scene_: Scene, suspensions: int, cancelled: int, place: str | None, wrong: str
) -> tuple[str, ...]:
    return (
        *map(str, scene_.setup),
        f"for _ in range({cancelled}):",
        f"    victim = asyncio.create_task({str(scene_.victim).removeprefix('await ')})",
        f"    victim.cancel()  # at each of {suspensions} suspensions in turn, such as {place}",
        f"# Then {wrong}",
    )


async def _probed(repository: CollectionJobRepository, calls: Sequence[Call]) -> str | None:
    """Change a new job in every way, and look at it; return what is wrong."""
    recording = Recording()
    runner = ProgramRunner("afterwards", lambda call: make(call, repository), recording)
    for call in calls:
        asked = asyncio.ensure_future(runner.ask(call))
        if await wait_for_tasks({asked}, _limit()):
            asked.cancel()
            return f"{call} gave no answer"
        asked.result()
    found = check_among({id_ for call in calls for id_ in call.job_ids}, recording.events)
    return found[0].message if found else None


class _Burst:
    """Some victims at once, a neighbour, and a call like the victims that nobody cancels.

    Attributes:
        place: The line at which the first of them was cancelled.
        wrong: What is wrong; None: nothing so far.
    """

    def __init__(self, repository: CollectionJobRepository, suspensions: int) -> None:
        self.place: str | None = None
        self.wrong: str | None = None
        self._repository = repository
        # One more: who waits for others is suspended once more.
        self._points = [CancelPoint(at) for at in range(1, suspensions + 2)]
        self._leads = cycle((True, False))
        self._same, self._any = cycle(self._points), cycle(self._points)

    async def play(self, scene_: Scene) -> int:
        """Cancel the calls, and remove the jobs; return how many were cancelled."""
        setup = ProgramRunner("before", self._make, Recording())
        if not await setup.run(scene_.setup):
            self.wrong = "the next call gave no answer"
            return 0
        call = scene_.victim.call(setup.held)
        if call is None:
            return 0
        # First of all, so that each victim meets it where that is cancelled: some adapters keep a
        # connection only of a call that was not alone. Or last, to join what a victim has begun.
        leads = next(self._leads)
        twin = asyncio.create_task(self._make(call)) if leads else None
        same = next(self._same)
        points = (next(self._any) if not n % _ELSEWHERE else same for n in range(_AT_ONCE))
        steps = [Stepped(self._make(call), point) for point in points]
        victims = [asyncio.create_task(_awaited(one)) for one in steps]
        twin = twin or asyncio.create_task(self._make(call))
        other = Call("add_failed_symbol", (scene_.other, "S2", "beside them"))
        neighbour = asyncio.create_task(self._make(other))
        if await wait_for_tasks([*victims, neighbour, twin], _limit()):
            self.wrong = f"a call did not end within {_limit():g} s"
        else:
            self._look_at(other, neighbour, answers=True)
            self._look_at(call, twin, answers=False)
            await asyncio.gather(
                *(self._make(Call("delete", (id_,))) for id_ in sorted(scene_.ids))
            )
        stopped = [one for one in steps if one.cancelled]
        self.place = self.place or next((one.place for one in stopped), None)
        return len(stopped)

    async def play_alone(self, scene_: Scene) -> int:
        """Cancel calls one at a time, then make one that nobody cancels.

        Of a pool with one connection left, the call that nobody cancels in `play` always has that
        one; here it is cancelled, too.
        """
        setup = ProgramRunner("before", self._make, Recording())
        call = scene_.victim.call(setup.held) if await setup.run(scene_.setup) else None
        if call is None:
            return 0
        steps = [Stepped(self._make(call), point) for point in (*self._points, *self._points)]
        for work in (*steps, self._make(call)):
            task = asyncio.ensure_future(_awaited(work))
            late = await wait_for_tasks({task}, _limit())
            if late or _is_silent(task.result()):
                self.wrong = "a call like them, made alone, gave no answer"
                return sum(one.cancelled for one in steps)
        await asyncio.gather(*(self._make(Call("delete", (id_,))) for id_ in sorted(scene_.ids)))
        return sum(one.cancelled for one in steps)

    def _make(self, call: Call) -> Any:
        return make(call, self._repository)

    def _look_at(self, call: Call, task: asyncio.Task[Outcome], *, answers: bool) -> None:
        """See that a call was not cancelled with the others, and whether it has an answer."""
        error = asyncio.CancelledError() if task.cancelled() else task.result().error
        if isinstance(error, asyncio.CancelledError):
            self.wrong = f"{call} was not cancelled itself, and raised CancelledError"
        elif error is not None and (answers or isinstance(error, NoAnswer)):
            self.wrong = f"{call}, which was under way beside them, {task.result()}"


async def _awaited(work: Awaitable[_T]) -> _T | None:
    with suppress(asyncio.CancelledError):
        return await work
    return None


def _is_silent(outcome: object) -> bool:
    return isinstance(outcome, Outcome) and isinstance(outcome.error, NoAnswer)


def _limit() -> float:
    """Return the seconds within which whatever was begun has to end."""
    return deadline() + 1
