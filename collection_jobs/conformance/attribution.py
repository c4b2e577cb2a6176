"""Attribution: which law is broken when no order explains what several clients did to one job.

The history is first cut down to what matters: up to the first answer that no order reaches, and
without the reads that it is inexplicable without. Then the law is found by asking what would
explain the rest, in this order:

1. no two calls overlap: the law that the oracle names for the call that does not fit;
2. one of two calls for the same change (or two deletions) had returned False: STATUS-2, DELETE-1;
3. no save had been conditional: SAVE-3, for one was accepted though stale, or refused though fresh;
4. no read had carried a revision: SAVE-5 where one was given out in an earlier life, else SAVE-4;
5. get_stats had not been called: STATS-1;
6. an acknowledged change had not been made, so it was lost: DELETE-1 for a deletion, FAILED-2
   where add_failed_symbol lost its change or overlapped the one that did, else ATOMIC-1;
7. nothing of the sort: DELETE-2 where the oracle finds that something of a deleted job came back,
   else ATOMIC-1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from collection_jobs.conformance.calls import Call, Outcome
from collection_jobs.conformance.model import JobState, Span
from collection_jobs.conformance.orders import Stuck, find_order
from collection_jobs.conformance.transitions import Operation, operation, why, without_revision

__all__ = ["Explanation", "explain"]

_SMALL = 400
"""Histories of more operations are not cut down read by read."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why no order explains some operations on one job.

    Attributes:
        law: The law that is broken.
        message: The calls that cannot stand beside each other.
        operations: Those that matter, by when they began.
        stuck: How far an order goes.
    """

    law: str
    message: str
    operations: tuple[Operation, ...]
    stuck: Stuck


def explain(operations: Sequence[Operation], state: JobState) -> Explanation:
    """Find what matters in a history that no order explains, and the law that it breaks.

    Args:
        operations: All the operations on one job, which have no possible order.
        state: What is known of the job before them.
    """
    core = _core(list(operations), state)
    stuck = find_order(core, state)
    assert stuck is not None  # noqa: S101 - the core has no order either; this tells the type checker
    law, message = _law(core, state, stuck)
    return Explanation(law, message, tuple(core), stuck)


def _core(operations: list[Operation], state: JobState) -> list[Operation]:
    """The operations up to the first answer that no order reaches, less the reads not needed."""
    stuck = find_order(operations, state)
    assert stuck is not None  # noqa: S101 - the caller knows; this tells the type checker
    end = stuck.open[0].ended or 0
    core = sorted((one for one in operations if one.began <= end), key=_began)
    if len(core) > _SMALL:
        return core
    for one in [one for one in core if one.reads]:
        rest = [other for other in core if other is not one]
        if find_order(rest, state) is not None:
            core = rest
    return core


def _began(one: Operation) -> int:
    return one.began


def _law(core: list[Operation], state: JobState, stuck: Stuck) -> tuple[str, str]:
    culprit = stuck.open[0]
    says = why(culprit, stuck.state)
    if not any(_overlap(one, other) for one, other in combinations(core, 2)):
        return says[0].law, says[0].message
    for rule in (_two_winners, _wrong_condition, _wrong_revision, _mixed_stats, _lost_change):
        found = rule(core, state, stuck)
        if found is not None:
            return found
    law = "DELETE-2" if any(one.law == "DELETE-2" for one in says) else "ATOMIC-1"
    return law, f"no order of the concurrent calls explains that {culprit.event}"


def _overlap(one: Operation, other: Operation) -> bool:
    """Whether neither was done before the other began."""
    first, second = (one, other) if one.began <= other.began else (other, one)
    return first.ended is None or first.ended >= second.began


def _explained(core: list[Operation], state: JobState) -> bool:
    return find_order(core, state) is None


def _two_winners(core: list[Operation], state: JobState, stuck: Stuck) -> tuple[str, str] | None:
    winners = [one for one in core if _won(one)]
    for one, other in combinations(winners, 2):
        if not (_overlap(one, other) and _same_change(one.event.call, other.event.call)):
            continue
        for loser in (one, other):
            instead = [_answered(each, value=False) if each is loser else each for each in core]
            if _explained(instead, state):
                law = "DELETE-1" if one.event.call.method == "delete" else "STATUS-2"
                return law, (
                    f"{one.event.client} and {other.event.client} both called {one.event.call}, and"
                    " both calls returned True: only one of them can have made the change"
                )
    return None


def _won(one: Operation) -> bool:
    outcome = one.event.outcome
    method = one.event.call.method
    return method in ("update_status", "delete") and outcome is not None and outcome.value is True


def _same_change(call: Call, other: Call) -> bool:
    return call.method == other.method and call.arguments[:2] == other.arguments[:2]


def _answered(one: Operation, *, value: object) -> Operation:
    """The same call with another answer."""
    event, outcome = one.event, one.event.outcome
    assert outcome is not None  # noqa: S101 - it won, so it came back; this tells the type checker
    other = replace(event, outcome=replace(outcome, value=value, error=None))
    return operation(other, Span(outcome.began, outcome.ended))


def _wrong_condition(
    core: list[Operation], state: JobState, stuck: Stuck
) -> tuple[str, str] | None:
    conditional = [one for one in core if _is_conditional(one)]
    if not conditional:
        return None
    accepted = [one for one in conditional if one.event.outcome and not one.event.outcome.error]
    instead = [_unconditional(one) if one in conditional else one for one in core]
    if not _explained([one for one in instead if one is not None], state):
        return None
    if not accepted:
        return "SAVE-3", f"{conditional[0].event}; no order of the calls makes its copy stale"
    whom = " and ".join(str(one.event.call) for one in accepted)
    return "SAVE-3", (
        f"{whom} succeeded; in every order of the calls the store no longer had"
        " the revision that was saved"
    )


def _is_conditional(one: Operation) -> bool:
    call = one.event.call
    return call.method == "save" and call.arguments[0].revision is not None


def _unconditional(one: Operation) -> Operation | None:
    """A conditional save as if it had been unconditional; None where it was refused."""
    event, outcome = one.event, one.event.outcome
    if outcome is not None and outcome.error is not None:
        return None
    job = replace(event.call.arguments[0], revision=None)
    other = replace(event, call=Call("save", (job,)))
    wall = outcome or Outcome(job.created_at, job.created_at)
    return operation(other, Span(wall.began, wall.ended))


def _wrong_revision(core: list[Operation], state: JobState, stuck: Stuck) -> tuple[str, str] | None:
    if not _explained([without_revision(one) for one in core], state):
        return None
    culprit = stuck.open[0]
    revision = None if culprit.shown is None else culprit.shown.revision
    says = why(culprit, stuck.state)
    law = "SAVE-5" if any(one.law == "SAVE-5" for one in says) else "SAVE-4"
    return law, (
        f"the fields that the calls showed have an order, the revisions have none: {culprit.event}"
        f" (revision {revision})"
    )


def _mixed_stats(core: list[Operation], state: JobState, stuck: Stuck) -> tuple[str, str] | None:
    rest = [one for one in core if one.event.call.method != "get_stats"]
    if len(rest) == len(core) or not _explained(rest, state):
        return None
    return "STATS-1", f"{stuck.open[0].event}; the job had no such stats at any instant of the call"


def _lost_change(core: list[Operation], state: JobState, stuck: Stuck) -> tuple[str, str] | None:
    for lost in _changes(core):
        rest = [one for one in core if one is not lost]
        if not _explained(rest, state):
            continue
        if not any(_overlap(lost, one) for one in _changes(rest)):
            continue
        return _law_of_loss(lost, rest), (
            f"the change of {lost.event.client}'s {lost.event.call} was acknowledged and is lost"
        )
    return None


def _changes(core: Sequence[Operation]) -> Iterator[Operation]:
    return (one for one in core if not one.reads and one.ended is not None)


def _law_of_loss(lost: Operation, rest: list[Operation]) -> str:
    if lost.event.call.method == "delete":
        return "DELETE-1"
    around = [lost, *(one for one in _changes(rest) if _overlap(lost, one))]
    if any(one.event.call.method == "add_failed_symbol" for one in around):
        return "FAILED-2"
    return "ATOMIC-1"
