"""Attribution: which law is broken when no order explains what several clients did to one job.

The law is found by asking what would explain the history, in this order:

1. no two calls overlap: the law that the oracle names for the call that does not fit;
2. a call that picks its job had not passed over this one: ``one_winner`` among rivals, else
   ``view``;
3. a purge had deleted the job whether it matched or not: ``answer``;
4. calls had been made without their leases: LEASE-3, for one was accepted though it was lost;
5. one read alone had not been made, and later reads fit: ``view``, for it was torn, or late;
6. one of two calls for the same change had come too late: ``one_winner``;
7. no save had been conditional: ``condition`` (SAVE-3 where several methods are about it), for one
   was accepted though stale, or refused though fresh;
8. no read had carried a revision: SAVE-5 where one was given out in an earlier life, else SAVE-4;
9. the oracle finds that something of a deleted job came back: DELETE-2;
10. one or two acknowledged changes had not been made, so they were lost to others, of this job or
   of another, that overlapped them: ``lost`` of those that were lost, then ``losing`` of those that
   overlapped them, else ATOMIC-1;
11. the method of the call that does not fit had not been called: ``view``;
12. nothing of the sort: ATOMIC-1.

What stands in double back-quotes is a law of the method's entry in the registry of operations.

The whole history is asked first, for what later calls saw tells a change that was lost from one
read that missed it; then its core, in which only the reads are left without which it has an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, combinations, islice, pairwise

from collection_jobs.conformance.history.history import Event, is_change
from collection_jobs.conformance.history.search import OutOfWork, SearchWork, Stuck, find_order
from collection_jobs.conformance.history.sequential_spec import (
    JobOperation,
    operation,
    why,
    without_revision,
)
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.findings import Violation
from collection_jobs.conformance.spec.model import JobState, Span
from collection_jobs.conformance.spec.operations import OPERATIONS, Laws
from collection_jobs.conformance.spec.purging import purged
from collection_jobs.lease import Lease

__all__ = ["Attribution", "attribute"]

_SMALL = 400
"""Histories of more operations are not cut down read by read."""
_GUESSES = 1_000
"""How many sets of changes are tried that may have been lost: of long histories, the last ones."""
_WORK = 60_000
"""How many operations and ways on are looked at to cut a history down, and for each of the rest."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The law that some operations on one job break, which no order explains.

    Attributes:
        violation: The law, and the calls that cannot stand beside each other.
        operations: Those that matter, by when they began.
        stuck: How far an order goes.
    """

    violation: Violation
    operations: tuple[JobOperation, ...]
    stuck: Stuck


@dataclass(frozen=True, slots=True)
class _Case:
    """A history to explain: the operations on the job, and all the calls, in which they overlap."""

    core: list[JobOperation]
    state: JobState
    stuck: Stuck
    events: Sequence[Event]
    work: SearchWork

    @property
    def culprit(self) -> JobOperation:
        """The operation whose answer no order reaches."""
        return self.stuck.open[0]

    def is_explained(self, instead: list[JobOperation]) -> bool:
        """Whether there is an order of these operations.

        Raises:
            OutOfWork: That is not known after as much work as all the rules may make.
        """
        return find_order(instead, self.state, work=self.work) is None


def attribute(
    operations: Sequence[JobOperation], stuck: Stuck, state: JobState, events: Sequence[Event]
) -> Attribution:
    """Find what matters in a history that no order explains, and the law that it breaks.

    Args:
        operations: All the operations on one job, which have no possible order.
        stuck: Where the search for one got stuck.
        state: What is known of the job before them.
        events: All the calls of the history, those on other jobs too.
    """
    core, stuck = _core(operations, stuck, state)
    whole = list(operations) if len(operations) <= _SMALL else core
    end = stuck.open[0].ended or 0
    before = [event for event in events if event.began <= end]
    violation = _violation(whole, _Case(core, state, stuck, before, SearchWork(_WORK)))
    return Attribution(violation, tuple(core), stuck)


def _core(
    operations: Sequence[JobOperation], stuck: Stuck, state: JobState
) -> tuple[list[JobOperation], Stuck]:
    """Return what came up to the first answer that no order reaches, less the reads not needed.

    Also where the search for an order of them got stuck.
    """
    end = stuck.open[0].ended or 0
    core = sorted((one for one in operations if one.began <= end), key=_began)
    if len(core) > _SMALL:
        return core, stuck
    work = SearchWork(_WORK)
    with suppress(OutOfWork):  # then more reads are left than would have to be
        for one in [one for one in core if one.reads]:
            rest = [other for other in core if other is not one]
            if find_order(rest, state, work=work) is not None:
                core = rest
        # The core has no order either; where that takes too long to see, the whole has shown it.
        stuck = find_order(core, state, work=work) or stuck
    return core, stuck


def _began(one: JobOperation | Event) -> int:
    return one.began


def _violation(whole: list[JobOperation], case: _Case) -> Violation:
    says = why(case.culprit, case.stuck.state)
    if not _any_overlap(case.events):
        return says[0]
    rules = (
        _left_out,
        _wrong_purge,
        _unfenced,
        _torn_read,
        _two_winners,
        _wrong_condition,
        _wrong_revision,
        _former,
        _lost_change,
        _wrong_method,
    )
    with suppress(OutOfWork):
        for each in (replace(case, core=whole), case):
            for rule in rules:
                found = rule(each)
                if found is not None:
                    return found
    return Violation(
        "ATOMIC-1", f"no order of the concurrent calls explains that {case.culprit.event}"
    )


def _any_overlap(events: Sequence[Event]) -> bool:
    ordered = sorted(events, key=_began)
    return any(_overlap(one, other) for one, other in pairwise(ordered))


def _overlap(one: JobOperation | Event, other: JobOperation | Event) -> bool:
    """Whether neither was done before the other began."""
    first, second = (one, other) if one.began <= other.began else (other, one)
    return first.ended is None or first.ended >= second.began


def _left_out(case: _Case) -> Violation | None:
    """Tell of a claim that got nothing, or a younger job, beside one that was free."""
    culprit = case.culprit
    if not (culprit.reads and culprit.call.job_is_in_answer):
        return None
    if not case.is_explained([one for one in case.core if one is not culprit]):
        return None
    rivals = [
        one
        for one in case.events
        if one is not culprit.event
        and OPERATIONS[one.call.method].laws.one_winner == _laws(culprit).one_winner
        and _overlap(one, culprit.event)
    ]
    law = _laws(culprit).one_winner if rivals else None
    text = f"{culprit.event}; throughout the call there was an older job that nobody else was after"
    return Violation(law or _laws(culprit).view, text)


def _wrong_purge(case: _Case) -> Violation | None:
    """Tell of a purge that deleted a job which did not match, or did not match any more."""
    purges = [one for one in case.core if one.call.counts_jobs]
    if not purges:
        return None
    rest = [one for one in case.core if not one.call.counts_jobs]
    for one in purges:
        deletes = one._replace(step=_deleted, reads=False, is_plain=False)
        if case.is_explained([*rest, deletes]):
            text = f"{one.event}; it deleted the job, which did not match when it was deleted"
            return Violation(_laws(one).answer, text)
    return None


def _deleted(state: JobState) -> JobState | None:
    return None if state.facts is None else purged(state)


def _torn_read(case: _Case) -> Violation | None:
    culprit = case.culprit
    ended = culprit.ended
    if not culprit.reads or ended is None or culprit not in case.core:
        return None
    later = [one for one in case.core if one.reads and one.began > ended]
    rest = [one for one in case.core if one is not culprit]
    if not later or not case.is_explained(rest):
        return None
    return _view_broken(culprit)


def _view_broken(culprit: JobOperation) -> Violation:
    return Violation(
        _laws(culprit).view,
        f"{culprit.event}; at no instant of the call did the job look like this",
    )


def _two_winners(case: _Case) -> Violation | None:
    winners = [one for one in case.core if _won(one)]
    for one, other in combinations(winners, 2):
        if not (_overlap(one, other) and _same_change(one.event.call, other.event.call)):
            continue
        for loser in (one, other):
            instead = [_late(each) if each is loser else each for each in case.core]
            if case.is_explained([each for each in instead if each is not None]):
                return Violation(_laws(one).one_winner or "ATOMIC-1", _both_won(one, other))
    return None


def _laws(one: JobOperation) -> Laws:
    return OPERATIONS[one.call.method].laws


def _won(one: JobOperation) -> bool:
    outcome = one.event.outcome
    if _laws(one).one_winner is None or outcome is None or outcome.error is not None:
        return False
    return not OPERATIONS[one.call.method].unchanged(outcome.value)


def _both_won(one: JobOperation, other: JobOperation) -> str:
    both = f"{one.event.client} and {other.event.client} both"
    if isinstance(one.event.outcome and one.event.outcome.value, Lease):
        return (
            f"{both} got a lease of the job, by {one.event.call} and {other.event.call}: only one"
            " of them can have claimed it"
        )
    return (
        f"{both} called {one.event.call}, and both calls returned True: only one of them can have"
        " made the change"
    )


def _same_change(call: Call, other: Call) -> bool:
    laws, others = OPERATIONS[call.method].laws, OPERATIONS[other.method].laws
    return laws.one_winner == others.one_winner and all(
        call.argument(name) == other.argument(name) for name in OPERATIONS[call.method].rivals
    )


def _late(one: JobOperation) -> JobOperation | None:
    """Return the same call with the answer of one that came too late; None where it is no call."""
    event, outcome = one.event, one.event.outcome
    if one.call.job_is_in_answer:
        return None
    value = OPERATIONS[one.call.method].late
    assert outcome is not None  # noqa: S101 - it won, so it came back; this tells the type checker
    other = replace(event, outcome=replace(outcome, value=value, error=None))
    return operation(other, one.call.job_ids[0], Span(outcome.began, outcome.ended))


def _unfenced(case: _Case) -> Violation | None:
    """Tell of a call that was accepted under a lease which had been lost in every order."""
    fenced = [one for one in case.core if _is_fenced(one)]
    if not fenced:
        return None
    instead = [_without_lease(one) if one in fenced else one for one in case.core]
    if not case.is_explained(instead):
        return None
    whom = " and ".join(str(one.event.call) for one in fenced)
    text = f"{whom} succeeded; in every order of the calls a lease had been lost by then"
    return Violation("LEASE-3", text)


def _is_fenced(one: JobOperation) -> bool:
    outcome = one.event.outcome
    accepted = outcome is not None and outcome.error is None
    return accepted and isinstance(one.call.argument("lease"), Lease)


def _without_lease(one: JobOperation) -> JobOperation:
    event, outcome = one.event, one.event.outcome
    assert outcome is not None  # noqa: S101 - it was accepted; this tells the type checker
    if OPERATIONS[event.call.method].needs_lease:
        return one._replace(step=_same_state, is_plain=False)
    at = [each.name for each in OPERATIONS[event.call.method].parameters].index("lease")
    call = Call(event.call.method, event.call.arguments[:at])
    other = replace(event, call=call)
    return operation(other, one.call.job_ids[0], Span(outcome.began, outcome.ended))


def _same_state(state: JobState) -> JobState:
    return state


def _wrong_condition(case: _Case) -> Violation | None:
    conditional = [one for one in case.core if _is_conditional(one)]
    if not conditional:
        return None
    accepted = [one for one in conditional if one.event.outcome and not one.event.outcome.error]
    instead = [_unconditional(one) if one in conditional else one for one in case.core]
    if not case.is_explained([one for one in instead if one is not None]):
        return None
    laws = {_laws(one).condition or "SAVE-3" for one in conditional}
    law = laws.pop() if len(laws) == 1 else "SAVE-3"
    refused = [one for one in conditional if one.event.outcome and one.event.outcome.error]
    if not accepted and not refused:
        return None  # none gave an answer, and what gave none is no wrong answer
    if not accepted:
        return Violation(law, f"{refused[0].event}; no order of the calls makes its copy stale")
    whom = " and ".join(str(one.event.call) for one in accepted)
    return Violation(
        law,
        f"{whom} succeeded; in every order of the calls the store no longer had"
        " the revision that was saved",
    )


def _is_conditional(one: JobOperation) -> bool:
    return any(job.revision is not None for job in one.call.jobs)


def _unconditional(one: JobOperation) -> JobOperation | None:
    """Return a conditional save as if it had been unconditional; None where it was refused."""
    event, outcome = one.event, one.event.outcome
    if outcome is not None and outcome.error is not None:
        return None
    jobs = tuple(replace(job, revision=None) for job in one.call.jobs)
    call = one.call.with_jobs(jobs)
    wall = outcome or Outcome(jobs[0].created_at, jobs[0].created_at)
    return operation(replace(event, call=call), jobs[0].id, Span(wall.began, wall.ended))


def _wrong_revision(case: _Case) -> Violation | None:
    summaries = [one for one in case.core if one.summary is not None]
    if summaries and case.is_explained([one for one in case.core if one not in summaries]):
        return _view_broken(summaries[0])
    if not case.is_explained([without_revision(one) for one in case.core]):
        return None
    culprit = case.culprit
    revision = None if culprit.shown is None else culprit.shown.revision
    says = why(culprit, case.stuck.state)
    law = "SAVE-5" if any(one.law == "SAVE-5" for one in says) else "SAVE-4"
    return Violation(
        law,
        "the fields that the calls showed have an order, the revisions have none:"
        f" {culprit.event}"
        f" (revision {revision})",
    )


def _former(case: _Case) -> Violation | None:
    says = [one for state in case.stuck.states for one in why(case.culprit, state)]
    return next((one for one in says if one.law == "DELETE-2"), None)


def _lost_change(case: _Case) -> Violation | None:
    changes = [one for one in case.core if not one.reads and one.ended is not None]
    if len(case.core) > _SMALL:  # what is lost was done shortly before it is missed
        changes.reverse()
    candidates = chain(((one,) for one in changes), combinations(changes, 2))
    for lost in islice(candidates, _GUESSES):
        rest = [one for one in case.core if one not in lost]
        calls = [one.event for one in lost]
        around = [one for one in case.events if one not in calls and _disturbs(one, calls)]
        if not around or not case.is_explained(rest):
            continue
        whose = " and of ".join(f"{event.client}'s {event.call}" for event in calls)
        verb = "were" if len(lost) > 1 else "was"
        law = _law_of_loss([event.call.method for event in calls], around)
        return Violation(law, f"the change of {whose} {verb} acknowledged and lost")
    return None


def _disturbs(event: Event, calls: Sequence[Event]) -> bool:
    return is_change(event) and any(_overlap(event, call) for call in calls)


def _law_of_loss(lost: Sequence[str], around: Sequence[Event]) -> str:
    methods = {event.call.method for event in around}
    laws = [one.laws.lost for one in OPERATIONS.values() if one.name in lost]
    laws += [one.laws.losing for one in OPERATIONS.values() if one.name in methods]
    return next((law for law in laws if law is not None), "ATOMIC-1")


def _wrong_method(case: _Case) -> Violation | None:
    culprit = case.culprit
    method = culprit.event.call.method
    rest = [one for one in case.core if one.event.call.method != method]
    if not culprit.reads or not case.is_explained(rest):
        return None
    return _view_broken(culprit)
