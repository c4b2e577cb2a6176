"""Trials: one call cancelled in one scene, and all that was seen then and afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint, Stepped
from collection_jobs.conformance.checks.cancellation.scenarios import Scene
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, Recording
from collection_jobs.conformance.running.clients import Client, run_clients
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import ProgramRunner, make
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome, Step
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Running", "Trial"]

_LAW = "CANCEL-1"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one trial.

    Attributes:
        scene: What was tried.
        point: When the call was cancelled.
        events: Every call that was made.
        place: Where the call was suspended when it was cancelled; None where it was done before.
        suspensions: How often it was suspended.
        seconds: How long it took.
        finding: What is wrong, and the calls that show it.
    """

    scene: Scene
    point: CancelPoint
    events: Sequence[Event]
    place: str | None
    suspensions: int
    seconds: float
    finding: Finding | None

    @property
    def history(self) -> tuple[str, ...]:
        """The trial as a person may read it."""
        scene = self.scene
        lines = [*map(str, self.scene.setup)]
        if scene.before or scene.behind:
            lines.append("# Started one right after the other, none awaited yet:")
        lines += [f"asyncio.create_task({call})" for call in scene.before]
        lines.append(f"victim = asyncio.create_task({str(scene.victim).removeprefix('await ')})")
        lines += [f"asyncio.create_task({call})" for call in scene.behind]
        lines.append(f"victim.cancel()  # {self.point}, in {self.place}")
        told = () if self.finding is None else self.finding.history
        return (*lines, "# What each call saw, and when:", *told)


