"""CANCEL-1: every method cancelled at every suspension, and what the repository does after that."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from collection_jobs.conformance.calls import NoAnswer
from collection_jobs.conformance.findings import Finding
from collection_jobs.conformance.settings import Opening
from collection_jobs.conformance.stepping import Cut
from collection_jobs.conformance.store import OpenStore, patiently
from collection_jobs.conformance.trials import Running, Trial
from collection_jobs.conformance.victims import SCENES, Scene, scene

__all__ = ["Cancellations", "cancel_everything"]

LAW = "CANCEL-1"

_MOST_SUSPENSIONS = 60
"""A call that is suspended more often is cancelled at its first suspensions only."""
_STEADY = 3
"""How often a scene must go well without a cancellation before one is blamed."""


@dataclass(slots=True)
class Cancellations:
    """What came of it.

    Attributes:
        finding: The breach, if there is one.
        calls: How many calls were cancelled.
        places: Where in the adapter.
        skipped: The scenes that fail without a cancellation, too.
    """

    finding: Finding | None = None
    calls: int = 0
    places: set[str] = field(default_factory=set[str])
    skipped: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        """What was covered."""
        tried = f"{self.calls} calls cancelled, at {len(self.places)} places in the adapter"
        if not self.calls:
            tried = "no call can be cancelled half-way, for none is ever suspended"
        if self.skipped:
            tried += f"; not tried, for they fail uncancelled: {', '.join(self.skipped)}"
        return tried


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where trials are run: an open store, and another handle on it where there can be one."""

    store: OpenStore
    other: OpenStore | None

    def run(self, scene_: Scene, cut: Cut) -> Running:
        """Run one trial."""
        running = Running(scene_, cut, self.store.repository)
        self.store.run(running.play())
        if self.other is not None:
            self.other.run(running.ask("elsewhere", scene_.elsewhere, self.other.repository))
        return running


@contextmanager
def _stage(opening: Opening, directory: Path, *, shared: bool) -> Generator[_Stage]:
    # A store that gives no answers may give none when it is closed; that is known by then.
    with suppress(NoAnswer), ExitStack() as opened:
        store = opened.enter_context(OpenStore(patiently(opening(directory))))
        other = None
        if shared:
            # It may be open to many processes and still not twice in one.
            with suppress(Exception):
                other = opened.enter_context(OpenStore(patiently(opening(directory))))
        yield _Stage(store, other)


def cancel_everything(
    opening: Opening,
    new_directory: Callable[[], Path],
    *,
    capabilities: frozenset[str],
    seed: int,
    moments: int,
    progress: Callable[[int, int], None],
) -> Cancellations:
    """Cancel each method at each of its suspensions, alone and in a crowd, until a law breaks.

    Args:
        opening: Opens the store in a directory.
        new_directory: Gives a new one.
        capabilities: What the adapter declares: a shared store is looked at through a second
            handle, too, and a durable one after it was opened again.
        seed: Where the moments come from.
        moments: At how many random moments each call is cancelled besides.
        progress: Told how many scenes of how many are done.
    """
    found = Cancellations()
    random = Random(f"{seed} cancellation")  # noqa: S311 - not for secrets
    for number, name in enumerate(SCENES):
        progress(number, len(SCENES))
        directory = new_directory()
        trials = _Trials(name, found)
        with _stage(opening, directory, shared="shared" in capabilities) as stage:
            trials.run(stage, random, moments)
        if trials.last is not None and "durable" in capabilities:
            with _stage(opening, directory, shared=False) as stage:
                trials.look_again(stage.store)
        if found.finding is not None:
            break
    return found


class _Trials:
    """The trials of one scene, on one store.

    Attributes:
        last: The last of them, if all went well so far.
    """

    def __init__(self, name: str, found: Cancellations) -> None:
        self.last: Running | None = None
        self._name = name
        self._found = found
        self._number = 0

    def run(self, stage: _Stage, random: Random, moments: int) -> None:
        """Run it without a cancellation; then cancel at each suspension and at random moments."""
        plain = [self._try(stage, Cut()).result() for _ in range(_STEADY)]
        if any(trial.breach for trial in plain):
            self._found.skipped.append(self._name)
            return
        for cut in _cuts(plain, random, moments):
            self.last = self._try(stage, cut)
            self._found.calls += self._judge(self.last)
            if self.last is None:
                return

    def look_again(self, store: OpenStore) -> None:
        """See what the last trial left in a store that was opened again."""
        if self.last is not None:
            scene_ = scene(self._name, f"job {self._number}")
            store.run(self.last.ask("opened again", scene_.elsewhere, store.repository))
            self._judge(self.last)

    def _try(self, stage: _Stage, cut: Cut) -> Running:
        self._number += 1
        return stage.run(scene(self._name, f"job {self._number}"), cut)

    def _judge(self, running: Running) -> bool:
        """Judge a trial; whether its call was cancelled before it was done."""
        trial = running.result()
        if trial.place is None:
            return False
        self._found.places.add(trial.place)
        if trial.breach is not None:
            self.last = None
            self._found.finding = _finding(trial, self._number - 1 - _STEADY)
        return True


def _cuts(plain: Sequence[Trial], random: Random, moments: int) -> Iterator[Cut]:
    suspensions = max(trial.suspensions for trial in plain)
    for at in range(1, min(suspensions, _MOST_SUSPENSIONS) + 1):
        yield Cut(at)
        yield Cut(at, twice=True)
    if suspensions:
        seconds = max(trial.seconds for trial in plain)
        for _ in range(moments):
            at = random.randint(1, suspensions)
            yield Cut(at, after=random.uniform(0, 1.2 * seconds), twice=random.random() < 0.3)


def _finding(trial: Trial, earlier: int) -> Finding:
    assert trial.breach is not None  # noqa: S101 - the caller looked; this tells the type checker
    message = f"{trial.scene.victim} was cancelled {trial.cut}; then {trial.breach[0]}"
    known = (f"# {earlier} calls were cancelled on this repository before.",) if earlier else ()
    return Finding(LAW, message, (*known, *trial.history))
