"""The search for an order agrees with trying every order, on small histories of all methods.

The brute force shares no code with the search: it asks the oracle of each order that keeps to who
was done before whom, of each set of calls that may have happened. Half of the histories are made
wrong, or are made of calls that never returned.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from random import Random
from typing import Any

import pytest

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.history import search
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
from collection_jobs.conformance.spec.model import ABSENT, JobState
from collection_jobs.conformance.spec.operations import OPERATIONS, judge_call
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.status import JobStatus

NAMING_JOBS = {
    one.name
    for one in OPERATIONS.values()
    if one.listing is None and not one.picks and not one.counts_jobs
}
FEW, MANY = 2_000, 100_000
MOST = 8
HOUR = timedelta(hours=1)


def is_possible(events: Sequence[Event]) -> bool:
    """Try every order of every set of calls that may have happened."""
    known = [one for one in events if one.outcome is not None]
    unknown = [one for one in events if one.outcome is None]
    subsets = chain.from_iterable(combinations(unknown, n) for n in range(len(unknown) + 1))
    times = [time for one in known for time in (one.outcome.began, one.outcome.ended)]  # type: ignore[union-attr] # they came back
    first, last = (min(times), max(times)) if times else (datetime.now(UTC),) * 2
    return any(
        has_order([*known, *(happened(one, first, last) for one in subset)], ABSENT)
        for subset in subsets
    )


def happened(one: Event, first: datetime, last: datetime) -> Event:
    """The same call as if it had succeeded, at any time from its begin on."""
    success = OPERATIONS[one.call.method].success
    return Event(one.client, one.call, one.began, 10**9, Outcome(first, last, success))


def has_order(left: Sequence[Event], state: JobState) -> bool:
    if not left:
        return True
    first_end = min(one.ended or 0 for one in left)
    for at, one in enumerate(left):
        if one.began > first_end or one.outcome is None:
            continue
        after, violations = judge_call({"a": state}, one.call, one.outcome)
        if not violations and has_order([*left[:at], *left[at + 1 :]], after.get("a", state)):
            return True
    return False


def random_call(random: Random, held: Sequence[object]) -> Call:
    """Any call on the job: its copies and leases are those that earlier calls returned."""
    status, symbol = random.choice(list(JobStatus)), random.choice(["BTC", "ETH"])
    error = random.choice(["timeout", "banned"])
    leases = [one for one in held if isinstance(one, Lease)]
    copies = [one for one in held if isinstance(one, CollectionJob)] or [example_job("a")]
    lease = (random.choice(leases),) if leases and random.random() < 0.5 else ()
    new = example_job("a", timeframe=random.choice(["1h", "4h"]))
    copy = random.choice([new, new, random.choice(copies)])
    until = new.start + random.choice([HOUR, 2 * HOUR])
    calls = [
        Call("save", (copy,)),
        Call("update_status", ("a", status, None, *lease)),
        Call("update_status", ("a", status)),
        Call("add_failed_symbol", ("a", symbol, error, *lease)),
        Call("add_failed_symbol", ("a", symbol, error)),
        Call("add_failed_symbol", ("a", "BTC", error)),
        Call("add_completed_symbol", ("a", symbol, random.randrange(2))),
        Call("add_failure", ("a", symbol, error, random.random() < 0.5)),
        Call("set_cursor", ("a", symbol, until)),
        Call("delete", ("a",)),
        Call("add", (new,)),
        Call("save_many", ((copy,),)),
        Call("add_many", ((new,),)),
        Call("claim", ("a", random.choice("vw"), HOUR)),
        Call("get_lease", ("a",)),
        Call("get_stats", ("a",)),
        *([Call("renew", (*lease, HOUR))] if lease else []),
        *[Call("get_by_id", ("a",))] * 4,
    ]
    return random.choice(calls)


async def linearizable(random: Random) -> list[Event]:
    """Few calls, each of which takes effect between its begin and its end."""
    repository = InMemoryCollectionJobRepository()
    events, held = list[Event](), list[object]()
    width = random.choice([4, 12, 25])
    for at in range(random.randint(2, MOST)):
        call = random_call(random, held) if at else Call("save", (example_job("a"),))
        outcome = await make(call, repository)
        held.append(outcome.value)
        begun, ended = (10 * at + 5 + sign * random.randrange(width) for sign in (-1, 1))
        events.append(Event(f"client {at}", call, begun, ended, outcome))
    return events


def spoilt(one: Event, other: Event, random: Random) -> Event:
    """The same call with another answer, at another time or without an answer."""
    outcome, foreign = one.outcome, other.outcome
    if outcome is None or foreign is None or random.random() < 0.2:
        return Event(one.client, one.call, one.began)
    if random.random() < 0.2:
        return Event(one.client, one.call, other.began, other.ended, outcome)
    value: Any = outcome.value
    if isinstance(value, CollectionJob) and value.failure_counts and random.random() < 0.3:
        counts = {name: number + 1 for name, number in value.failure_counts.items()}
        value = replace(value, failure_counts=counts)
        return replace(one, outcome=replace(outcome, value=value))
    if isinstance(value, bool):
        value = not value
    elif one.call.method == other.call.method:
        return replace(one, outcome=foreign)
    elif isinstance(value, CollectionJob) and value.revision is not None:
        value = value.with_revision(max(value.revision + random.choice([-1, 1]), 1))
    return replace(one, outcome=replace(outcome, value=value))


def history(seed: int) -> list[Event]:
    random = Random(seed)  # noqa: S311 - not for secrets
    events = asyncio.run(linearizable(random))
    for _ in range(random.choice([0, 1, 2, 3])):
        at = random.randrange(len(events))
        events[at] = spoilt(events[at], random.choice(events), random)
    return events


def disagreements(seeds: range, seen: Counter[object]) -> Iterator[tuple[int, str]]:
    for seed in seeds:
        events = history(seed)
        possible = is_possible(events)
        found = check(events)
        seen[possible] += 1
        seen.update(event.call.method for event in events)
        seen["never returned"] += any(event.outcome is None for event in events)
        if (not found) is not possible:
            calls = "\n".join(f"[{one.began}, {one.ended}] {one}" for one in events)
            yield seed, f"possible: {possible}, found: {found}\n{calls}"


COUNTS = [FEW, pytest.param(MANY, marks=pytest.mark.release)]


@pytest.mark.parametrize("patience", [0, 16], ids=["clocks always", "clocks when stuck"])
@pytest.mark.parametrize("count", COUNTS)
def test_it_agrees_with_every_order_of_every_method(
    count: int, patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_PATIENCE", patience)
    seen = Counter[object]()
    assert list(disagreements(range(count), seen)) == []
    assert {one.name for one in OPERATIONS.values() if seen[one.name]} == NAMING_JOBS
    assert (
        min(seen[True], seen[False], seen["never returned"]) > sum((seen[True], seen[False])) / 20
    )


def event(begun: int, ended: int, call: Call, value: object = None) -> Event:
    return Event(f"client {begun}", call, begun, ended, Outcome(NOW, NOW, value))


def failed(revision: int | None) -> CollectionJob:
    errors, counts = {"BTC": "timeout"}, {"BTC": 1}
    return example_job("a", failed_symbols=errors, failure_counts=counts).with_revision(revision)


NOW = datetime.now(UTC)
READ = Call("get_by_id", ("a",))
AT_TWO = [
    event(1, 2, Call("save", (example_job("a"),))),
    event(3, 4, READ, example_job("a").with_revision(1)),
    event(5, 6, Call("add_failed_symbol", ("a", "BTC", "timeout"))),
]
"""After these the next read may show revision 2."""


def test_a_read_that_fits_may_be_one_of_the_next_job_of_that_id() -> None:
    deleted = event(7, 20, Call("delete", ("a",)), True)
    saved = event(8, 21, Call("save", (failed(None),)))
    read, again = event(9, 22, READ, failed(2)), event(23, 24, READ, failed(2))
    events = [*AT_TWO, deleted, saved, read, again]
    assert is_possible(events)
    assert check(events) == []


def test_a_read_that_fits_may_tell_too_much_for_a_conditional_save() -> None:
    # The oracle does not know that a store of which nobody has seen revision 5 cannot have it.
    saved, read = event(7, 19, Call("save", (failed(5),))), event(8, 20, READ, failed(2))
    assert is_possible([*AT_TWO, saved, read])
    assert check([*AT_TWO, saved, read]) == []
