"""The opening and the closing of a store, cancelled at each of their suspensions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint, Stepped
from collection_jobs.conformance.checks.cancellation.holdings import Holdings
from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.open_store import Pulse, open_with_timeout
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.running.topologies import Opening
from collection_jobs.conformance.spec.calls import Call, NoAnswer, example_job
from collection_jobs.conformance.spec.findings import Finding, Violation

__all__ = ["OpenClose"]

_LAW = "CANCEL-1"

_MOST_SUSPENSIONS = 60
_GRACE = 1.0
"""Seconds for what a cancelled opening or closing left to others to be let go."""
_TRIES = 50
_FEW, _MANY = 36, 128
"""How often an opening, and a closing, is cancelled on one store."""
_JOB = example_job("a")


class OpenClose:
    """Cancels the opening of new stores, then the closing, at each suspension in turn.

    Afterwards the same store must open, take a job and close: then nothing is held.

    Attributes:
        finding: The broken law, if there is one.
        times: How often an opening or a closing was cancelled.
    """

    def __init__(self, plan: Plan) -> None:
        """Prepare; nothing is opened yet."""
        self.finding: Finding | None = None
        self.times: int = 0
        self._plan = plan

    def cancel(self, pulse: Pulse) -> None:
        """Cancel them, until a law breaks; the pulse beats while the event loop runs."""
        for phase in (
            _Phase(self._plan.opening, closes=False),
            _Phase(self._plan.opening, closes=True),
        ):
            plain = asyncio.run(
                _with_pulse(pulse, phase.cancelled(self._plan.new_directory(), CancelPoint()))
            )
            suspensions = 0 if plain is None else plain.suspensions
            for at in range(1, min(suspensions, _MOST_SUSPENSIONS) + 1):
                for point in (CancelPoint(at), CancelPoint(at, twice=True)):
                    self.finding = self._tried(phase, point, pulse)
                    if self.finding is not None:
                        return
            if suspensions:
                self.finding = self._repeated(phase, min(suspensions, _MOST_SUSPENSIONS), pulse)
                if self.finding is not None:
                    return

    def _tried(self, phase: _Phase, point: CancelPoint, pulse: Pulse) -> Finding | None:
        work = phase.tried(self._plan.new_directory(), point)
        stepped, violation = asyncio.run(_with_pulse(pulse, work))
        if stepped is None or stepped.place is None or not stepped.cancelled:
            return None
        self.times += 1
        return None if violation is None else phase.finding(point, stepped.place, violation)

    def _repeated(self, phase: _Phase, suspensions: int, pulse: Pulse) -> Finding | None:
        """Cancel it on one store again and again, at each suspension in turn."""
        times = _MANY if self._plan.profile.cancellations else _FEW
        work = phase.repeated(self._plan.new_directory(), suspensions, times)
        cancelled, violation = asyncio.run(_with_pulse(pulse, work))
        self.times += cancelled
        if violation is None:
            return None
        what = "closing" if phase.closes else "opening"
        message = f"{what} the store was cancelled {cancelled} times; then {violation.message}"
        method = "__aexit__(None, None, None)" if phase.closes else "__aenter__()"
        history = (
            f"for _ in range({cancelled}):",
            *(["    repository = await opening.__aenter__()"] if phase.closes else []),
            f"    victim = asyncio.create_task(opening.{method})",
            f"    victim.cancel()  # at each of its {suspensions} suspensions in turn",
            f"# Then {violation.message}",
        )
        return Finding(_LAW, message, history)


async def _with_pulse(pulse: Pulse, work: Coroutine[Any, Any, Any]) -> Any:
    pulse.beat(asyncio.get_running_loop())
    return await work


class _Phase:
    """The opening or the closing."""

    def __init__(self, opening: Opening, *, closes: bool) -> None:
        self._opening = opening
        self._closes = closes
        self._in_use: list[object] = []
        """What callers still refer to: a repository must not wait to be collected as garbage."""

    @property
    def closes(self) -> bool:
        """Whether it is the closing."""
        return self._closes

    async def repeated(
        self, directory: Path, suspensions: int, times: int
    ) -> tuple[int, Violation | None]:
        """Cancel it so many times; return how often it was, and what is wrong after that."""
        await self.cancelled(directory, CancelPoint())
        before = Holdings.at_first()
        cancelled = 0
        for number in range(times):
            stepped = await self.cancelled(directory, CancelPoint(number % suspensions + 1))
            cancelled += stepped is not None and stepped.cancelled
        held = await Holdings.leaked(before, cancelled)
        self._in_use.clear()
        violation = None if held is None else Violation(_LAW, held)
        return cancelled, violation or await self._violation_after_a_while(directory)

    async def tried(
        self, directory: Path, point: CancelPoint
    ) -> tuple[Stepped | None, Violation | None]:
        """Cancel it; then what is wrong with the store, or None."""
        stepped = await self.cancelled(directory, point)
        if stepped is None or stepped.place is None:
            return stepped, None
        return stepped, await self._violation_after_a_while(directory)

    async def _violation_after_a_while(self, directory: Path) -> Violation | None:
        until = time.monotonic() + _GRACE
        for _ in range(_TRIES):
            violation = await self._violation(directory)
            if violation is None or time.monotonic() > until:
                return violation
            await asyncio.sleep(_GRACE / _TRIES)
        return await self._violation(directory)

    async def cancelled(self, directory: Path, point: CancelPoint) -> Stepped | None:
        """Open and close the store, one of them cancelled: how far it came, if it began."""
        begun: list[Stepped] = []
        task = asyncio.create_task(self._pass(directory, point, begun))
        await wait_for_tasks({task}, 2 * deadline())
        if not task.done():
            task.cancel()
        with suppress(Exception, asyncio.CancelledError):  # what is wrong then shows afterwards
            await task
        return begun[0] if begun else None

    async def _pass(self, directory: Path, point: CancelPoint, begun: list[Stepped]) -> None:
        context = self._opening(directory)
        enter = Stepped(_awaited(context.__aenter__), CancelPoint() if self._closes else point)
        if not self._closes:
            begun.append(enter)
        repository = await enter
        if not self._closes and enter.cancelled:
            # It was opened all the same: then it can be closed.
            await context.__aexit__(None, None, None)
            return
        await make(Call("save", (_JOB,)), repository)
        self._in_use += (context, repository)
        leave = Stepped(
            _awaited(lambda: context.__aexit__(None, None, None)),
            point if self._closes else CancelPoint(),
        )
        if self._closes:
            begun.append(leave)
        await leave

    async def _violation(self, directory: Path) -> Violation | None:
        """Return what is wrong with the store when it is opened again, or None."""
        try:
            async with open_with_timeout(self._opening(directory)) as repository:
                for call in (Call("save", (_JOB,)), Call("get_by_id", ("a",))):
                    outcome = await make(call, repository)
                    if outcome.error is not None:
                        return Violation(_LAW, f"{call} {outcome}")
        except NoAnswer as error:
            return Violation(_LAW, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it raises, it does not open
            return Violation(_LAW, f"it could not be opened: {type(error).__name__}: {error}")
        return None

    def finding(self, point: CancelPoint, place: str, violation: Violation) -> Finding:
        """Return the finding, with the calls that show it."""
        what = "closing" if self._closes else "opening"
        method = "__aexit__(None, None, None)" if self._closes else "__aenter__()"
        history = (
            *(["repository = await opening.__aenter__()"] if self._closes else []),
            f"victim = asyncio.create_task(opening.{method})",
            f"victim.cancel()  # {point}, in {place}",
            "# Then, for a second, again and again, on the same directory:",
            "async with opening as repository:",
            "    await repository.save(example_job('a'))",
        )
        return Finding(
            _LAW, f"{what} the store was cancelled {point}; then {violation.message}", history
        )


async def _awaited(work: Callable[[], Any]) -> Any:
    return await work()
