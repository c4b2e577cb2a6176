"""Judging: the calls of several clients on some jobs of a larger store, held against the laws."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast

from collection_jobs.conformance.history.checker import Refusal, check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.job import CollectionJob

__all__ = ["is_hung", "judge"]


def judge(ids: Collection[str], events: Sequence[Event]) -> list[Refusal]:
    """Hold calls against the laws.

    Args:
        ids: The jobs that the calls are about; none of them was there before.
        events: The calls. Listings may show other jobs: these are passed over.

    Returns:
        What no order of the calls explains; first of all, calls that gave no answer.
    """
    hung = [event for event in events if is_hung(event)]
    refusals = check([_only(ids, event) for event in events])
    if hung:
        text = f"{hung[0].call} gave no answer while the others were at work"
        refusals.insert(0, Refusal("ATOMIC-1", text, tuple(map(str, hung))))
    return refusals


def _only(ids: Collection[str], event: Event) -> Event:
    """The event as if the store held no other jobs; one without an answer never came back."""
    outcome = event.outcome
    if outcome is None or isinstance(outcome.error, NoAnswer):
        return Event(event.client, event.call, event.began)
    value = outcome.value
    if not isinstance(value, list):
        return event
    jobs = cast("list[object]", value)
    mine = [job for job in jobs if not isinstance(job, CollectionJob) or job.id in ids]
    return replace(event, outcome=replace(outcome, value=mine))


def is_hung(event: Event) -> bool:
    """Whether the kit gave up waiting for the call."""
    return event.outcome is not None and isinstance(event.outcome.error, NoAnswer)
