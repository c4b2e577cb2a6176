"""The oracle on finding and counting: which jobs match a query, and what a summary shows of one.

It shares no code with `JobQuery.matches` and `JobSummary.from_job`: what the entity's own
definitions have wrong, an adapter that uses them would have wrong as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from collection_jobs.conformance.spec.calls import UNSEEN, Call, Outcome
from collection_jobs.conformance.spec.findings import NoMapping, Verbatim, Violation
from collection_jobs.conformance.spec.instants import in_utc
from collection_jobs.conformance.spec.model import (
    CLOCK_TOLERANCE,
    NO_LEASE,
    Facts,
    JobState,
    Span,
    unexpected,
)
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "admitted_summary",
    "facts_of_summary",
    "is_before",
    "is_count",
    "judge_count",
    "judge_summary",
    "matches",
    "stats_of",
]

Match = bool | None
"""Whether a job matches; None: it depends on a time that nobody has seen."""
_Asks = Callable[[Facts], Match]
_Difference = tuple[str, tuple[object, ...]]


def matches(call: Call) -> _Asks:
    """Return what tells whether a job meets every condition of the query of a call."""
    asked = list(_conditions(call.argument("query")))

    def says(facts: Facts) -> Match:
        undecided = False
        for condition in asked:
            answer = condition(facts)
            if answer is False:
                return False
            undecided = undecided or answer is None
        return None if undecided else True

    return says


def _conditions(query: JobQuery) -> Iterator[_Asks]:
    if query.statuses is not None:
        statuses = {str(status.value) for status in query.statuses}
        yield lambda facts: facts.status in statuses
    if (source := query.source) is not None:
        yield lambda facts: facts.source == source
    if (symbol := query.symbol) is not None:
        yield lambda facts: symbol in facts.symbols
    if query.metadata is not None:
        wanted = frozenset(query.metadata.items())
        yield lambda facts: wanted <= facts.metadata
    if (first := query.created_from) is not None:
        yield lambda facts: not facts.created_at < in_utc(first)
    if (end := query.created_before) is not None:
        yield lambda facts: facts.created_at < in_utc(end)
    if (limit := query.finished_before) is not None:
        yield lambda facts: is_before(facts.finished_at, in_utc(limit))
    if query.with_failures is not None:
        failed = query.with_failures
        yield lambda facts: (len(facts.failed_symbols) > 0) == failed


def is_before(instant: datetime | Span | None, limit: datetime) -> Match:
    """Return whether a job has a time, which is before a limit."""
    if instant is None:
        return False
    if not isinstance(instant, Span):
        return instant < limit
    if _later(instant.last) < limit:
        return True
    return None if limit > instant.first - CLOCK_TOLERANCE else False


def _later(instant: datetime) -> datetime:
    return instant + CLOCK_TOLERANCE


def stats_of(facts: Facts) -> JobStats:
    """Return the numbers of a job's outcomes."""
    return JobStats(
        total=len(facts.symbols),
        completed=len(facts.completed_symbols),
        failed=len(facts.failed_symbols),
        total_candles=sum(candles for _, candles in facts.completed_symbols),
    )


_SHOWN = tuple(name for name in Facts._fields if name in JobSummary.__slots__)
"""The fields of a job that a summary has as well."""
_PLACES = tuple((name, Facts._fields.index(name)) for name in _SHOWN)


def facts_of_summary(summary: JobSummary) -> Facts:
    """Return what a summary tells of its job: of its outcomes only whether any symbol failed."""
    nothing: Any = frozenset[Any]()
    values: dict[str, Any] = dict.fromkeys(Facts._fields, nothing)
    values |= {name: getattr(summary, name, None) for name in _SHOWN}
    values["status"] = str(getattr(summary.status, "value", summary.status))
    try:
        values["metadata"] = frozenset(summary.metadata.items())
    except (AttributeError, TypeError):
        values["metadata"] = NoMapping([(shown(summary.metadata), 0)])
    if getattr(summary.stats, "failed", 0):
        values["failed_symbols"] = frozenset({("some symbol", "")})
    return Facts(**values)


def judge_summary(
    state: JobState, summary: JobSummary, call: Call, law: str
) -> tuple[Violation, ...]:
    """Judge a summary of a stored job.

    Args:
        state: What is known of the job.
        summary: What was shown of it.
        call: The call that showed it.
        law: The law of which jobs the call shows: what a summary holds is another's.
    """
    if state.tainted or state.facts is None:
        return ()
    return tuple(
        Violation("FIND-2", f"{{}} showed the job {{}} with {what} {{}}; it should be {{}}", told)
        for what, told in _differences(call, state, state.facts, summary)
    )


