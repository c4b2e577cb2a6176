"""The oracle on saves: of one job, and of several that are saved together or not at all."""

from __future__ import annotations

from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.model import (
    NO_LEASE,
    Facts,
    JobState,
    Judgement,
    facts_of,
    unexpected,
)
from collection_jobs.errors import StaleJobError
from collection_jobs.job import CollectionJob

__all__ = ["judge_part", "judge_save", "judge_whole"]


def judge_save(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a ``save``, by what is known of the job before it."""
    job: CollectionJob = call.arguments[0]
    stale = _is_stale(state, job.revision)
    if isinstance(outcome.error, StaleJobError):
        return _refused_save(state, call, outcome, may_be_stale=stale is not False)
    if outcome.error is not None:
        law = "SAVE-2" if job.revision is None else "SAVE-3"
        return state, unexpected(call, outcome, law)
    after = _written(state, facts_of(job), conditional=job.revision is not None)
    if stale:
        text = "{} took effect, though the job was no longer {}; StaleJobError is due"
        now = "stored" if state.facts is None else f"at revision {job.revision}"
        law = "SAVE-3" if state.facts is None or job.revision not in state.spent else "SAVE-5"
        return after, (Violation(law, text, (call, Verbatim(now))),)
    if outcome.value is not None:
        return after, (Violation("SAVE-1", "{} {}; save returns None", (call, outcome)),)
    return after, ()


def _is_stale(state: JobState, revision: int | None) -> bool | None:
    """Whether a save at this revision must be refused; None where both are possible."""
    if revision is None:
        return False
    if state.facts is None:
        return True
    if state.revision is not None:
        return revision != state.revision
    if revision in state.spent or (state.least is not None and revision < state.least):
        return True
    return None


def _refused_save(
    state: JobState, call: Call, outcome: Outcome, *, may_be_stale: bool
) -> Judgement:
    job: CollectionJob = call.arguments[0]
    error = outcome.error
    assert isinstance(error, StaleJobError)  # noqa: S101 - the caller looked; this tells the type checker
    if not may_be_stale:
        law = "SAVE-2" if job.revision is None else "SAVE-3"
        text = "{} {}; but the store still had that revision"
        if job.revision is None:
            text = "{} {}; but a job without a revision is saved unconditionally"
        return state, (Violation(law, text, (call, outcome)),)
    after = state.blaming("SAVE-3") if state.blame == "GET-1" else state
    found = state.revision if state.facts is not None else None
    known = state.facts is None or state.revision is not None
    wrong = error.job_id != job.id or error.expected != job.revision
    if wrong or (known and error.found != found):
        text = "{} {}; its job_id, expected and found should be {}, {} and {}"
        values = (call, outcome, job.id, job.revision, found)
        return after, (Violation("SAVE-3", text, values),)
    return after, ()


def _written(state: JobState, facts: Facts, *, conditional: bool) -> JobState:
    """Return the state after a save that took effect."""
    replaced = state.facts
    same = replaced == facts
    least = state.least if state.revision is None else state.revision
    if least is not None and not same:
        least += 1
    if replaced is None:
        former, law = state.former, "DELETE-2"
    else:
        former, law = replaced, "SAVE-3" if conditional else "SAVE-2"
    given, spent, lease = state.given, state.spent, state.lease
    if facts.status != "running" and lease.may_be_held:
        lease = lease.ended()
    after = JobState(facts, None, least, given, spent, "SAVE-1", former, law, state.tainted)
    return after if lease is NO_LEASE else after._replace(lease=lease)


def judge_whole(call: Call, outcome: Outcome) -> tuple[Violation, ...]:
    """Judge what of a ``save_many`` is about none of its jobs: no job at all, or a strange one."""
    error = outcome.error
    if call.job_ids:
        if not isinstance(error, StaleJobError) or error.job_id in call.job_ids:
            return ()
        return (Violation("MANY-1", "{} {}; but no such job was to be saved", (call, outcome)),)
    if error is not None:
        return unexpected(call, outcome, "MANY-1")
    if outcome.value is not None:
        return (Violation("MANY-1", "{} {}; save_many returns None", (call, outcome)),)
    return ()


def judge_part(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge what a ``save_many`` did to one job.

    Args:
        state: What is known of the job before the call.
        call: The call as far as it is about this job: it may be saved more than once.
        outcome: What came of the whole call.
    """
    if isinstance(outcome.error, StaleJobError):
        return _refused_part(state, call, outcome.error, outcome)
    if outcome.error is not None:
        return state, unexpected(call, outcome, "MANY-1")
    violations: list[Violation] = []
    after = state
    for job in call.arguments[0]:
        if _is_stale(after, job.revision) and not violations:
            text = "{} took effect, though the job {} was not at revision {}; StaleJobError is due"
            violations.append(Violation("MANY-1", text, (call, job.id, job.revision)))
        after = _written(after, facts_of(job), conditional=job.revision is not None)
    if outcome.value is not None:
        violations.append(Violation("MANY-1", "{} {}; save_many returns None", (call, outcome)))
    law = "DELETE-2" if state.facts is None else "MANY-1"
    # Whether a job that is saved twice by one call changes once or twice is left open.
    least = state.least if state.revision is None else state.revision
    if least is not None and after.facts != state.facts:
        least += 1
    return after._replace(blame="MANY-1", former_blame=law, least=least), tuple(violations)


def _refused_part(state: JobState, call: Call, error: StaleJobError, outcome: Outcome) -> Judgement:
    """Judge a refusal: it changed nothing, and a job that it names is one that was stale."""
    after = state.blaming("MANY-2") if state.blame == "GET-1" else state
    if error.job_id not in call.job_ids:
        return after, ()
    met = state
    for job in call.arguments[0]:
        stale = _is_stale(met, job.revision)
        known = met.facts is None or met.revision is not None
        found = met.revision if met.facts is not None else None
        told = error.expected == job.revision and (not known or error.found == found)
        if stale is not False and told:
            return after, ()
        if stale:
            break  # those behind it were never looked at
        met = _written(met, facts_of(job), conditional=job.revision is not None)
    text = "{} {}; but the store has no such copy of that job to refuse"
    return after, (Violation("MANY-1", text, (call, outcome)),)
