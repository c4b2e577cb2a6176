"""The durability checker: what a store must hold after a kill, by what it acknowledged.

What a process was shown before it died is the measure, rather than what it should have been shown:
a store that keeps something other than it was given breaks another law, and is durable if it is
still that after the kill.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Call, Outcome
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.model import ABSENT, JobState, facts_of
from collection_jobs.conformance.spec.operations import (
    OPERATIONS,
    judge,
    judge_call,
    part_of,
)
from collection_jobs.conformance.spec.purging import is_purged
from collection_jobs.job import CollectionJob

__all__ = ["DurabilityChecker"]

_OF_REVISIONS = frozenset({"SAVE-4", "SAVE-5"})
_AFTERWARDS = "# The process is killed, and the store is opened again:"


@dataclass(slots=True)
class _Page:
    """What is known of one job."""

    state: JobState = ABSENT
    changed_by: str = ""
    """The method that last changed it, if the process was not shown the job since."""
    under_way: Call | None = None
    happened: bool | None = None
    """Whether the call that was under way took effect, as far as the store then showed it."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    lines: list[str] = field(default_factory=list[str])


class DurabilityChecker:
    """Keeps account of one store, across all the processes that work on it."""

    def __init__(self, ids: Iterable[str]) -> None:
        """Start with an empty store."""
        self._pages = {id_: _Page() for id_ in ids}
        self._calls: dict[int, Call] = {}
        self._known: set[str] = set()
        self._wrong_methods: set[str] = set()
        self.acknowledged: int = 0

    def began(self, number: int, call: Call) -> None:
        """Note that a call is under way."""
        self._calls[number] = call
        for job_id in self._ids_of(call):
            page = self._pages[job_id]
            page.under_way, page.began = call, datetime.now(UTC)

    def _ids_of(self, call: Call) -> tuple[str, ...]:
        """Return the jobs that a call changes: those that it names, or that a purge deletes.

        A purge is about jobs of its own client, which nobody else changes.
        """
        if not (call.counts_jobs and OPERATIONS[call.method].writes):
            return call.job_ids
        pages = self._pages.items()
        return tuple(job_id for job_id, page in pages if is_purged(call, page.state.facts))

    def method(self, number: int) -> str:
        """Return the method of a call that is under way."""
        return self._calls[number].method

    def ended(self, number: int, outcome: Outcome, *, first_life: bool) -> Finding | None:
        """Note a call's answer; return what it shows to be wrong, if a reopening is to blame.

        Args:
            number: The call's.
            outcome: What it answered.
            first_life: Whether the store was never closed yet. What is wrong then is wrong without
                any kill.
        """
        call = self._calls.pop(number)
        self.acknowledged += 1
        findings = [
            self._ended(self._pages[job_id], call, job_id, outcome, first_life=first_life)
            for job_id in self._ids_of(call)
        ]
        return next((finding for finding in findings if finding is not None), None)

    def _ended(
        self, page: _Page, call: Call, job_id: str, outcome: Outcome, *, first_life: bool
    ) -> Finding | None:
        page.under_way = None
        page.lines.append(f"await {call}  # {outcome}")
        before = page.state
        told = part_of(call, job_id, outcome)
        page.state, violations = judge(page.state, call.of(job_id), told)
        finding = self._blame_reopening(page, violations, first_life=first_life)
        if violations:
            # From now on nothing is concluded from what this method should have done.
            self._wrong_methods.add(page.changed_by or call.method)
        if call.method == "get_by_id":
            if violations:
                self._adopt(page, before, outcome)
            page.changed_by, page.lines = "", page.lines[-1:]
        else:
            page.changed_by = call.method
        return finding

    def _blame_reopening(
        self, page: _Page, violations: Iterable[Violation], *, first_life: bool
    ) -> Finding | None:
        """Revisions that start again after a reopening show only when the store is changed."""
        laws = {violation.law for violation in violations}
        if first_life:
            self._known |= laws
            return None
        for violation in violations:
            if violation.law in _OF_REVISIONS - self._known:
                history = ("# After the store was opened again:", *page.lines)
                return Finding(violation.law, violation.message, history)
        return None

    def _adopt(self, page: _Page, before: JobState, outcome: Outcome) -> None:
        """Take what the store shows for what it holds."""
        job = outcome.value
        if not isinstance(job, CollectionJob):
            page.state = JobState(spent=before.spent | before.given, lease=before.lease.anew())
            return
        revision = job.revision if isinstance(job.revision, int) else None
        given = before.given if revision is None else before.given | {revision}
        lease = before.lease.unknown()
        page.state = JobState(facts_of(job), revision, revision, given, before.spent, lease=lease)

    def reopened(self, events: Iterable[Event]) -> Iterator[Finding]:
        """Hold what a store shows after it was opened again against what it acknowledged."""
        under_way: dict[int, tuple[Call, list[str]]] = {}
        for id_, page in self._pages.items():
            if page.under_way is not None:
                of_call = under_way.setdefault(id(page.under_way), (page.under_way, []))
                of_call[1].append(id_)
        for event in events:
            job_id = event.call.job_id
            if event.outcome is None:
                continue
            if job_id is None:
                yield from self._listed(event.call, event.outcome)
            elif event.call.method == "get_by_id":
                yield from self._found(self._pages[job_id], event.call, event.outcome)
            else:
                yield from self._counted(self._pages[job_id], event.call, event.outcome)
        for call, ids in under_way.values():
            yield from self._halved(call, ids)

    def _halved(self, call: Call, ids: Sequence[str]) -> Iterator[Finding]:
        """Yield a finding where a call took effect on one of its jobs and not on another."""
        came = {job_id: self._pages[job_id].happened for job_id in ids}
        if {True, False} <= set(came.values()) and call.method not in self._wrong_methods:
            done = ", ".join(ascii(job_id) for job_id, happened in came.items() if happened)
            lines = [line for job_id in ids for line in self._pages[job_id].lines]
            yield Finding(
                "DURABLE-1",
                f"after the store was opened again, {call}, which was under way, had taken effect"
                f" on {done} only",
                (f"await {call}  # was under way", _AFTERWARDS, *lines),
            )

    def _found(self, page: _Page, call: Call, outcome: Outcome) -> Iterator[Finding]:
        before = page.state
        page.state, violations = judge(before, call, outcome)
        others: tuple[Violation, ...] = ()
        happened = _happened(page, before, call.job_ids[0], outcome.ended)
        page.happened = None
        if happened is not None:
            after, others = judge(happened, call, outcome)
            if not others:
                # Where both are possible, nothing is known.
                page.happened = True if violations else None
                if not violations and happened.lease != before.lease:
                    page.state = page.state._replace(lease=before.lease.unknown())
                page.state, violations = after if violations else page.state, ()
            elif not violations:
                page.happened = False
        if violations:
            methods = {page.changed_by, page.under_way.method if page.under_way else ""}
            if not methods & self._wrong_methods:
                yield _finding(page, call, outcome, (violations, others))
            self._adopt(page, before, outcome)
        page.under_way, page.changed_by = None, ""
        page.lines = [f"await {call}  # {outcome}"]

    def _counted(self, page: _Page, call: Call, outcome: Outcome) -> Iterator[Finding]:
        _, violations = judge(page.state, call, outcome)
        if violations and call.method not in self._wrong_methods:
            yield Finding(
                "DURABLE-1",
                f"after the store was opened again, {violations[0].message}",
                (*page.lines, f"await {call}  # {outcome}"),
            )

    def _listed(self, call: Call, outcome: Outcome) -> Iterator[Finding]:
        states = {id_: page.state for id_, page in self._pages.items()}
        _, violations = judge_call(states, call, outcome)
        if violations and call.method not in self._wrong_methods:
            lines = [line for page in self._pages.values() for line in page.lines]
            message = f"after the store was opened again, {violations[0].message}"
            yield Finding("DURABLE-1", message, (*lines, f"await {call}  # {outcome}"))

    def note_wrong(self, events: Iterable[Event]) -> None:
        """Remember which reads are wrong before any kill: they say nothing of one."""
        states = {id_: page.state for id_, page in self._pages.items()}
        for event in events:
            call, outcome = event.call, event.outcome
            if outcome is None:
                continue
            job_id = call.job_id
            if job_id is None:
                wrong = bool(judge_call(states, call, outcome)[1])
            else:
                wrong = bool(judge(states[job_id], call, outcome)[1])
            if wrong:
                self._wrong_methods.add(call.method)


def _happened(page: _Page, before: JobState, job_id: str, now: datetime) -> JobState | None:
    """Return the state if the call under way took effect; None where it could not have."""
    call = page.under_way
    if call is None:
        return None
    answer = OPERATIONS[call.method].success
    after, violations = judge(before, call.of(job_id), Outcome(page.began, now, answer))
    return None if violations else after


def _finding(
    page: _Page,
    call: Call,
    outcome: Outcome,
    against: tuple[Sequence[Violation], Sequence[Violation]],
) -> Finding:
    """Say what speaks against the states before and after the call that was under way."""
    lines = list(page.lines)
    if page.under_way is not None:
        lines.append(f"await {page.under_way}  # was under way")
    message = f"after the store was opened again, {against[0][0].message}"
    if against[1]:
        message += f"; if what was under way took effect, {against[1][0].message}"
    laws = [violations[0].law for violations in against if violations]
    of_revisions = [law for law in laws if law in _OF_REVISIONS]
    law = of_revisions[0] if of_revisions else "DURABLE-1"
    return Finding(law, message, (*lines, _AFTERWARDS, f"await {call}  # {outcome}"))
