"""The oracle on leases: who may claim which job, who holds it until when, and who has lost it.

When a lease expires is decided by the engine's clock, which nobody else sees. What is known is that
a lease of so long expires no earlier than that after its claim was called, and no later than that
after the claim returned. Between these, either answer is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from collection_jobs.conformance.spec.calls import UNSEEN, Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.judge import changed, with_status
from collection_jobs.conformance.spec.listings import sort_key
from collection_jobs.conformance.spec.model import (
    ABSENT,
    CLOCK_TOLERANCE,
    Facts,
    JobState,
    Judgement,
    LeaseState,
    Span,
    seen,
    unexpected,
)
from collection_jobs.errors import CollectionJobError, LeaseLostError
from collection_jobs.lease import Lease

__all__ = [
    "is_claimable",
    "judge_claim",
    "judge_claim_next",
    "judge_fenced",
    "judge_lease",
    "judge_renewal",
]

_MARGIN = timedelta(milliseconds=20)
"""How far two clocks of one machine may be apart, and how coarsely an engine may count."""

Claimable = bool | None
"""Whether a job can be claimed; None: it depends on the moment of the call."""


def is_claimable(state: JobState, call: Call, outcome: Outcome) -> Claimable:
    """Return whether a claim that was made between two times could have this job."""
    facts = state.facts
    if facts is None or not _is_of_source(facts, call):
        return False
    if facts.status == "pending":
        return True
    if facts.status != "running" or not state.lease.may_be_held:
        return False
    return _has_expired(state.lease, outcome)


def _is_of_source(facts: Facts, call: Call) -> bool:
    source = call.argument("source")
    return source is None or facts.source == source


def _has_expired(lease: LeaseState, outcome: Outcome) -> Claimable:
    if lease.first_end is None or lease.last_end is None:
        return None
    if outcome.ended < lease.first_end - _MARGIN:
        return False
    return True if outcome.began >= lease.last_end + _MARGIN else None


def judge_claim(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a claim of one job: the one that it names, or the one that it took."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "LEASE-1")
    can = is_claimable(state, call, outcome)
    lease = outcome.value
    if lease is None:
        after = state.blaming("LEASE-1") if state.blame == "GET-1" else state
        if can is not True:
            return after, ()
        why = "pending" if state.lease.worker is None else "under a lease that had expired"
        text = "{} returned None; it should have taken the job {}, which was {}"
        return after, (Violation("LEASE-1", text, (call, _id(state), Verbatim(why))),)
    if lease is not UNSEEN and not isinstance(lease, Lease):
        return state, (Violation("LEASE-1", "{} {}; a Lease or None is due", (call, outcome)),)
    if can is False:
        return state, (_taken_wrongly(state, call, outcome),)
    return _claimed(state, call, outcome)


def _id(state: JobState) -> object:
    return None if state.facts is None else state.facts.id


def _taken_wrongly(state: JobState, call: Call, outcome: Outcome) -> Violation:
    facts, lease = state.facts, state.lease
    if facts is None:
        return Violation("LEASE-1", "{} {}; there is no such job", (call, outcome))
    if not _is_of_source(facts, call):
        text = "{} {}; the job is of the source {}"
        return Violation("LEASE-1", text, (call, outcome, facts.source))
    if facts.status != "running":
        text = "{} {}; the job was {}"
        return Violation("LEASE-1", text, (call, outcome, Verbatim(facts.status)))
    if lease.worker is None:
        text = "{} {}; the job was running without a lease, and is never taken"
        return Violation("LEASE-1", text, (call, outcome))
    text = "{} {}; {} held the job, under a lease that had {}not expired"
    renewed = Verbatim("been renewed and had " if lease.renewed else "")
    law = "LEASE-4" if lease.renewed else "LEASE-2"
    return Violation(law, text, (call, outcome, lease.worker, renewed))


def _claimed(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Return the state after a claim that may have been made, and what is wrong with its lease."""
    facts, former = state.facts, state.lease
    lease: Any = outcome.value
    assert facts is not None  # noqa: S101 - the caller looked; this tells the type checker
    running = with_status(facts, "running", None, Span(outcome.began, outcome.ended))
    ttl: timedelta = call.argument("ttl")
    attempts = None if former.attempts is None else former.attempts + 1
    taken = former._replace(
        worker=call.argument("worker"),
        token=None,
        expires_at=Span(outcome.began + ttl, outcome.ended + ttl),
        first_end=outcome.began + ttl,
        last_end=outcome.ended + ttl,
        renewed=False,
        attempts=attempts,
        is_known=True,
    )
    # A claim raises the revision, also where all that it changes is a time.
    after = changed(state, running, "LEASE-1", surely=True)._replace(lease=taken)
    if lease is UNSEEN:
        return after, ()
    after, violations = _shown(after, lease, call, is_new=True)
    return after.blaming("LEASE-1"), violations


