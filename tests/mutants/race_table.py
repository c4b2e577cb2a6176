"""The table of races: what is known of each mutant, and what convicts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.mutants.rows import Rows


@dataclass(frozen=True)
class Race:
    """What is known of a mutant.

    Attributes:
        laws: Exactly those that convict it when every pair of calls at its stage is run under
            every schedule of at most two preemptions.
        kind: Where such a race comes from.
        hides: Whether it is built to hide from random search: few pairs or one stage show it.
        stage: A stage of the job at which it shows.
        preemptions: The fewest under which all of these laws are broken.
    """

    laws: frozenset[str]
    kind: str
    hides: bool
    stage: str
    preemptions: int


RACES: dict[type[Rows], Race] = {}
BEYOND_PAIRS: dict[type[Rows], Race] = {}
"""Races that no two calls show, only longer programs."""


def race(
    *laws: str,
    kind: str,
    hides: bool = False,
    stage: str = "pending",
    pairs: bool = True,
    preemptions: int = 1,
) -> Callable[[type[Rows]], type[Rows]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Rows]) -> type[Rows]:
        table = RACES if pairs else BEYOND_PAIRS
        table[mutant] = Race(frozenset(laws), kind, hides, stage, preemptions)
        return mutant

    return enter
