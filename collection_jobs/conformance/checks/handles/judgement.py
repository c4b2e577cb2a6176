"""Judging a script: what the processes of a script were told, held against the laws."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from collection_jobs.conformance.checks.handles.play import LAST, Played
from collection_jobs.conformance.checks.handles.script import CLOSE, OPEN, law_of_job
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, is_hung
from collection_jobs.conformance.spec.calls import Outcome, brief
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.errors import CollectionJobError, RepositoryError

__all__ = ["judge_script"]

_LONGEST = 12
"""Lines of a history; of a longer one, what is not about the job that is lost is left out."""
_OF_THEIR_OWN = frozenset({"SAVE-3", "SAVE-4", "SAVE-5", "MANY-3"})
"""Laws that say more of a loss than the job that was lost does."""
_OF_CLAIMS = frozenset({"STATUS-1", "STATUS-2"})
_DURABLE = "DURABLE-1"


def judge_script(played: Played) -> list[Finding]:
    """Find what was acknowledged and is not so, at most one finding for each law.

    What shows before a process was killed is judged by itself, for no kill is to blame for it.
    """
    played = replace(played, events=list(_without_early_refusals(played.events)))
    before = [
        event
        for event in played.events
        if played.killed_at is None or event.began < played.killed_at
    ]
    found = _judged(played, before, killed=False)
    if not found and played.killed_at is not None:
        found = _judged(played, played.events, killed=True)
    return list({finding.law: finding for finding in reversed(found)}.values())


def _without_early_refusals(events: Sequence[Event]) -> Iterator[Event]:
    """Leave out openings that were refused while the store was made; whoever tries again has it.

    SQLite refuses all but one of those who switch a new file to its write-ahead log at once.
    """
    opened = (event.ended for event in events if event.call.method == OPEN and not _failed(event))
    made = min((ended for ended in opened if ended is not None), default=0)
    return (
        event
        for event in events
        if event.call.method != OPEN or not (_failed(event) and event.began < made)
    )


def _failed(event: Event) -> bool:
    return event.outcome is not None and isinstance(event.outcome.error, RepositoryError)


def _judged(played: Played, events: Sequence[Event], *, killed: bool) -> list[Finding]:
    found = [
        _finding(played, "ATOMIC-1", _told(event), (event,), killed=killed)
        for event in events
        if event.call.method in (OPEN, CLOSE) and event.outcome and event.outcome.error
    ]
    if not found and played.died is not None and (killed or played.killed_at is None):
        process, how = played.died
        found.append(_finding(played, "ATOMIC-1", f"process {process}: {how}", (), killed=killed))
    if found:
        return found
    calls = [event for event in events if event.call.method not in (OPEN, CLOSE)]
    raised = [event for event in calls if _may_not_be_raised(event)]
    if raised:
        return [_finding(played, "ATOMIC-1", _told(raised[0]), raised[:1], killed=killed)]
    ids = {id_ for event in calls for id_ in event.call.job_ids}
    return [_of_history(played, found, killed=killed) for found in check_among(ids, calls)]


def _may_not_be_raised(event: Event) -> bool:
    """Whether a call failed where the same call on one handle alone does not."""
    error = None if event.outcome is None else event.outcome.error
    if error is None or is_hung(event):
        return error is not None
    return isinstance(error, RepositoryError) or not isinstance(error, CollectionJobError)


def _told(event: Event) -> str:
    what = {OPEN: "opening the store", CLOSE: "closing it"}.get(event.call.method, event.call)
    return f"handle {event.client}: {what} {event.outcome}"


def _of_history(played: Played, found: Finding, *, killed: bool) -> Finding:
    law = found.law
    if law not in _OF_THEIR_OWN:
        law = "ATOMIC-1" if found.job_id is None else law_of_job(found.job_id)
    if law == "STATUS-2" and found.law not in _OF_CLAIMS:
        law = "ATOMIC-1"  # a claim that was undone, or lost with its job, was not won twice
    about = [
        event
        for event in played.calls
        if found.job_id is None or found.job_id in event.call.job_ids
    ]
    return _finding(played, law, found.message, about, killed=killed)


def _finding(
    played: Played, law: str, message: str, about: Collection[Event], *, killed: bool
) -> Finding:
    when = "with handles of several processes opened and closed"
    if killed:
        law = law if law in _OF_THEIR_OWN else _DURABLE
        processes = " and ".join(played.killed)
        when = f"after process {processes} was killed and the store was opened again"
    return Finding(law, f"{when}, {message}", tuple(_history(played, about)))


def _history(played: Played, about: Collection[Event]) -> Iterable[str]:
    """Write the calls as Python, process by process; a handle has its process's name and number."""
    events = [event for event in played.events if event.outcome is not None or event in about]
    many = len(events) > _LONGEST
    events = [
        event
        for event in events
        if event in about
        or event.call.method in (OPEN, CLOSE)
        or not (many or event.client[0] == LAST)
    ]
    at, lines, left = "", list[str](), set(played.killed)
    for event in events:
        process = event.client[0]
        if process != at:
            at = process
            if process == LAST:
                lines += [f"# Process {one} is killed." for one in sorted(left)]
            lines.append(f"# Process {process}:")
        lines.append(_line(event))
    if len(lines) > _LONGEST:
        lines = ["# The last of many calls:", *lines[-_LONGEST + 1 :]]
    return lines


def _line(event: Event) -> str:
    name = event.client.lower()
    if event.call.method == OPEN:
        link = "  # by a symbolic link" if event.call.arguments[0] else ""
        failed = _error(event.outcome, ": " if link else "  # ")
        return f"{name} = await opening.__aenter__(){link}{failed}"
    if event.call.method == CLOSE:
        return f"await {name}.__aexit__(None, None, None){_error(event.outcome, '  # ')}"
    call = str(event.call).replace("repository.", f"{name}.", 1)
    outcome = event.outcome
    if outcome is None:
        return f"await {call}  # was under way"
    return f"await {call}  # {outcome if outcome.error else brief(outcome.value)}"


def _error(outcome: Outcome | None, before: str) -> str:
    return "" if outcome is None or outcome.error is None else f"{before}{outcome}"