def _shown(state: JobState, lease: Lease, call: Call, *, is_new: bool) -> Judgement:
    """Judge a lease that a call returned, against the lease that should be current."""
    known = state.lease
    violations = list(_wrong_fields(known, lease, call, is_new=is_new))
    after = state
    if not violations:
        token: int = lease.token
        shown = known._replace(
            token=token,
            expires_at=lease.expires_at,
            attempts=lease.attempt,
            highest=max(known.highest, token),
        )
        after = state if shown == known else state._replace(lease=shown)
    after, of_job = seen(after, lease.job, call, "LEASE-1" if is_new else state.blame)
    return after, (*violations, *of_job)


def _wrong_fields(
    known: LeaseState, lease: Lease, call: Call, *, is_new: bool
) -> Iterator[Violation]:
    if lease.worker != known.worker:
        text = "{} returned a lease of the worker {}; it should be of {}"
        yield Violation(
            "LEASE-1" if is_new else "LEASE-3", text, (call, lease.worker, known.worker)
        )
    if is_new and lease.token <= known.highest:
        text = "{} returned a lease with the token {}; an earlier one of that id had {}"
        yield Violation("LEASE-5", text, (call, lease.token, known.highest))
    elif known.token is not None and lease.token != known.token:
        text = "{} returned a lease with the token {}; the lease was claimed with {}"
        yield Violation("LEASE-5", text, (call, lease.token, known.token))
    if known.attempts is not None and lease.attempt != known.attempts:
        text = "{} returned a lease of attempt {}; it should be {}"
        yield Violation("LEASE-5", text, (call, lease.attempt, known.attempts))
    due = known.expires_at
    if isinstance(due, Span):
        if not due.admits(lease.expires_at):
            seconds = round((lease.expires_at - due.first).total_seconds())
            wrong = f"{abs(seconds):,} s too {'late' if seconds > 0 else 'early'}"
            text = "{} returned a lease that expires {}: ttl counts from the call"
            yield Violation("LEASE-4", text, (call, Verbatim(wrong)))
    elif due is not None and lease.expires_at != due:
        off = (lease.expires_at - due).total_seconds()
        wrong = f"{abs(off):,.6g} s {'later' if off > 0 else 'earlier'}"
        text = "{} returned a lease that expires {} than its holder was told"
        yield Violation("LEASE-4", text, (call, Verbatim(wrong)))