class Running:
    """One trial while it runs.

    Attributes:
        scene: What is tried.
    """

    def __init__(
        self,
        scene: Scene,
        point: CancelPoint,
        handles: Sequence[CollectionJobRepository],
        grace: float,
    ) -> None:
        """Prepare a trial.

        Args:
            scene: What is tried.
            point: When its call is cancelled.
            handles: The repository, and others that are open on the same store.
            grace: For how many seconds what the cancelled call began may go on, before the store
                is looked at from elsewhere.
        """
        self.scene = scene
        self._point = point
        self._repository, *self._others = handles
        self._grace = grace
        self._recording = Recording()
        self._stepped: Stepped | None = None
        self._seconds = 0.0
        self._violation: Violation | None = None

    async def play(self) -> None:
        """Set the scene, cancel the call, and ask the repository for more."""
        scene = self.scene
        # Not recorded, for nobody looks at these jobs.
        filling = ProgramRunner("before", lambda call: make(call, self._repository), Recording())
        await filling.run(scene.filling)
        setup = self._runner("before", self._repository)
        await setup.run(scene.setup)
        call = scene.victim.call(setup.held)
        if call is None:
            self._violation = Violation(_LAW, "the set-up failed")
            return
        tasks = [asyncio.create_task(self._neighbour(one)) for one in scene.before]
        victim = asyncio.create_task(self._victim(call))
        tasks += [asyncio.create_task(self._neighbour(one)) for one in scene.behind]
        await self._see_it_end(victim)
        compares = scene.writes and (bool(self._others) or not self._point.twice)
        at_once = await self._seen() if compares and scene.is_left_alone else None
        if tasks:
            await asyncio.wait(tasks)
        if compares:
            await self._compare(call, await self._seen() if at_once is None else at_once)
        for other in self._others:
            if tasks:
                await asyncio.sleep(self._grace)
            await self.ask("elsewhere", scene.elsewhere, other)
        # The same call comes last, since it may mend what the cancelled one has left.
        again = (*scene.follow_ups, call, Call("get_by_id", (scene.id,)))
        await self.ask("afterwards", again, self._repository)

    async def _seen(self) -> list[Outcome]:
        """Return what others see of the jobs that the victim may change.

        Who hears of a cancellation may tell others to look, so another handle is asked if there is
        one. What the repository itself shows is judged like the calls that follow, for it may be
        the first one that fails.
        """
        looks = self.scene.looks
        if not self._others:
            return await self.ask("afterwards", looks, self._repository)
        return [await make(look, other) for other in self._others for look in looks]

    async def _compare(self, call: Call, seen: Sequence[Outcome]) -> None:
        """Note it where a job changes after the caller has heard of the cancellation.

        It may do so after a while, when others are done, or with the next change of another job. A
        repository that was cancelled twice is left no while, and asked for no such change, to mend
        what it holds.
        """
        has_others = bool(self.scene.behind)
        if not has_others:  # who were waited for
            await asyncio.sleep(self._grace)
        if not self._point.twice:
            await self.ask("afterwards", self.scene.beside, self._repository)
        for before, after in zip(seen, await self._seen(), strict=False):
            if before.error is not None or after.error is not None:
                continue  # which the calls that follow show, too
            if self._violation is None and before.value != after.value:
                where = "another handle" if self._others else "the repository"
                while_ = "the calls of others" if has_others else f"{self._grace * 1e3:.0f} ms"
                text = (
                    f"{where} showed {_named(before.value)} when the caller had heard of it, and"
                    f" {_named(after.value)} after {while_} and a change of another job:"
                    f" {call.method} was still on its way"
                )
                self._violation = Violation(_LAW, text)

    def _runner(self, client: str, repository: CollectionJobRepository) -> ProgramRunner:
        return ProgramRunner(client, lambda call: make(call, repository), self._recording)

    async def _victim(self, call: Call) -> None:
        def answer(call: Call) -> Stepped:
            self._stepped = Stepped(make(call, self._repository), self._point)
            return self._stepped

        began = time.monotonic()
        try:
            # Where it was not cancelled, or ended all the same, what it answered has to be true.
            await ProgramRunner("victim", answer, self._recording).ask(call)
        finally:
            self._seconds = time.monotonic() - began

    async def _see_it_end(self, victim: asyncio.Task[None]) -> None:
        if await wait_for_tasks({victim}, deadline() + 1):
            self._violation = Violation(_LAW, f"it did not end within {deadline() + 1:g} s")
            return
        with suppress(asyncio.CancelledError):
            victim.result()

    async def _neighbour(self, call: Call) -> None:
        await self._answered("neighbour", call, self._repository)

    async def ask(
        self, client: str, calls: Sequence[Call], repository: CollectionJobRepository
    ) -> list[Outcome]:
        """Make calls one after another, until one gives no answer."""
        outcomes = list[Outcome]()
        for call in calls:
            if self._violation is None:
                outcome = await self._answered(client, call, repository)
                outcomes += [] if outcome is None else [outcome]
        return outcomes

    async def _answered(
        self, client: str, call: Call, repository: CollectionJobRepository
    ) -> Outcome | None:
        """Make a call that nobody cancels."""
        outcome: Outcome | None = None
        try:
            outcome = await self._runner(client, repository).ask(call)
        except asyncio.CancelledError as raised:
            error: BaseException | None = raised
        else:
            error = None if outcome is None else outcome.error
        if isinstance(error, asyncio.CancelledError):
            text = f"{call} was not cancelled itself, and raised CancelledError"
            self._violation = Violation(_LAW, text)
        if isinstance(error, NoAnswer):
            self._violation = Violation(_LAW, f"after the cancellation, {call} gave no answer")
        return outcome

    async def remove(self) -> None:
        """Remove the jobs, so that the listings of later trials are not the longer for them."""
        gone = (Client("end", (Step("delete", (id_,)),)) for id_ in sorted(self.scene.ids))
        await run_clients(tuple(gone), [self._repository], Recording())

    def result(self) -> Trial:
        """Judge what was seen."""
        scene, events = self.scene, self._recording.events
        finding: Finding | None = None
        if self._violation is not None:
            finding = Finding(_LAW, self._violation.message, tuple(map(str, events)))
        else:
            told = [_of_the_scene(event, scene.ids) for event in events]
            finding = next(iter(check_among(scene.ids, told)), None)
        stepped = self._stepped
        return Trial(
            scene=scene,
            point=self._point,
            events=events,
            place=stepped.place if stepped is not None and stepped.cancelled else None,
            suspensions=0 if stepped is None else stepped.suspensions,
            seconds=self._seconds,
            finding=finding,
        )


def _named(seen: object) -> str:
    if isinstance(seen, Lease):
        return f"a lease that expires at {seen.expires_at:%H:%M:%S.%f}"
    if isinstance(seen, CollectionJob):
        return f"the job {seen.id!a} at revision {seen.revision}"
    return "None"


def _of_the_scene(event: Event, ids: frozenset[str]) -> Event:
    """Return an event as if a call of many jobs had been about those of the scene alone."""
    call, outcome = event.call, event.outcome
    mine = [job for job in call.jobs if job.id in ids]
    if len(mine) == len(call.jobs):
        return event
    value: Any = None if outcome is None else outcome.value
    if outcome is not None and isinstance(value, list):
        answers = cast("list[object]", value)
        of_mine = [answer for answer, job in zip(answers, call.jobs, strict=False) if job.id in ids]
        outcome = replace(outcome, value=of_mine)
    return replace(event, call=call.with_jobs(mine), outcome=outcome)
