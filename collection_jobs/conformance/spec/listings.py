"""The oracle on listings: which jobs one must show, in which order, and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeGuard, cast

from collection_jobs.conformance.spec.calls import Call, Outcome, code
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.model import Facts, JobState, seen, unexpected
from collection_jobs.job import CollectionJob

__all__ = [
    "LISTING_LAWS",
    "is_list_of_jobs",
    "is_page_of",
    "judge_listing",
    "matches",
    "page_of",
    "sort_key",
    "whole_of",
]

_DEFAULT_LIMIT = 100
_ALL = 1_000_000
LISTING_LAWS = {
    "list_by_status": ("LIST-1", "LIST-2"),
    "list_after": ("KEY-1", "KEY-2"),
    "list_recent": ("RECENT-1", "RECENT-1"),
    "get_running_jobs": ("RUNNING-1", "RUNNING-1"),
}
"""For each listing, the law of what it shows and the law of its pages."""


def judge_listing(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[Violation, ...]:
    """Judge one listing of a store in which nothing else was under way.

    Args:
        states: What is known of every id that was ever used.
        call: A call of one of the three listings.
        outcome: What came of it.

    Returns:
        The laws that were broken. Which jobs are shown, and in which order, is judged first; only
        when that is right, each job that is shown.
    """
    law, paging_law = LISTING_LAWS[call.method]
    if outcome.error is not None:
        return unexpected(call, outcome, law)
    jobs = outcome.value
    if not is_list_of_jobs(jobs):
        return (Violation(law, "{} {}; a list of jobs is due", (call, outcome)),)
    found = [job.id for job in jobs]
    whole = _whole(states, call)
    due = _page(whole, call)
    if found != due:
        if any(job_id in states and states[job_id].facts is None for job_id in found):
            law = paging_law = "DELETE-1"
        elif call.method == "list_recent":
            law = paging_law = _recent_law(states, call, found)
        elif call.method == "list_after":
            law = _key_law(states, call, found)
        elif _is_subsequence(found, whole) and not _is_short(found, due, call):
            law = paging_law
        text = "{} returned the jobs {}; it should have returned {}"
        return (Violation(law, text, (call, _ids(found), _ids(due))),)
    return tuple(
        violation
        for job in jobs
        for violation in seen(states[job.id]._replace(former=None), job, call, law)[1]
    )


def whole_of(call: Call) -> Call:
    """The listing of which a call shows a page."""
    if call.method == "list_by_status":
        return Call("list_by_status", (call.arguments[0], _ALL))
    if call.method == "list_after":
        return Call("list_after", (call.arguments[0], None, _ALL))
    return Call("list_recent", (_ALL,))


def is_page_of(whole: Outcome, call: Call, outcome: Outcome) -> bool:
    """Whether a call showed the right page of the whole listing as the store itself gives it."""
    if not is_list_of_jobs(whole.value) or not is_list_of_jobs(outcome.value):
        return False
    jobs = whole.value
    if call.method == "list_recent" and len(call.arguments) > 1 and call.arguments[1] is not None:
        jobs = [job for job in jobs if job.created_at >= call.arguments[1]]
    if call.method == "list_after":
        jobs = [job for job in jobs if _is_behind(call, (job.created_at, job.id))]
    return _page([job.id for job in jobs], call) == [job.id for job in outcome.value]


def is_list_of_jobs(value: object) -> TypeGuard[list[CollectionJob]]:
    """Whether a listing returned what it should by its type."""
    if type(value) is not list:
        return False
    return all(isinstance(item, CollectionJob) for item in cast("list[object]", value))


def _ids(ids: list[str]) -> Verbatim:
    return Verbatim(f"[{', '.join(map(code, ids))}]")


def _whole(states: Mapping[str, JobState], call: Call) -> list[str]:
    """The ids of every job that the listing is about, in its order."""
    stored = [state.facts for state in states.values() if state.facts is not None]
    due = [facts for facts in stored if matches(call, facts)]
    due.sort(key=sort_key, reverse=call.method == "list_recent")
    return [facts.id for facts in due]


def matches(call: Call, facts: Facts) -> bool:
    """Whether a job is one of those that the listing is about, its pages aside."""
    if call.method == "list_recent":
        since = call.arguments[1] if len(call.arguments) > 1 else None
        return since is None or facts.created_at >= since
    if call.method == "get_running_jobs":
        return facts.status == "running"
    wanted = facts.status == str(call.arguments[0].value)
    if call.method == "list_after":
        return wanted and _is_behind(call, sort_key(facts))
    return wanted


def _is_behind(call: Call, key: tuple[datetime, str]) -> bool:
    """Whether a job of this key comes behind the one from which a page by key goes on."""
    after: tuple[datetime, str] | None = call.arguments[1] if len(call.arguments) > 1 else None
    return after is None or key > (after[0], after[1])


def sort_key(facts: Facts) -> tuple[datetime, str]:
    """What the listings order by: list_recent from the greatest, the others from the least."""
    return facts.created_at, facts.id


def page_of(call: Call) -> tuple[int, int | None]:
    """The offset and the limit of a listing; None is no limit."""
    if call.method == "get_running_jobs":
        return 0, None
    at = {"list_by_status": 1, "list_after": 2}.get(call.method, 0)
    limit = call.arguments[at] if len(call.arguments) > at else _DEFAULT_LIMIT
    offset = call.arguments[2] if call.method == "list_by_status" and len(call.arguments) > 2 else 0
    return offset, limit


def _page(whole: list[str], call: Call) -> list[str]:
    offset, limit = page_of(call)
    return whole[offset:] if limit is None else whole[offset : offset + limit]


def _recent_law(states: Mapping[str, JobState], call: Call, found: list[str]) -> str:
    """RECENT-2 where the jobs would be right but for ``since``, else RECENT-1."""
    since = call.arguments[1] if len(call.arguments) > 1 else None
    if since is None:
        return "RECENT-1"
    if any(facts.created_at < since for facts in _facts(states, found)):
        return "RECENT-2"
    due = _page(_whole(states, call), call)
    missing = [facts for facts in _facts(states, due) if facts.id not in found]
    if missing and all(facts.created_at == since for facts in missing):
        return "RECENT-2"
    return "RECENT-1"


def _key_law(states: Mapping[str, JobState], call: Call, found: list[str]) -> str:
    """KEY-2 where the jobs would be right but for the key or the limit, else KEY-1."""
    all_of_them = Call("list_after", call.arguments[:1])
    whole = _whole(states, all_of_them)
    if not _is_subsequence(found, whole):
        return "KEY-1"
    first_page = len(call.arguments) < 2 or call.arguments[1] is None
    _, limit = page_of(call)
    short = limit is not None and len(found) < min(limit, len(whole))
    return "KEY-1" if first_page and short else "KEY-2"


def _facts(states: Mapping[str, JobState], ids: list[str]) -> list[Facts]:
    return [facts for job_id in ids if job_id in states and (facts := states[job_id].facts)]


def _is_subsequence(found: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(job_id in rest for job_id in found)


def _is_short(found: list[str], due: list[str], call: Call) -> bool:
    """Whether jobs are missing from a first page that has room for all of them."""
    offset = call.arguments[2] if len(call.arguments) > 2 else 0
    whole_fits = len(call.arguments) < 2 or len(due) < call.arguments[1]
    return len(found) < len(due) and offset == 0 and whole_fits
