"""The oracle of many jobs: judges a long run call by call, and goes on after what it found.

After a violation the job that it is about is doubtful: it is read again, and taken as the store
says it is, so that one fault does not hide the others. A listing is judged only while no job is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.domains import CHOSEN, SIZES, classes_of
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.model import ABSENT, Facts, JobState, facts_of
from collection_jobs.conformance.spec.operations import OPERATIONS, judge_call
from collection_jobs.conformance.spec.well_formed import has_order
from collection_jobs.fields import Field, FieldKind
from collection_jobs.job import CollectionJob

__all__ = ["OF_REVISIONS", "BulkOracle"]

_DURABLE = "DURABLE-1"
OF_REVISIONS = frozenset({"SAVE-4", "SAVE-5"})
"""The laws of revisions: a store that loses changes breaks them, too."""
_USES = {"closed": "reopened", "killed": "read after a kill"}
"""What a read does with a value, by the way in which the process before it ended."""


class BulkOracle:
    """What is known of every job of one store.

    Attributes:
        states: The state of every id that was ever used.
        doubtful: The ids whose stored state is not known, because a law was broken.
        hung: Whether a call gave no answer.
    """

    def __init__(self, coverage: Coverage, *, durable: bool) -> None:
        """Start with an empty store.

        Args:
            coverage: Told of the values that are saved, read and listed.
            durable: Whether the adapter declares that it keeps what it acknowledged.
        """
        self.states: dict[str, JobState] = {}
        self.doubtful: set[str] = set()
        self.hung: bool = False
        self._coverage = coverage
        self._durable = durable
        self._ended: str | None = None
        self._unread: set[str] = set()
        self._listed: dict[str, set[str]] = {}
        self._astray: set[str] = set()
        self._consequent: set[str] = set()
        self._noted: dict[str, set[str]] = {}
        self._open_names: dict[str, frozenset[str]] = {}

    @property
    def has_given_up(self) -> bool:
        """Whether no listing is judged any more, since it cannot be told what is to be listed."""
        return bool(self._astray)

    @property
    def stored(self) -> list[str]:
        """The ids of the jobs that are stored, in the order in which they were first used."""
        return [job_id for job_id, state in self.states.items() if state.facts is not None]

    def reopened(self, ended: str) -> None:
        """Note that the store was opened again, after its process closed it or was killed."""
        self._ended = ended
        self._unread = set(self.states)
        self._listed.clear()
        self._noted.pop("reopened", None)
        self._noted.pop("read after a kill", None)

    def judge(self, call: Call, outcome: Outcome, *, tentative: bool = False) -> list[Violation]:
        """Judge a call, and remember what is known of its jobs afterwards.

        Args:
            call: The call.
            outcome: What came of it.
            tentative: Whether nothing is remembered of a wrong answer: the call is made again.
        """
        if isinstance(outcome.error, NoAnswer):
            self.hung = True
        if call.is_listing:
            return self._judge_listing(call, outcome)
        if call.counts_jobs:
            return self._judge_of_many(call, outcome)
        return self._judge_of_named(call, outcome, tentative)

    def _judge_of_named(self, call: Call, outcome: Outcome, tentative: bool) -> list[Violation]:
        if not self._astray.isdisjoint(call.job_ids):
            self.states |= judge_call(self.states, call, outcome)[0]
            return []
        if not self.doubtful.isdisjoint(call.job_ids):
            if call.method == "get_by_id":
                self.adopt(call.job_ids[0], outcome)
            if OPERATIONS[call.method].writes:
                self.doubtful.update(call.job_ids)
            return []
        states, violations = judge_call(self.states, call, outcome)
        if violations and tentative:
            return violations
        self.states |= states
        if violations:
            self.doubtful.update(states)
            return [self._after_reopening(one, call, self._unread, states) for one in violations]
        self._note(call, outcome)
        if OPERATIONS[call.method].writes or call.method == "get_by_id":
            self._unread.difference_update(states)
        return violations

    def _judge_listing(self, call: Call, outcome: Outcome) -> list[Violation]:
        if self.doubtful or self._astray:
            return []
        _, violations = judge_call(self.states, call, outcome)
        if not violations:
            listing = OPERATIONS[call.method].listing
            if listing is not None and listing.is_shown(outcome.value):
                listed = {job.id for job in outcome.value}
                self._listed.setdefault(call.method, set()).update(listed)
                self._seen("listed", listed)
            return []
        due = _due(self.states, call)
        unlisted = due - self._listed.get(call.method, set())
        found = [
            self._after_reopening(one, call, unlisted, due)
            for one in violations
            if one.law not in self._consequent
        ]
        if any(one.law == _DURABLE for one in found):
            self._consequent.update(one.law for one in violations)
        return found

    def _judge_of_many(self, call: Call, outcome: Outcome) -> list[Violation]:
        """Judge a count or a purge: like a listing only while every job is known."""
        states, violations = judge_call(self.states, call, outcome)
        is_doubtful = bool(self.doubtful or self._astray)
        changed = [
            job_id
            for job_id, state in states.items()
            if state.facts is not self.states[job_id].facts
        ]
        self.states |= states
        for job_id in changed:
            self._forget(job_id)
        if is_doubtful or not violations:
            return []
        if OPERATIONS[call.method].writes:
            self.doubtful.update(states)
            return violations
        return [
            self._after_reopening(one, call, self._unread, self.states)
            for one in violations
            if one.law not in self._consequent
        ]

    def _after_reopening(
        self, violation: Violation, call: Call, since: set[str], names: Iterable[str]
    ) -> Violation:
        """Lay what shows only after a reopening to the keeping of the store, if it promises it."""
        if self._ended is None or OPERATIONS[call.method].writes or since.isdisjoint(names):
            return violation
        how = "its process was killed" if self._ended == "killed" else "it was closed"
        message = f"after {how} and the store was opened again, {violation.message}"
        of_revisions = violation.law in OF_REVISIONS
        law = _DURABLE if self._durable and not of_revisions else violation.law
        return Violation(law, "{}", (Verbatim(message),))

    def adopt(self, job_id: str, outcome: Outcome) -> None:
        """Take a doubtful job as the store says it is; where listings may say otherwise, give up.

        Whether a change was lost or a read is late cannot be told: where that decides what is
        listed, nothing is judged of this job any more, and no listing.
        """
        self.doubtful.discard(job_id)
        self._unread.discard(job_id)
        self._forget(job_id)
        state = self.states.get(job_id, ABSENT)
        job = outcome.value
        found = facts_of(job) if isinstance(job, CollectionJob) else None
        spoilt = isinstance(job, CollectionJob) and not has_order(job)
        if spoilt or _listed_as(found) != _listed_as(state.facts):
            self._astray.add(job_id)
            return
        if not isinstance(job, CollectionJob):
            spent = state.spent | state.given
            self.states[job_id] = JobState(spent=spent, lease=state.lease.anew())
            return
        revision = job.revision if isinstance(job.revision, int) else None
        self.states[job_id] = JobState(
            facts=found,
            revision=revision,
            least=revision,
            given=state.given if revision is None else state.given | {revision},
            spent=state.spent,
            tainted=True,
            lease=state.lease.unknown(),
        )

    # What was done with which values

    def _note(self, call: Call, outcome: Outcome) -> None:
        if outcome.error is not None:
            return
        if OPERATIONS[call.method].writes:
            for job_id in call.job_ids:
                self._forget(job_id)
            for job in call.jobs:
                self._seen("saved", (job.id,))
        elif isinstance(outcome.value, CollectionJob):
            self._seen("read", call.job_ids)
            if self._ended is not None:
                self._seen(_USES[self._ended], self._unread.intersection(call.job_ids))

    def _forget(self, job_id: str) -> None:
        for ids in self._noted.values():
            ids.discard(job_id)

    def _seen(self, use: str, ids: Iterable[str]) -> None:
        names = self._open_names.get(use)
        if names is None:
            names = self._open_names[use] = self._coverage.open_names(use)
        if not names:
            return
        noted = self._noted.setdefault(use, set())
        for job_id in ids:
            facts = self.states[job_id].facts
            if job_id in noted or facts is None:
                continue
            noted.add(job_id)
            with suppress(TypeError):  # a store may say of a job what has no hash, and no class
                if self._coverage.note(use, _classes(facts)):
                    self._open_names.pop(use, None)


def _due(states: Mapping[str, JobState], call: Call) -> set[str]:
    """Return the ids of all jobs that a listing has, be they on this page or on another."""
    listing = OPERATIONS[call.method].listing
    return set() if listing is None else set(listing.whole(states, call))


def _listed_as(facts: Facts | None) -> object:
    """Return what decides where a job is listed."""
    return None if facts is None else (facts.id, facts.status, facts.created_at)


@lru_cache(maxsize=8192)  # most jobs are noted for one use after another
def _classes(facts: Facts) -> frozenset[tuple[str, str]]:
    found = set[tuple[str, str]]()
    for field in CHOSEN:
        # A value of another type is of no class; what is wrong with it is told by the judges.
        with suppress(TypeError):
            found.update(_classes_of_value(field, getattr(facts, field.name)))
    return frozenset(found)


@lru_cache(maxsize=8192)  # most values are drawn from domains that are smaller
def _classes_of_value(field: Field, value: Any) -> tuple[tuple[str, str], ...]:
    if field.kind in SIZES and field.kind not in (FieldKind.NAMES, FieldKind.NAME_SET):
        value = dict(value)
    return tuple((field.name, name) for name in classes_of(field, value))
