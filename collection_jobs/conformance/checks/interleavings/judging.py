"""Judging a run: its history, unless one of the same program explains it that was judged before.

Most schedules of a program give the answers that another schedule gave. An order of the calls that
explains these, and keeps to who was done before whom, explains them also where fewer calls were
done before others. To see that takes a fraction of what the search for such an order takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from operator import attrgetter

from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Outcome
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import Facts, facts_of
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.errors import CollectionJobError
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats

__all__ = ["ALONE", "Judged", "judge_run"]

ALONE = frozenset(("setup", "after"))
"""Who makes its calls while nobody else does."""

_Before = frozenset[tuple[int, int]]
"""Which calls were done before which others began."""

Judged = dict[int, list[_Before]]
"""By the answers of a history, as a hash: in which order they were given and kept every law."""

_PLAIN = frozenset((type(None), bool, int, str))
_STARTED, _FINISHED = (Facts._fields.index(name) for name in ("started_at", "finished_at"))


def judge_run(events: Sequence[Event], probes: int, kept: Judged) -> tuple[Finding, ...]:
    """Return what is wrong with a history: with what came before its probes, if anything is.

    Args:
        events: The history.
        probes: How many of the events, the last, are probes: they are told of only where nothing
            shows without them.
        kept: The histories of the same program that kept every law; this one is added if it does.
    """
    by_client = sorted(events, key=attrgetter("client"))
    answers = _answers(by_client)
    if answers is None:
        return _checked(events, probes)
    before, known = _before(by_client), kept.setdefault(answers, [])
    if any(before <= one for one in known):
        return ()
    findings = _checked(events, probes)
    if not findings:
        known.append(before)
    return findings


def _checked(events: Sequence[Event], probes: int) -> tuple[Finding, ...]:
    without = events[: len(events) - probes]
    if any(OPERATIONS[one.call.method].capability is not None for one in without):
        # What is judged of several jobs at once is judged the less the more is done to them.
        return tuple(check(without) or check(events))
    findings = check(events)
    if findings and probes:
        findings = check(without) or findings
    return tuple(findings)


def _before(events: Sequence[Event]) -> _Before:
    several = [(number, one) for number, one in enumerate(events) if one.client not in ALONE]
    return frozenset(
        (first, second)
        for (first, one), (second, other) in permutations(several, 2)
        if one.ended is not None and one.ended < other.began
    )


def _answers(events: Sequence[Event]) -> int | None:
    """Return a hash that equal answers to one program have in common; None where none can be made.

    What was asked follows from the program and from the earlier answers. Of times that the adapter
    took from a clock during the run only the order of their first mention counts: they are judged
    to the minute, and a run takes milliseconds.
    """
    ended = [one.outcome.began for one in events if one.outcome is not None]
    if not ended:
        return None
    reader = _Reader(min(ended))
    try:
        return hash(tuple((one.client, reader.told(one.outcome)) for one in events))
    except (_Unknown, TypeError):  # an adapter may put into a field what has no hash
        return None


class _Unknown(Exception):  # noqa: N818 - nothing is wrong
    """A value of a kind that is compared with no other."""


class _Reader:
    """Reads the outcomes of one history, as values that can be hashed."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._ended = datetime.now(began.tzinfo)
        self._times: dict[datetime, int] = {}
        self._jobs: dict[int, object] = {}  # by identity: many stores return one object twice

    def told(self, outcome: Outcome | None) -> object:
        if outcome is None:
            return None
        error = outcome.error
        if error is None:
            return self._value(outcome.value)
        if not isinstance(error, CollectionJobError):
            raise _Unknown
        return type(error), str(error), outcome.hidden, error.__cause__ is None

    def _value(self, value: object) -> object:
        kind = type(value)
        if kind in _PLAIN:
            return kind, value  # with its type, for True equals 1
        if isinstance(value, CollectionJob):
            return self._job(value)
        if kind is list:
            return tuple(map(self._job, value))  # type: ignore[call-overload] # it is a list
        if isinstance(value, JobStats):
            return kind, value.total, value.completed, value.failed, value.total_candles
        raise _Unknown

    def _job(self, job: object) -> object:
        told = self._jobs.get(id(job))
        if told is None:
            if type(job) is not CollectionJob:
                raise _Unknown
            facts = facts_of(job)
            times = self._time(facts[_STARTED]), self._time(facts[_FINISHED])
            told = hash((job.revision, times, facts[:_STARTED], facts[_FINISHED + 1 :]))
            self._jobs[id(job)] = told
        return told

    def _time(self, time: object) -> object:
        if not isinstance(time, datetime) or not self._began <= time <= self._ended:
            return time
        return self._times.setdefault(time, len(self._times))
