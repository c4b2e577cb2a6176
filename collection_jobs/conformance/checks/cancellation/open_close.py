"""Doors: the opening and the closing of a store, cancelled at each of their suspensions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from collection_jobs.conformance.checks.cancellation.cancel_points import Cut, Stepped
from collection_jobs.conformance.checks.contention.topologies import Opening
from collection_jobs.conformance.report.findings import Finding
from collection_jobs.conformance.running.open_store import Pulse, patiently
from collection_jobs.conformance.spec.calls import PATIENCE, Call, NoAnswer, example_job, make

__all__ = ["Doors", "cancel_doors"]

LAW = "CANCEL-1"

_MOST_SUSPENSIONS = 60
_GRACE = 1.0
"""Seconds for what a cancelled opening or closing left to others to be let go."""
_TRIES = 50
_JOB = example_job("a")


class Doors:
    """What came of it.

    Attributes:
        finding: The breach, if there is one.
        times: How often an opening or a closing was cancelled.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self.finding: Finding | None = None
        self.times: int = 0


def cancel_doors(
    opening: Opening, new_directory: Callable[[], Path], pulse: Pulse, found: Doors
) -> None:
    """Cancel the opening of new stores, then the closing, at each suspension in turn.

    Afterwards the same store must open, take a job and close: then nothing is held.

    Args:
        opening: Opens the store in a directory.
        new_directory: Gives a new one.
        pulse: Beats while the event loop runs.
        found: Told what comes of it.
    """
    for door in (_Door(opening, closes=False), _Door(opening, closes=True)):
        plain = asyncio.run(_with_pulse(pulse, door.cancelled(new_directory(), Cut())))
        suspensions = 0 if plain is None else plain.suspensions
        for at in range(1, min(suspensions, _MOST_SUSPENSIONS) + 1):
            for cut in (Cut(at), Cut(at, twice=True)):
                directory = new_directory()
                stepped, complaint = asyncio.run(_with_pulse(pulse, door.tried(directory, cut)))
                if stepped is None or stepped.place is None or not stepped.cancelled:
                    continue
                found.times += 1
                if complaint is not None:
                    found.finding = door.finding(cut, stepped.place, complaint)
                    return


async def _with_pulse(pulse: Pulse, work: Coroutine[Any, Any, Any]) -> Any:
    pulse.beat(asyncio.get_running_loop())
    return await work


class _Door:
    """One of the two."""

    def __init__(self, opening: Opening, *, closes: bool) -> None:
        self._opening = opening
        self._closes = closes

    async def tried(self, directory: Path, cut: Cut) -> tuple[Stepped | None, str | None]:
        """Cancel it; then what is wrong with the store, or None."""
        stepped = await self.cancelled(directory, cut)
        if stepped is None or stepped.place is None:
            return stepped, None
        until = time.monotonic() + _GRACE
        for _ in range(_TRIES):
            complaint = await self._complaint(directory)
            if complaint is None or time.monotonic() > until:
                return stepped, complaint
            await asyncio.sleep(_GRACE / _TRIES)
        return stepped, await self._complaint(directory)

    async def cancelled(self, directory: Path, cut: Cut) -> Stepped | None:
        """Open and close the store, one of them cancelled: how far it came, if it began."""
        begun: list[Stepped] = []
        task = asyncio.create_task(self._pass(directory, cut, begun))
        await asyncio.wait({task}, timeout=2 * PATIENCE)
        if not task.done():
            task.cancel()
        with suppress(Exception, asyncio.CancelledError):  # what is wrong then shows afterwards
            await task
        return begun[0] if begun else None

    async def _pass(self, directory: Path, cut: Cut, begun: list[Stepped]) -> None:
        context = self._opening(directory)
        enter = Stepped(_awaited(context.__aenter__), Cut() if self._closes else cut)
        if not self._closes:
            begun.append(enter)
        repository = await enter
        if not self._closes and enter.cancelled:
            # It was opened all the same: then it can be closed.
            await context.__aexit__(None, None, None)
            return
        await make(Call("save", (_JOB,)), repository)
        leave = Stepped(
            _awaited(lambda: context.__aexit__(None, None, None)), cut if self._closes else Cut()
        )
        if self._closes:
            begun.append(leave)
        await leave

    async def _complaint(self, directory: Path) -> str | None:
        """What is wrong with the store when it is opened again, or None."""
        try:
            async with patiently(self._opening(directory)) as repository:
                for call in (Call("save", (_JOB,)), Call("get_by_id", ("a",))):
                    outcome = await make(call, repository)
                    if outcome.error is not None:
                        return f"{call} {outcome}"
        except NoAnswer as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it does not open
            return f"it could not be opened: {type(error).__name__}: {error}"
        return None

    def finding(self, cut: Cut, place: str, complaint: str) -> Finding:
        """The breach."""
        what = "closing" if self._closes else "opening"
        method = "__aexit__(None, None, None)" if self._closes else "__aenter__()"
        history = (
            *(["repository = await opening.__aenter__()"] if self._closes else []),
            f"victim = asyncio.create_task(opening.{method})",
            f"victim.cancel()  # {cut}, in {place}",
            "# Then, for a second, again and again, on the same directory:",
            "async with opening as repository:",
            "    await repository.save(example_job('a'))",
        )
        return Finding(LAW, f"{what} the store was cancelled {cut}; then {complaint}", history)


async def _awaited(work: Callable[[], Any]) -> Any:
    return await work()
