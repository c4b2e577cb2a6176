"""CANCEL-1: every method cancelled at every suspension, and what the repository does after that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

from collection_jobs.conformance.checks.cancellation.before_close import BeforeClose
from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint
from collection_jobs.conformance.checks.cancellation.open_close import OpenClose
from collection_jobs.conformance.checks.cancellation.repeats import Repeats
from collection_jobs.conformance.checks.cancellation.scenarios import scene, scenes
from collection_jobs.conformance.checks.cancellation.trials import Running, Trial
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import OpenStore, Pulse
from collection_jobs.conformance.running.topologies import Opening, several
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["examine_cancellation"]

_LAW = "CANCEL-1"

_MOST_SUSPENSIONS = 60
"""A call that is suspended more often is cancelled at its first suspensions only."""
_STEADY = 3
"""How often a scene must go well without a cancellation before one is blamed; once will do where no
random moments are tried, for then nothing rests on how long it takes."""

_FEW, _MANY = (40, 128), (128, 1_024)
"""How many calls are cancelled at one suspension, more than any usual pool has connections; and how
many like one call at most, at all of its suspensions."""
_AT_ONCE = 3
"""Stores to work on at a time, and more where calls are slow: one goes on while another waits."""
_LEAST_GRACE = 0.004
"""Seconds for what a cancelled call began to come to its end."""


_Handles = Sequence[CollectionJobRepository]


@asynccontextmanager
async def _open(
    opening: Opening, directories: Sequence[Path], handles: int
) -> AsyncGenerator[Sequence[_Handles]]:
    """Open the store in each directory, so many times each."""
    async with AsyncExitStack() as opened:
        stores = (several(opening, directory, handles) for directory in directories)
        yield [await opened.enter_async_context(store) for store in stores]


@contextmanager
def _stage(
    opening: Opening, directories: Sequence[Path], pulse: Pulse, *, shared: bool
) -> Generator[OpenStore[Sequence[_Handles]]]:
    """Open the stores, with another handle on each where there can be one."""
    # A store that gives no answers may give none when it is closed; that is known by then.
    with suppress(NoAnswer), ExitStack() as opened:
        stores: OpenStore[Sequence[_Handles]] | None = None
        if shared:
            # One may be open to many processes and still not twice in one.
            with suppress(Exception):
                two = OpenStore(_open(opening, directories, 2), pulse=pulse)
                stores = opened.enter_context(two)
        yield stores or opened.enter_context(OpenStore(_open(opening, directories, 1), pulse=pulse))


def examine_cancellation(plan: Plan) -> Examination:
    """Cancel each method at each of its suspensions, alone and in a crowd, until a law breaks.

    A shared store is looked at through a second handle, too, and a durable one after it was opened
    again. Then the opening and the closing of a store are cancelled likewise.
    """
    pulse, trials, open_close = Pulse(), _Trials(plan), OpenClose(plan)

    def cancel() -> None:
        _cancel(trials, plan, pulse)
        if trials.finding is None:
            open_close.cancel(pulse)

    try:
        watched(cancel, lambda: pulse.beats)
    except Blocked as blocked:
        found = trials.blocked(blocked)
    else:
        found = trials.finding or open_close.finding
    covered = trials.covered(open_close.times)
    return Examination([] if found is None else [found], covered)


def _cancel(trials: _Trials, plan: Plan, pulse: Pulse) -> None:
    shared, durable = (name in plan.capabilities for name in ("shared", "durable"))
    stores = max(_AT_ONCE, plan.profile.at_once // (2 if shared else 1))
    directories = [plan.new_directory() for _ in range(stores)]
    with _stage(plan.opening, directories, pulse, shared=shared) as stage:
        stage.run(trials.run(stage.repository, scenes(plan.capabilities), plan.progress))
        if trials.finding is None:
            stage.run(trials.repeat(stage.repository[0][0]))
        if trials.finding is None and durable:
            stage.run(trials.cancel_before_close(stage.repository[0][0]))
    if trials.finding is None and durable:
        with _stage(plan.opening, directories, pulse, shared=False) as stage:
            stage.run(trials.look_again([handles[0] for handles in stage.repository]))


class _Trials:
    """All the trials, on one store or on several at once.

    Attributes:
        finding: The first broken law, if there is one.
    """

    def __init__(self, plan: Plan) -> None:
        self.finding: Finding | None = None
        self._first = 0
        self._calls = Counter[int]()
        self._places: set[str] = set()
        self._skipped: list[str] = []
        self._seed = plan.seed
        self._moments = plan.profile.cancellations
        self._twice = plan.profile.twice
        self._steady = _STEADY if self._moments else 1
        self._numbers = count(1)
        self._kept: list[tuple[int, Running]] = []
        self._latest: Running | None = None
        self._suspensions: dict[str, int] = {}
        self._repeats = Repeats(*(_MANY if self._moments else _FEW))
        self._before_close = BeforeClose()

    def covered(self, open_close: int) -> str:
        """Tell what was covered, besides so many openings and closings."""
        calls = self._calls.total()
        tried = f"{calls} calls cancelled, at {len(self._places)} places in the adapter"
        if not calls:
            tried = "no call can be cancelled half-way, because none ever suspends"
        if self._repeats.calls:
            tried += f"; {self._repeats}"
        if self._before_close.calls:
            tried += f"; {self._before_close.calls} just before the store was closed"
        if open_close:
            tried += f"; {open_close} openings and closings"
        if self._skipped:
            skipped = ", ".join(self._skipped)
            tried += f"; cancellation not tested, these calls already fail without it: {skipped}"
        return tried

    async def run(
        self,
        stores: Sequence[_Handles],
        names: Sequence[str],
        progress: Callable[[int, int], None],
    ) -> None:
        """Run the scenes of these names, as many at a time as there are stores."""
        done = count()

        async def on(store: int) -> None:
            for number in range(store, len(names), len(stores)):
                progress(next(done), len(names))
                # What another store has shown is told, if its scene is an earlier one.
                if self.finding is not None and self._first < number:
                    return
                found = await self._run(stores[store], store, names[number])
                if found is not None and (self.finding is None or number < self._first):
                    self.finding, self._first = found, number

        if len(stores) == 1:  # by the task that has opened the store, as most programs do it
            await on(0)
        else:
            await asyncio.gather(*map(on, range(len(stores))))

    async def _run(self, handles: _Handles, store: int, name: str) -> Finding | None:
        """Run one scene uncancelled; then cancelled at each suspension and at random moments."""
        plain = [
            (await self._try(handles, name, CancelPoint(), _LEAST_GRACE)).result()
            for _ in range(self._steady)
        ]
        grace = max(_LEAST_GRACE, 2 * max(trial.seconds for trial in plain))
        if any(trial.finding for trial in plain):
            self._skipped.append(name)
            return None
        running = None
        random = Random(f"{self._seed} cancellation {name}")  # noqa: S311 - not for secrets
        for point in _cancel_points(plain, random, self._moments, twice=self._twice):
            if running is not None:
                await running.remove()
            running = await self._try(handles, name, point, grace)
            found = self._judge(running.result(), store)
            if found is not None:
                return found
        if running is not None:
            self._kept.append((store, running))
        return None

    async def repeat(self, repository: CollectionJobRepository) -> None:
        """Cancel many calls like each, one after another, until something is found."""
        for name, suspensions in self._suspensions.items():
            id_ = f"job {next(self._numbers)}"
            self.finding = await self._repeats.run(repository, name, id_, suspensions)
            if self.finding is not None:
                return

    async def cancel_before_close(self, repository: CollectionJobRepository) -> None:
        """Cancel calls whose jobs nothing changes until the store is opened again."""
        for name, suspensions in self._suspensions.items():
            id_ = f"job {next(self._numbers)}"
            await self._before_close.cancel(repository, name, id_, suspensions)

    async def look_again(self, repositories: Sequence[CollectionJobRepository]) -> None:
        """See what the last trial of each scene left in a store that was opened again."""
        for store, running in self._kept:
            await running.ask("opened again", running.scene.elsewhere, repositories[store])
            self.finding = self._judge(running.result(), store)
            if self.finding is not None:
                return
        self.finding = await self._before_close.compare(repositories[0])

    async def _try(self, handles: _Handles, name: str, point: CancelPoint, grace: float) -> Running:
        scene_ = scene(name, f"job {next(self._numbers)}")
        running = Running(scene_, point, handles, grace)
        self._latest = running
        await running.play()
        return running

    def blocked(self, blocked: Blocked) -> Finding | None:
        """Return the finding where a call after a cancellation blocked the event loop for good."""
        trial = None if self._latest is None else self._latest.result()
        if trial is None or not (trial.place or self._calls.total()):
            return None  # it blocks without any cancellation
        found = Finding(_LAW, str(blocked), tuple(map(str, trial.events)))
        return _finding(replace(trial, finding=found), 0)

    def _judge(self, trial: Trial, store: int) -> Finding | None:
        if trial.place is None:
            return None  # it was done before its time came: then it is no business of this law
        if trial.finding is not None:
            return _finding(trial, self._calls[store])
        self._calls[store] += 1
        self._places.add(trial.place)
        scene_, point = trial.scene, trial.point
        is_plain = not (scene_.before or scene_.behind or scene_.is_of_many or point.twice)
        if is_plain and point.after is None:
            self._suspensions[scene_.name] = point.at
        return None


def _cancel_points(
    plain: Sequence[Trial], random: Random, moments: int, *, twice: bool
) -> Iterator[CancelPoint]:
    suspensions = max(trial.suspensions for trial in plain)
    last = min(suspensions, _MOST_SUSPENSIONS)
    for at in range(1, last + 1):
        if twice or at % 2 == 1 or at == last:
            yield CancelPoint(at)
        if twice or at % 2 == 0:
            yield CancelPoint(at, twice=True)
    if suspensions:
        seconds = max(trial.seconds for trial in plain)
        for _ in range(moments):
            at = random.randint(1, suspensions)
            yield CancelPoint(
                at, after=random.uniform(0, 1.2 * seconds), twice=random.random() < 0.3
            )


def _finding(trial: Trial, earlier: int) -> Finding:
    assert trial.finding is not None  # noqa: S101 - the caller looked; this tells the type checker
    message = f"{trial.scene.victim} was cancelled {trial.point}; then {trial.finding.message}"
    known = (f"# {earlier} calls were cancelled on this repository before.",) if earlier else ()
    return Finding(_LAW, message, (*known, *trial.history))
