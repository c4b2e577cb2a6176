"""Whether the histories of a check were decided: a law is not said to hold by one that was not."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from collection_jobs.conformance.history.undecided import take_notes
from collection_jobs.conformance.running.configuration import Examination
from collection_jobs.conformance.spec.operations import CONCURRENT_LAWS

__all__ = ["told_if_undecided"]


def told_if_undecided(laws: Collection[str], run: Callable[[], Examination]) -> Examination:
    """Make a check of some laws, and say which of them a history left open."""
    take_notes()
    made = run()
    notes = take_notes()
    if not notes:
        return made
    broken = {finding.law for finding in made.findings}
    open_laws = CONCURRENT_LAWS.intersection(laws) - broken
    return replace(made, unchecked={**dict.fromkeys(open_laws, notes[0]), **made.unchecked})