def _differences(
    call: Call, state: JobState, facts: Facts, summary: JobSummary
) -> Iterator[_Difference]:
    """Yield what of a summary is wrong: its name; the call, the id, what it is and should be."""
    found = facts_of_summary(summary)
    for name, at in _PLACES:
        want: Any = facts[at]
        have: Any = found[at]
        if have != want and not (isinstance(want, Span) and want.admits(have)):
            due = Verbatim(str(want)) if isinstance(want, Span) else want
            yield f"the {name}", (call, facts.id, have, due)
    stats = stats_of(facts)
    if type(summary.stats) is not JobStats or summary.stats != stats:
        yield "the stats", (call, facts.id, summary.stats, stats)
    revision: Any = summary.revision
    if not _is_revision(state, revision):
        least = "a revision" if state.least is None else f"{state.least} or more"
        due = Verbatim(least) if state.revision is None else state.revision
        yield "the revision", (call, facts.id, revision, due)
    yield from _differences_of_leases(call, state, summary)


def _is_revision(state: JobState, revision: object) -> bool:
    if not isinstance(revision, int):
        return False
    if state.revision is not None:
        return revision == state.revision
    return (state.least is None or revision >= state.least) and revision not in state.spent


def _differences_of_leases(
    call: Call, state: JobState, summary: JobSummary
) -> Iterator[_Difference]:
    lease = state.lease
    if not lease.is_known:
        return
    if summary.worker != lease.worker:
        yield "the worker", (call, summary.id, summary.worker, lease.worker)
    expires: Any = lease.expires_at if lease.worker is not None else None
    have: Any = summary.expires_at
    if isinstance(expires, Span):
        if not expires.admits(have):
            due = Verbatim(str(expires))
            yield "a lease that expires at", (call, summary.id, have, due)
    elif have != expires:
        yield "a lease that expires at", (call, summary.id, have, expires)


def admitted_summary(state: JobState, summary: JobSummary, found: Facts) -> JobState | None:
    """Return what is known of a job after a summary of it; None if none of that job can be so.

    This is `judge_summary` without the words: the search for an order of concurrent calls asks it.
    """
    facts = state.facts
    if facts is None or not _is_revision(state, summary.revision):
        return None
    for _, at in _PLACES:
        want: Any = facts[at]
        if found[at] != want and not (isinstance(want, Span) and want.admits(found[at])):
            return None
    if summary.stats != stats_of(facts):
        return None
    nobody = state.lease is NO_LEASE and summary.worker is None and summary.expires_at is None
    if not nobody and any(_differences_of_leases(_NO_CALL, state, summary)):
        return None
    if state.revision is not None:
        return state
    revision = cast("int", summary.revision)
    known: dict[str, Any] = {name: found[at] for name, at in _PLACES}
    return state._replace(
        facts=facts._replace(**known),
        revision=revision,
        least=revision,
        given=state.given | (revision,),
    )


_NO_CALL = Call("find", (JobQuery(),))


def is_count(value: object) -> bool:
    """Return whether a value tells a number for every status, and for nothing else."""
    if not isinstance(value, Mapping):
        return False
    counts = cast("Mapping[object, object]", value)
    return (
        len(counts) == len(JobStatus)
        and all(type(status) is JobStatus for status in counts)
        and all(type(number) is int for number in counts.values())
    )


def judge_count(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[dict[str, JobState], list[Violation]]:
    """Judge a ``count`` in a store in which nothing else was under way."""
    if outcome.error is not None:
        return {}, list(unexpected(call, outcome, "FIND-3"))
    if outcome.value is UNSEEN:
        return {}, []
    if not is_count(outcome.value):
        text = "{} {}; a mapping of every JobStatus to a number is due"
        return {}, [Violation("FIND-3", text, (call, outcome))]
    least, unsure = Counter[str](), Counter[str]()
    says = matches(call)
    for state in states.values():
        if state.facts is None:
            continue
        answer = says(state.facts)
        least[state.facts.status] += answer is True
        unsure[state.facts.status] += answer is None
    value = cast("Mapping[JobStatus, int]", outcome.value)
    for status in JobStatus:
        fewest = least[status.value]
        if not fewest <= value[status] <= fewest + unsure[status.value]:
            text = "{} counted {} jobs that are {}; it should be {}"
            found = (call, value[status], Verbatim(status.value), fewest)
            return {}, [Violation("FIND-3", text, found)]
    return {}, []
