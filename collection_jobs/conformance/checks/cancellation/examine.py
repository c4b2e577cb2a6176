"""CANCEL-1: every method cancelled at every suspension, and what the repository does after that."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

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
_LEAST_GRACE = 0.004
"""Seconds for what a cancelled call began to come to its end."""


_Handles = Sequence[CollectionJobRepository]


@contextmanager
def _stage(
    opening: Opening, directory: Path, pulse: Pulse, *, shared: bool
) -> Generator[OpenStore[_Handles]]:
    """Open the store, with another handle on it where there can be one."""
    # A store that gives no answers may give none when it is closed; that is known by then.
    with suppress(NoAnswer), ExitStack() as opened:
        store: OpenStore[_Handles] | None = None
        if shared:
            # It may be open to many processes and still not twice in one.
            with suppress(Exception):
                store = opened.enter_context(OpenStore(several(opening, directory, 2), pulse=pulse))
        one = several(opening, directory, 1)
        yield store or opened.enter_context(OpenStore(one, pulse=pulse))


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
    directory, shared = plan.new_directory(), "shared" in plan.capabilities
    with _stage(plan.opening, directory, pulse, shared=shared) as stage:
        names = scenes(plan.capabilities)
        for number, name in enumerate(names):
            plan.progress(number, len(names))
            if not trials.run(stage, name):
                return
        if not trials.repeat(stage):
            return
    if "durable" in plan.capabilities:
        with _stage(plan.opening, directory, pulse, shared=False) as stage:
            trials.look_again(stage)


class _Trials:
    """All the trials on one store.

    Attributes:
        finding: The first broken law, if there is one.
    """

    def __init__(self, plan: Plan) -> None:
        self.finding: Finding | None = None
        self._calls = 0
        self._places: set[str] = set()
        self._skipped: list[str] = []
        self._random = Random(f"{plan.seed} cancellation")  # noqa: S311 - not for secrets
        self._moments = plan.profile.cancellations
        self._twice = plan.profile.twice
        self._steady = _STEADY if self._moments else 1
        self._numbers = count(1)
        self._kept: list[Running] = []
        self._latest: Running | None = None
        self._grace = _LEAST_GRACE
        self._suspensions: dict[str, int] = {}
        self._repeats = Repeats(*(_MANY if self._moments else _FEW))

    def covered(self, open_close: int) -> str:
        """Tell what was covered, besides so many openings and closings."""
        tried = f"{self._calls} calls cancelled, at {len(self._places)} places in the adapter"
        if not self._calls:
            tried = "no call can be cancelled half-way, because none ever suspends"
        if self._repeats.calls:
            tried += f"; {self._repeats}"
        if open_close:
            tried += f"; {open_close} openings and closings"
        if self._skipped:
            skipped = ", ".join(self._skipped)
            tried += f"; cancellation not tested, these calls already fail without it: {skipped}"
        return tried

    def run(self, stage: OpenStore[_Handles], name: str) -> bool:
        """Run one scene uncancelled; then cancelled at each suspension and at random moments.

        Returns:
            Whether to go on with the next scene.
        """
        self._grace = _LEAST_GRACE
        plain = [self._try(stage, name, CancelPoint()).result() for _ in range(self._steady)]
        self._grace = max(_LEAST_GRACE, 2 * max(trial.seconds for trial in plain))
        if any(trial.finding for trial in plain):
            self._skipped.append(name)
            return True
        running = None
        for point in _cancel_points(plain, self._random, self._moments, twice=self._twice):
            if running is not None:
                stage.run(running.remove())
            running = self._try(stage, name, point)
            if not self._goes_well(running.result()):
                return False
        if running is not None:
            self._kept.append(running)
        return True

    def repeat(self, stage: OpenStore[_Handles]) -> bool:
        """Cancel many calls like each, one after another; return whether to go on."""
        for name, suspensions in self._suspensions.items():
            id_ = f"job {next(self._numbers)}"
            work = self._repeats.run(stage.repository[0], name, id_, suspensions)
            self.finding = stage.run(work)
            if self.finding is not None:
                return False
        return True

    def look_again(self, stage: OpenStore[_Handles]) -> None:
        """See what the last trial of each scene left in a store that was opened again."""
        for running in self._kept:
            (repository,) = stage.repository
            stage.run(running.ask("opened again", running.scene.elsewhere, repository))
            if not self._goes_well(running.result()):
                return

    def _try(self, stage: OpenStore[_Handles], name: str, point: CancelPoint) -> Running:
        scene_ = scene(name, f"job {next(self._numbers)}")
        running = Running(scene_, point, stage.repository, self._grace)
        self._latest = running
        stage.run(running.play())
        return running

    def blocked(self, blocked: Blocked) -> Finding | None:
        """Return the finding where a call after a cancellation blocked the event loop for good."""
        trial = None if self._latest is None else self._latest.result()
        if trial is None or not (trial.place or self._calls):
            return None  # it blocks without any cancellation
        found = Finding(_LAW, str(blocked), tuple(map(str, trial.events)))
        return _finding(replace(trial, finding=found), 0)

    def _goes_well(self, trial: Trial) -> bool:
        if trial.place is None:
            return True  # it was done before its time came: then it is no business of this law
        if trial.finding is not None:
            self.finding = _finding(trial, self._calls)
            return False
        self._calls += 1
        self._places.add(trial.place)
        scene_ = trial.scene
        if not (scene_.before or scene_.behind or trial.point.twice) and trial.point.after is None:
            self._suspensions[scene_.name] = trial.point.at
        return True


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
