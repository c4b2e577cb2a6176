"""Sites at which processes die, each in its turn, where there are few of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

from collection_jobs.conformance.running.crash_points import ENGINE

__all__ = ["EachSite"]

_ANYWHERE = 3
"""Of so many processes, one dies at any site, and the others behind a call into the engine."""


class EachSite:
    """The sites that some work passes, of which no one comes again before all others.

    Attributes:
        passed: How often the work passes each site.
    """

    def __init__(self, random: Random, part: int = 1) -> None:
        """Know of no site yet.

        Args:
            random: Which of those comes next that had their turn as often.
            part: Of the times that a site is passed, it is one of the first so-manieth: work that
                is drawn anew may pass it less often.
        """
        self.passed: Mapping[str, int] = {}
        self._random = random
        self._part = part
        self._tried = Counter[str]()
        self._turn = 0

    def following(self) -> tuple[str, int] | None:
        """Return where the next process is to die, and which time that it passes; None: nowhere."""
        self._turn += 1
        engine = [site for site in self.passed if site.startswith(ENGINE)]
        among = engine if engine and self._turn % _ANYWHERE else list(self.passed)
        if not among:
            return None
        self._random.shuffle(among)
        site = min(among, key=lambda one: self._tried[one])
        self._tried[site] += 1
        return site, self._random.randint(1, max(1, self.passed[site] // self._part))
