"""Schedules by random priorities, which find each bug of small depth with a known probability.

Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized
scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010). Each client has a priority
drawn at random, and the highest that can go on does; at d - 1 moments drawn at random, who would go
on becomes the lowest. A bug has depth d when d orders between two steps are enough to show it. With
n clients and k choices, one run shows it with a probability of at least 1 / (n * k ** (d - 1)).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import cast

from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.programs import Choice, Replay

__all__ = ["Priorities", "least_probability"]


@dataclass(slots=True)
class Priorities(Replay):
    """A scheduler of one run; its choices are those of a schedule that can be run again.

    Moments are drawn among the choices, and not among all steps: where only one client can go on,
    its priority decides nothing before the next choice.

    Attributes:
        random: Draws the priorities.
        moments: At which choices, from 0, who would go on becomes the lowest.
    """

    random: Random = field(default_factory=Random)
    moments: tuple[int, ...] = ()
    _priorities: dict[str, float] = field(default_factory=dict[str, float])
    _lowest: int = 0

    @classmethod
    def drawn(cls, random: Random, depth: int, choices: int) -> Priorities:
        """Draw a scheduler for bugs of a depth in runs of so many choices."""
        moments = tuple(random.randrange(max(1, choices)) for _ in range(depth - 1))
        return cls(random=random, moments=moments)

    @property
    def clients(self) -> int:
        """How many could be chosen so far, tasks of the adapter's own included."""
        return len(self._priorities)

    def choose(self, options: int, free: int, timers: int = 0) -> int:
        """Let the client of the highest priority go on; of what one has ready, any."""
        loop = cast("DeterministicLoop", asyncio.get_running_loop())
        owners = [*loop.options, *(["time"] * timers)]
        for owner in owners:
            if owner not in self._priorities:
                self._priorities[owner] = self.random.random()
        for _ in range(self.moments.count(len(self.choices))):
            self._lowest -= 1
            self._priorities[self._highest(owners)] = self._lowest
        first = self._highest(owners)
        taken = self.random.choice([at for at, owner in enumerate(owners) if owner == first])
        self.choices.append(Choice(options, free, taken))
        return taken

    def _highest(self, owners: list[str]) -> str:
        return max(owners, key=self._priorities.__getitem__)


def least_probability(clients: int, choices: int, depth: int, runs: int) -> float:
    """Return with what probability so many runs find a bug of a depth, at least."""
    once = 1 / (max(1, clients) * max(1, choices) ** (depth - 1))
    return float(1 - (1 - once) ** runs)