def judge_claim_next(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[dict[str, JobState], list[Violation]]:
    """Judge a ``claim_next`` in a store in which nothing else was under way."""
    lease = outcome.value
    if outcome.error is not None or not (lease is None or isinstance(lease, Lease)):
        return {}, list(judge_claim(ABSENT, call, outcome)[1])
    violations = list(_out_of_turn(states, call, outcome))
    if lease is None:
        return {}, violations
    job_id = lease.job.id
    after, found = judge_claim(states.get(job_id, ABSENT), call, outcome)
    return {job_id: after}, [*violations, *found]


def _out_of_turn(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> Iterator[Violation]:
    """Tell whether another job was due, or none, or one where there was none."""
    lease: Any = outcome.value
    most: int | None = call.argument("most_running")
    least_held, most_held = _held(states, call, outcome)
    if lease is not None and most is not None and least_held >= most:
        text = "{} {}, while {} jobs were running under leases that had not expired"
        yield Violation("LEASE-6", text, (call, outcome, least_held))
    if most is not None and most_held >= most:
        return
    due = [
        sort_key(state.facts)
        for state in states.values()
        if state.facts is not None
        and not state.tainted
        and is_claimable(state, call, outcome) is True
    ]
    if not due:
        return
    oldest = min(due)
    if lease is None:
        law = "LEASE-1" if most is None else "LEASE-6"
        text = "{} returned None; it should have taken the job {}"
        yield Violation(law, text, (call, oldest[1]))
    elif oldest < (lease.job.created_at, lease.job.id):
        text = "{} {}; the job {} is older, and could have been taken"
        yield Violation("LEASE-1", text, (call, outcome, oldest[1]))


def _held(states: Mapping[str, JobState], call: Call, outcome: Outcome) -> tuple[int, int]:
    """Count the jobs that ran under leases: those that surely did, and those that may have."""
    expired = [
        _has_expired(state.lease, outcome)
        for state in states.values()
        if state.facts is not None
        and state.facts.status == "running"
        and state.lease.worker is not None
        and _is_of_source(state.facts, call)
    ]
    return expired.count(False), len(expired) - expired.count(True)


def is_current(state: JobState, lease: Lease) -> bool | None:
    """Return whether a lease is current; None: nobody knows the token of the one that is."""
    known = state.lease
    if state.facts is None or not known.may_be_held:
        return False
    if not known.is_known:
        return None
    if known.token is None:
        return None if lease.worker == known.worker else False
    return lease.token == known.token


def judge_renewal(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a ``renew``."""
    lease: Lease = call.arguments[0]
    if is_current(state, lease) is False or isinstance(outcome.error, LeaseLostError):
        return _judge_loss(state, call, outcome, lease)
    if outcome.error is not None:
        return state, unexpected(call, outcome, "LEASE-4")
    ttl: timedelta = call.argument("ttl")
    renewed = state.lease._replace(
        worker=lease.worker,
        is_known=True,
        expires_at=Span(outcome.began + ttl, outcome.ended + ttl),
        first_end=outcome.began + ttl,
        last_end=outcome.ended + ttl,
        renewed=True,
    )
    after = state._replace(lease=renewed)
    if outcome.value is UNSEEN:
        return after, ()
    if not isinstance(outcome.value, Lease):
        return after, (Violation("LEASE-4", "{} {}; a Lease is due", (call, outcome)),)
    return _shown(after, outcome.value, call, is_new=False)


def judge_fenced(state: JobState, lease: Lease, call: Call, outcome: Outcome) -> Judgement | None:
    """Judge whether a call may be made under a lease.

    Returns:
        What is known after a call that was or should have been refused; None where it is a call
        like one without the lease.
    """
    current = is_current(state, lease)
    if current is not False and not isinstance(outcome.error, LeaseLostError):
        return None
    return _judge_loss(state, call, outcome, lease)


def _judge_loss(state: JobState, call: Call, outcome: Outcome, lease: Lease) -> Judgement:
    """Judge a call with a lease that was lost, or that it says was lost."""
    after = state.blaming("LEASE-3") if state.blame == "GET-1" else state
    error = outcome.error
    lost = isinstance(error, LeaseLostError)
    if is_current(state, lease) is True:
        text = "{} {}; the lease is current: nobody claimed the job since, and it is running"
        return after, (Violation("LEASE-3", text, (call, outcome)),)
    if isinstance(error, LeaseLostError) and error.args == (lease.job.id, lease.worker):
        return after, ()
    text = "{} {}; the lease was lost: it should have raised LeaseLostError"
    violation = Violation("LEASE-3", f"{text} with the job and the worker" if lost else text, ())
    violation = violation._replace(values=(call, outcome))
    if error is None or isinstance(error, CollectionJobError | ValueError | TypeError | NoAnswer):
        return after, (violation,)
    return after, (unexpected(call, outcome, "LEASE-3")[0], violation)


def judge_lease(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what ``get_lease`` showed of a job."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "LEASE-3")
    lease, known = outcome.value, state.lease
    if not known.is_known and state.facts is not None:
        return _adopted(state, call, lease)
    if lease is None:
        if known.worker is None:
            return state, ()
        text = "{} returned None; {} has a lease of the job, which is current, expired or not"
        return state, (Violation("LEASE-3", text, (call, known.worker)),)
    if not isinstance(lease, Lease):
        return state, (Violation("LEASE-3", "{} {}; a Lease or None is due", (call, outcome)),)
    if state.facts is None or known.worker is None:
        text = "{} {}; nobody has a lease of it"
        return state, (Violation("LEASE-3", text, (call, outcome)),)
    return _shown(state, lease, call, is_new=False)


def _adopted(state: JobState, call: Call, lease: object) -> Judgement:
    """Take the lease that a store shows for the one that it has."""
    if not isinstance(lease, Lease):
        return state._replace(lease=state.lease.ended()._replace(is_known=True)), ()
    known = LeaseState(
        worker=lease.worker,
        token=lease.token,
        expires_at=lease.expires_at,
        first_end=lease.expires_at - CLOCK_TOLERANCE,
        last_end=lease.expires_at + CLOCK_TOLERANCE,
        attempts=lease.attempt,
        highest=max(state.lease.highest, lease.token),
    )
    return seen(state._replace(lease=known), lease.job, call, state.blame)
