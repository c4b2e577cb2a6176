"""CANCEL-1: calls that are cancelled, and what is left of them when the store is opened again.

A call that had no effect when its caller heard of the cancellation may still stand in a log, or
among what is written when the store is closed. Nothing shows of that before it is opened again, and
a later change of the same job hides it, so nothing changes these jobs in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint, Stepped
from collection_jobs.conformance.checks.cancellation.scenarios import Scene, scene
from collection_jobs.conformance.history.history import Recording
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import ProgramRunner, make
from collection_jobs.conformance.spec.calls import Outcome
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["BeforeClose"]

_LAW = "CANCEL-1"


@dataclass(frozen=True, slots=True)
class _Cancelled:
    """One call that was cancelled, or made without that.

    Attributes:
        scene: Which call.
        point: When it was cancelled.
        place: Where it was suspended then; None: it was not cancelled.
        seen: What the jobs were found to be when the caller had heard of it.
    """

    scene: Scene
    point: CancelPoint
    place: str | None
    seen: Sequence[Outcome]

    def now_seen(self, seen: Sequence[Outcome]) -> Finding | None:
        """Return what is wrong, given what the jobs are found to be in the store opened again."""
        looks = self.scene.looks
        for look, before, after in zip(looks, self.seen, seen, strict=True):
            if before.error is None and after.error is None and before.value != after.value:
                victim = self.scene.victim
                message = (
                    f"{victim} was cancelled {self.point}; then {look} {before}, and {after} when"
                    " the store had been closed and opened again"
                )
                history = (
                    *map(str, self.scene.setup),
                    f"victim = asyncio.create_task({str(victim).removeprefix('await ')})",
                    f"victim.cancel()  # {self.point}, in {self.place}",
                    f"await {look}  # {before}",
                    "# The store is closed, and opened again:",
                    f"await {look}  # {after}",
                )
                return Finding(_LAW, message, history)
        return None


class BeforeClose:
    """Calls that are cancelled on one store before it is closed.

    Attributes:
        calls: How many were cancelled.
    """

    def __init__(self) -> None:
        """Cancel nothing yet."""
        self.calls: int = 0
        self._made: list[_Cancelled] = []

    async def cancel(
        self, repository: CollectionJobRepository, name: str, id_: str, suspensions: int
    ) -> None:
        """Make the call of a scene, and cancel it at each of its suspensions, on a job for each."""
        for at in range(suspensions + 1):
            await self._make(repository, scene(name, f"{id_}.{at}"), CancelPoint(at))

    async def _make(
        self, repository: CollectionJobRepository, scene_: Scene, point: CancelPoint
    ) -> None:
        setup = ProgramRunner("before", lambda call: make(call, repository), Recording())
        if not await setup.run(scene_.setup):
            return
        call = scene_.victim.call(setup.held)
        if call is None:
            return
        stepped = Stepped(make(call, repository), point)
        victim = asyncio.ensure_future(stepped)
        if await wait_for_tasks({victim}, deadline() + 1):
            return
        with suppress(asyncio.CancelledError):
            victim.result()
        place = stepped.place if stepped.cancelled else None
        self._made.append(_Cancelled(scene_, point, place, await _looks(repository, scene_)))
        self.calls += place is not None

    async def compare(self, repository: CollectionJobRepository) -> Finding | None:
        """Look at the jobs in the store that was opened again; return the first that is another.

        A call that shows something else then without any cancellation breaks another law.
        """
        found = list[tuple[_Cancelled, Finding]]()
        for one in self._made:
            finding = one.now_seen(await _looks(repository, one.scene))
            if finding is not None:
                found.append((one, finding))
        wrong_anyway = {one.scene.name for one, _ in found if one.place is None}
        return next((it for one, it in found if one.scene.name not in wrong_anyway), None)


async def _looks(repository: CollectionJobRepository, scene_: Scene) -> list[Outcome]:
    return [await make(look, repository) for look in scene_.looks]
