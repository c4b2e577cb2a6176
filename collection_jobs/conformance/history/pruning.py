"""Prospects: whether a read that does not fit now can still be made to fit by the changes left.

The search for an order is right without this; with it, it turns back at the change that was placed
too early and not many changes later. What is said here must hold in every order, or the search
would pass over one that is possible: when in doubt, there is a prospect.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from collection_jobs.conformance.history.sequential_spec import JobOperation
from collection_jobs.conformance.spec.answers import DELETION
from collection_jobs.conformance.spec.model import Facts, JobState
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["Prospects"]


class Prospects:
    """Which changes give what: a status, the outcome of a symbol, a new life of the id."""

    def __init__(self, known: Sequence[JobOperation], maybe: Iterable[JobOperation]) -> None:
        """Look through the operations.

        Args:
            known: Those that happened, by when they began: the search numbers them so.
            maybe: Those that may have happened.
        """
        self._began = [one.began for one in known]
        self._ended = [one.ended or 0 for one in known]
        self._shown = [_shown(one) for one in known]
        self._givers: dict[object, list[int]] = {}
        for at, one in enumerate(known):
            if not one.reads:
                for gift in _gifts(one):
                    self._givers.setdefault(gift, []).append(at)
        self._perhaps = {gift for one in maybe if not one.reads for gift in _gifts(one)}

    def none_for(self, left: Iterable[int], state: JobState, base: int, mask: int) -> bool:
        """Whether some read among the operations left can never fit after this state.

        Args:
            left: The operations that could come next.
            state: What is known of the job.
            base: All operations before this one are placed.
            mask: Bit ``i`` is set where operation ``base + i`` is placed.
        """
        if state.facts is None:
            return False
        for at in left:
            shown = self._shown[at]
            if shown is not None and any(
                not self.is_left(gift, at, base, mask) for gift in _lacking(state, *shown)
            ):
                return True
        return False

    def is_left(self, gift: object, reader: int, base: int, mask: int) -> bool:
        """Whether an operation that gives it is not placed and can come before the reader."""
        if gift in self._perhaps:
            return True
        givers = self._givers.get(gift, ())
        for at in givers[bisect_left(givers, base) :]:
            if self._began[at] > self._ended[reader]:
                return False
            if not mask >> (at - base) & 1:
                return True
        return False


def _shown(one: JobOperation) -> tuple[Facts, int] | None:
    if one.facts is None or one.shown is None or not isinstance(one.shown.revision, int):
        return None
    return one.facts, one.shown.revision


def _gifts(one: JobOperation) -> Iterable[object]:
    """Return what an operation that changes the job may give."""
    return OPERATIONS[one.call.method].gives(one.call)


def _lacking(state: JobState, found: Facts, revision: int) -> Iterator[object]:
    """Tell what has to come before a read fits that showed these facts at this revision."""
    facts = state.facts
    if facts is None:
        return
    if state.least is not None and revision < state.least:
        yield DELETION
    if found.status != facts.status:
        yield found.status
    if found.failed_symbols != facts.failed_symbols:
        yield from found.failed_symbols - facts.failed_symbols
    if found.completed_symbols != facts.completed_symbols:
        yield from found.completed_symbols - facts.completed_symbols
