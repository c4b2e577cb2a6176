"""Listings among concurrent calls: what each tells of each job, by the weaker rule of ATOMIC-1.

A listing need not be one instant: it shows each job as it was at some instant of the call, no job
twice, and leaves none out that matched throughout. So to each job it is a read of that job alone,
and what does not depend on the other calls (the order, the limit, the filter) is judged here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.sequential_spec import JobOperation, listed, missed
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.listings import Listed, page_of, sort_key
from collection_jobs.conformance.spec.model import Facts, JobState
from collection_jobs.conformance.spec.operations import listing_of
from collection_jobs.conformance.spec.signatures import SAVES
from collection_jobs.conformance.spec.well_formed import is_well_formed

__all__ = ["Ages", "judge_shown", "readings"]

_MANY = 1 << 62


class Ages:
    """For each id of a history, between which times its jobs were created.

    From them follows how many jobs can possibly stand before another in a listing, whatever the
    order of the calls: too many rather than too few, so that no page is called wrong that is right.
    """

    def __init__(self, events: Iterable[Event], initial: Mapping[str, JobState]) -> None:
        """Collect them from the jobs that were saved or were there before."""
        self._ages: dict[str, tuple[datetime, datetime]] = {}
        for event in events:
            for job in event.call.jobs if event.call.method in SAVES else ():
                self._add(job.id, job.created_at)
        for job_id, state in initial.items():
            if state.facts is not None:
                self._add(job_id, state.facts.created_at)
        self._first = sorted((first, id_) for id_, (first, _) in self._ages.items())
        self._last = sorted((last, id_) for id_, (_, last) in self._ages.items())

    def _add(self, job_id: str, created_at: datetime) -> None:
        first, last = self._ages.get(job_id, (created_at, created_at))
        self._ages[job_id] = min(first, created_at), max(last, created_at)

    def before(self, job_id: str, *, newest_first: bool) -> int:
        """Return the most other jobs that can stand before a job in a listing."""
        if job_id not in self._ages:
            return _MANY
        first, last = self._ages[job_id]
        if newest_first:
            possible = len(self._last) - bisect_right(self._last, (first, job_id))
            itself = (last, job_id) > (first, job_id)
        else:
            possible = bisect_left(self._first, (last, job_id))
            itself = (first, job_id) < (last, job_id)
        return possible - itself


def judge_shown(event: Event, ages: Ages) -> Iterator[Violation]:
    """Judge what a listing returned as far as no other call can excuse it.

    Args:
        event: A listing that came back without an error.
        ages: Those of its history.
    """
    call, outcome = event.call, event.outcome
    listing = listing_of(call)
    shown: object = None if outcome is None else outcome.value
    if not listing.is_shown(shown):
        yield Violation(listing.law, f"{{}} {{}}; {listing.due} is due", (call, outcome))
        return
    try:
        yield from _judge_jobs(event, shown, ages)
    except TypeError:
        spoilt = [job.id for job in shown if not is_well_formed(job)]
        if not spoilt:
            raise
        text = "{} showed the job {}, of which a field has a value that no job may have"
        yield Violation(listing.law, text, (call, spoilt[0]))


def _judge_jobs(event: Event, jobs: Iterable[Listed], ages: Ages) -> Iterator[Violation]:
    call = event.call
    listing = listing_of(call)
    law = listing.law
    found = [listing.facts(job) for job in jobs]
    ids = [facts.id for facts in found]
    offset, limit = page_of(call)
    if len(set(ids)) < len(ids):
        yield Violation("ATOMIC-1", "{} showed a job twice: {}", (call, _shown(ids)))
    elif found != sorted(found, key=sort_key, reverse=listing.newest_first):
        yield Violation(law, "{} showed the jobs in the wrong order: {}", (call, _shown(ids)))
    for facts in found:
        if listing.matches(call, facts) is False:
            text = "{} showed the job {}, which does not match: it is {}, created at {}"
            yield Violation(law, text, (call, facts.id, Verbatim(facts.status), facts.created_at))
    if limit is not None and len(ids) > limit:
        yield Violation(listing.paging_law, "{} returned {} jobs", (call, len(ids)))
    yield from _judge_offset(event, found, ages, offset)


def _judge_offset(event: Event, found: list[Facts], ages: Ages, offset: int) -> Iterator[Violation]:
    for at, facts in enumerate(found if offset else ()):
        if ages.before(facts.id, newest_first=False) < offset + at:
            text = "{} showed the job {}, before which there are not enough jobs to pass over"
            yield Violation(listing_of(event.call).paging_law, text, (event.call, facts.id))


def _shown(ids: list[str]) -> Verbatim:
    return Verbatim(f"[{', '.join(map(ascii, ids))}]")


def readings(event: Event, ids: Iterable[str], ages: Ages) -> Iterator[tuple[str, JobOperation]]:
    """Return what a listing tells of each job, as an operation on that job.

    Args:
        event: A listing that came back.
        ids: Every id of the history.
        ages: Those of the history.
    """
    listing = listing_of(event.call)
    if event.outcome is None or not listing.is_shown(event.outcome.value):
        return
    shown: dict[str, Listed] = {job.id: job for job in event.outcome.value}
    for job_id, job in shown.items():
        yield job_id, listed(event, job)
    offset, limit = page_of(event.call)
    if offset:
        return  # a job that is missing may be among those passed over
    newest_first = listing.newest_first
    has_room = limit is None or len(event.outcome.value) < limit
    absent = missed(event)
    for job_id in ids:
        if job_id in shown:
            continue
        if has_room or (
            limit is not None and ages.before(job_id, newest_first=newest_first) < limit
        ):
            yield job_id, absent
