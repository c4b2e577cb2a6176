"""The check for linearizability: against brute force, and on histories planted by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import ABSENT
from collection_jobs.conformance.spec.operations import judge
from collection_jobs.errors import StaleJobError
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.status import JobStatus

NOW = datetime.now(UTC)
JOB = example_job("a")
CLAIM = Call("update_status", ("a", JobStatus.RUNNING))
READ = Call("get_by_id", ("a",))


def event(
    client: str,
    begun: int,
    ended: int | None,
    call: Call,
    value: object = None,
    error: BaseException | None = None,
) -> Event:
    outcome = None if ended is None else Outcome(NOW, NOW, value, error)
    return Event(client, call, begun, ended, outcome)


def stored(revision: int, **fields: Any) -> CollectionJob:
    """The job as a store gives it out; each failed symbol failed once, unless it is said."""
    counts = dict.fromkeys(fields.get("failed_symbols", ()), 1)
    return example_job("a", **{"failure_counts": counts, **fields}).with_revision(revision)


SAVED = event("setup", 1, 2, Call("save", (JOB,)))
HELD = event("setup", 3, 4, READ, stored(1))


def laws(*events: Event) -> list[str]:
    return [finding.law for finding in check(events)]


def only(events: Sequence[Event]) -> Finding:
    (finding,) = check(events)
    return finding


# Brute force


def is_possible(events: Sequence[Event]) -> bool:
    """Try every order of every set of calls that may have happened."""
    known = [one for one in events if one.outcome is not None]
    unknown = [one for one in events if one.outcome is None]
    subsets = chain.from_iterable(combinations(unknown, n) for n in range(len(unknown) + 1))
    return any(
        keeps_time(order) and keeps_laws(order)
        for subset in subsets
        for order in permutations([*known, *subset])
    )


def keeps_time(order: Sequence[Event]) -> bool:
    return not any(
        later.ended is not None and later.ended < earlier.began
        for at, earlier in enumerate(order)
        for later in order[at:]
    )


def keeps_laws(order: Sequence[Event]) -> bool:
    state = ABSENT
    for one in order:
        outcome = one.outcome
        if outcome is None:
            value = True if one.call.method in ("update_status", "delete") else None
            now = datetime.now(UTC)  # the histories are made now, which may be long after NOW
            outcome = Outcome(now, now, value)
        state, violations = judge(state, one.call, outcome)
        if violations:
            return False
    return True


CALLS = st.sampled_from(
    [
        Call("save", (JOB,)),
        Call("save", (example_job("a", timeframe="4h"),)),
        Call("save", (stored(1, timeframe="1d"),)),
        CLAIM,
        Call("update_status", ("a", JobStatus.PENDING)),
        Call("update_status", ("a", JobStatus.CANCELLED)),
        Call("add_failed_symbol", ("a", "BTC", "timeout")),
        Call("add_failed_symbol", ("a", "BTC", "banned")),
        Call("delete", ("a",)),
        READ,
        Call("get_stats", ("a",)),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Histories that are linearizable, but for what is then changed or forgotten of them."""
    calls = draw(st.lists(CALLS, min_size=1, max_size=6))
    random = Random(draw(st.integers(0, 2**32)))  # noqa: S311 - Hypothesis draws the seed
    repository = InMemoryCollectionJobRepository()
    events: list[Event] = []
    for at, call in enumerate(calls):
        outcome = asyncio.run(make(call, repository))
        begun = 10 * at + 5 - random.randrange(16)
        ended = 10 * at + 5 + random.randrange(16)
        events.append(Event(f"client {at}", call, begun, ended, outcome))
    for _ in range(draw(st.integers(0, 4))):
        at = random.randrange(len(events))
        events[at] = spoilt(events[at], random.choice(events), random)
    return events


def spoilt(one: Event, other: Event, random: Random) -> Event:
    outcome, foreign = one.outcome, other.outcome
    if outcome is None or foreign is None or random.random() < 0.1:
        return Event(one.client, one.call, one.began)
    if one.call.method == other.call.method:
        return Event(one.client, one.call, one.began, one.ended, foreign)
    if isinstance(outcome.value, bool):
        changed = Outcome(NOW, NOW, not outcome.value)
        return Event(one.client, one.call, one.began, one.ended, changed)
    if isinstance(outcome.value, CollectionJob) and outcome.value.revision is not None:
        older = outcome.value.with_revision(max(outcome.value.revision - 1, 0))
        return Event(one.client, one.call, one.began, one.ended, Outcome(NOW, NOW, older))
    return one


@settings(max_examples=600, deadline=None, database=None)
@given(histories())
@example([SAVED, event("a", 3, 4, CLAIM, True), event("b", 5, 6, CLAIM, True)])
def test_it_agrees_with_every_order_tried_in_turn(events: list[Event]) -> None:
    assert (not check(events)) is is_possible(events)


@settings(max_examples=60, deadline=None, database=None)
@given(st.integers(0, 2**32), st.integers(2, 8), st.integers(1, 3))
def test_it_refuses_no_history_of_a_right_repository(seed: int, clients: int, jobs: int) -> None:
    random = Random(seed)  # noqa: S311 - Hypothesis draws the seed
    assert check(asyncio.run(linearizable(random, clients=clients, jobs=jobs))) == []


async def linearizable(random: Random, *, clients: int, jobs: int) -> list[Event]:
    """Clients take turns; each call takes effect between its begin and its end."""
    repository = InMemoryCollectionJobRepository()
    events: list[Event] = []
    under_way: dict[int, tuple[int, Call, Outcome | None]] = {}
    for now in range(200):
        client = random.randrange(clients)
        if client not in under_way:
            under_way[client] = (now, random_call(random, f"job {random.randrange(jobs)}"), None)
            continue
        begun, call, outcome = under_way[client]
        if outcome is None:
            under_way[client] = (begun, call, await make(call, repository))
            continue
        del under_way[client]
        events.append(Event(f"client {client}", call, begun, now, outcome))
    events += [Event(f"{client}", call, begun) for client, (begun, call, _) in under_way.items()]
    return events


def random_call(random: Random, job_id: str) -> Call:
    status = random.choice(list(JobStatus))
    born = JOB.created_at + timedelta(days=random.randrange(3))
    return random.choice(
        [
            Call("save", (example_job(job_id, created_at=born),)),
            Call("get_by_id", (job_id,)),
            Call("update_status", (job_id, status)),
            Call("add_failed_symbol", (job_id, "BTC", str(random.randrange(9)))),
            Call("delete", (job_id,)),
            Call("get_stats", (job_id,)),
            Call("list_recent", (random.randrange(4),)),
            Call("list_by_status", (status, random.randrange(1, 4), random.randrange(2))),
            Call("get_running_jobs"),
        ]
    )


# Planted by hand


def test_of_two_claims_one_wins() -> None:
    assert laws(SAVED, event("A", 3, 6, CLAIM, True), event("B", 4, 5, CLAIM, False)) == []
    assert laws(SAVED, event("A", 3, 6, CLAIM, True), event("B", 4, 5, CLAIM, True)) == ["STATUS-2"]


def test_claims_one_after_the_other_are_no_race() -> None:
    assert laws(SAVED, event("A", 3, 4, CLAIM, True), event("B", 5, 6, CLAIM, True)) == ["STATUS-1"]


def test_a_recorded_failure_that_is_gone_was_lost() -> None:
    both = (
        event("A", 3, 6, Call("add_failed_symbol", ("a", "BTC", "timeout"))),
        event("B", 4, 5, Call("add_failed_symbol", ("a", "ETH", "banned"))),
    )
    one = stored(2, failed_symbols={"ETH": "banned"})
    two = stored(3, failed_symbols={"BTC": "timeout", "ETH": "banned"})
    assert laws(SAVED, *both, event("after", 7, 8, READ, two)) == []
    assert laws(SAVED, *both, event("after", 7, 8, READ, one)) == ["FAILED-2"]


def test_a_lost_change_without_add_failed_symbol_is_atomic_1() -> None:
    other = Call("save", (example_job("a", timeframe="4h"),))
    seen = event("after", 7, 8, READ, stored(3, status=JobStatus.RUNNING, started_at=NOW))
    events = (SAVED, event("A", 3, 6, CLAIM, True), event("B", 4, 5, other), seen)
    reread = event("after", 9, 10, READ, stored(3))
    assert laws(*events[:3]) == []
    assert laws(*events) == ["ATOMIC-1"]
    assert laws(*events[:3], reread) == ["ATOMIC-1"]


def test_of_two_saves_of_one_revision_one_is_stale() -> None:
    first = event("A", 5, 8, Call("save", (stored(1, timeframe="4h"),)))
    second = Call("save", (stored(1, timeframe="1d"),))
    refused = event("B", 6, 7, second, error=StaleJobError("a", 1, 2))
    assert laws(SAVED, HELD, first, refused) == []
    assert laws(SAVED, HELD, first, event("B", 6, 7, second)) == ["SAVE-3"]


def test_of_two_deletions_one_removed_it() -> None:
    gone = Call("delete", ("a",))
    assert laws(SAVED, event("A", 3, 6, gone, True), event("B", 4, 5, gone, False)) == []
    assert laws(SAVED, event("A", 3, 6, gone, True), event("B", 4, 5, gone, True)) == ["DELETE-1"]


def test_a_job_that_comes_back_after_its_deletion_is_delete_1() -> None:
    events = (
        SAVED,
        event("A", 3, 6, Call("add_failed_symbol", ("a", "BTC", "timeout"))),
        event("B", 4, 5, Call("delete", ("a",)), True),
    )
    back = stored(2, failed_symbols={"BTC": "timeout"})
    assert laws(*events, event("after", 7, 8, READ)) == []
    assert laws(*events, event("after", 7, 8, READ, back)) == ["DELETE-1"]


def test_one_revision_for_two_states_is_save_4() -> None:
    change = event("A", 5, 8, Call("add_failed_symbol", ("a", "BTC", "timeout")))
    failed = {"BTC": "timeout"}
    assert laws(SAVED, HELD, change, event("B", 6, 9, READ, stored(2, failed_symbols=failed))) == []
    same = event("B", 6, 9, READ, stored(1, failed_symbols=failed))
    assert laws(SAVED, HELD, change, same) == ["SAVE-4"]


def test_a_revision_of_a_deleted_job_given_again_is_save_5() -> None:
    events = (
        SAVED,
        HELD,
        event("A", 5, 8, Call("delete", ("a",)), True),
        event("B", 9, 12, Call("save", (JOB,))),
        event("A", 10, 11, Call("get_stats", ("a",)), JobStats(2, 0, 0, 0)),
    )
    assert laws(*events, event("after", 13, 14, READ, stored(2))) == []
    assert laws(*events, event("after", 13, 14, READ, stored(1))) == ["SAVE-5"]


def test_stats_of_two_states_are_stats_1() -> None:
    change = event("A", 3, 8, Call("save", (example_job("a", failed_symbols={"BTC": "x"}),)))
    asked = Call("get_stats", ("a",))
    after = event("after", 9, 10, READ, stored(2, failed_symbols={"BTC": "x"}, failure_counts={}))
    done = event("setup", 1, 2, Call("save", (example_job("a", completed_symbols={"BTC": 5}),)))
    assert laws(done, change, event("B", 4, 5, asked, JobStats(2, 1, 0, 5)), after) == []
    assert laws(done, change, event("B", 4, 5, asked, JobStats(2, 0, 1, 0)), after) == []
    assert laws(done, change, event("B", 4, 5, asked, JobStats(2, 1, 1, 5)), after) == ["STATS-1"]


def test_a_torn_read_is_atomic_1() -> None:
    torn = stored(2, status=JobStatus.RUNNING)
    events = (SAVED, event("A", 3, 6, CLAIM, True), event("B", 4, 5, READ, torn))
    assert laws(*events, event("B", 7, 8, Call("get_stats", ("a",)), JobStats(2, 0, 0, 0))) == [
        "ATOMIC-1"
    ]


def test_an_error_that_no_order_excuses_is_told_by_itself() -> None:
    wrong = event("B", 4, 5, CLAIM, error=KeyError("a"))
    assert laws(SAVED, event("A", 3, 6, CLAIM, True), wrong) == ["ERROR-1"]


# Calls that never returned


def test_a_call_that_never_came_back_may_have_happened_or_not() -> None:
    lost = event("A", 3, None, CLAIM)
    claimed = stored(2, status=JobStatus.RUNNING, started_at=NOW)
    assert laws(SAVED, lost, event("B", 9, 10, READ, stored(1))) == []
    assert laws(SAVED, lost, event("B", 9, 10, READ, claimed)) == []
    assert (
        laws(SAVED, lost, event("B", 4, 5, READ, stored(1)), event("B", 9, 10, READ, claimed)) == []
    )


def test_what_never_came_back_cannot_be_undone() -> None:
    lost = event("A", 3, None, CLAIM)
    claimed = event("B", 4, 5, READ, stored(2, status=JobStatus.RUNNING, started_at=NOW))
    assert laws(SAVED, lost, claimed, event("B", 6, 7, READ, stored(1))) != []


def test_what_never_came_back_did_not_happen_before_it_was_called() -> None:
    claimed = event("B", 4, 5, READ, stored(2, status=JobStatus.RUNNING, started_at=NOW))
    assert laws(SAVED, event("A", 3, None, CLAIM), claimed) == []
    assert laws(SAVED, event("A", 6, None, CLAIM), claimed) != []


# Listings


def listing(client: str, begun: int, ended: int, *shown: CollectionJob, call: Call) -> Event:
    return event(client, begun, ended, call, list(shown))


PENDING = Call("list_by_status", (JobStatus.PENDING,))
RECENT = Call("list_recent")


def test_a_listing_may_show_a_job_before_or_after_a_change_beside_it() -> None:
    claim = event("A", 3, 6, CLAIM, True)
    assert laws(SAVED, claim, listing("B", 4, 5, call=PENDING)) == []
    assert laws(SAVED, claim, listing("B", 4, 5, stored(1), call=PENDING)) == []


def test_a_listing_leaves_none_out_that_matched_throughout() -> None:
    beside = event("A", 3, 6, Call("add_failed_symbol", ("a", "BTC", "timeout")))
    assert laws(SAVED, beside, listing("B", 4, 5, call=PENDING)) == ["ATOMIC-1"]


def test_a_listing_shows_no_job_twice() -> None:
    beside = event("A", 3, 6, CLAIM, False)
    twice = listing("B", 4, 5, stored(1), stored(1), call=RECENT)
    assert "ATOMIC-1" in laws(SAVED, beside, twice)


def test_a_full_page_may_leave_out_what_lies_behind_it() -> None:
    other = example_job("b", created_at=JOB.created_at + timedelta(days=1))
    both = (SAVED, event("setup", 3, 4, Call("save", (other,))))
    first = Call("list_by_status", (JobStatus.PENDING, 1))
    b = other.with_revision(2)
    assert laws(*both, listing("B", 5, 6, stored(1), call=first)) == []
    assert laws(*both, listing("B", 5, 6, b, call=first)) == ["LIST-1"]


def test_a_page_passes_over_as_many_as_were_asked() -> None:
    other = example_job("b", created_at=JOB.created_at + timedelta(days=1))
    both = (SAVED, event("setup", 3, 4, Call("save", (other,))))
    second = Call("list_by_status", (JobStatus.PENDING, 5, 1))
    b = other.with_revision(2)
    assert laws(*both, listing("B", 5, 6, b, call=second)) == []
    assert laws(*both, listing("B", 5, 6, stored(1), b, call=second)) == ["LIST-2"]


def test_the_order_and_the_filter_of_a_listing_have_no_excuse() -> None:
    other = example_job("b", created_at=JOB.created_at + timedelta(days=1))
    both = (SAVED, event("setup", 3, 4, Call("save", (other,))))
    b = other.with_revision(2)
    assert laws(*both, listing("B", 5, 6, b, stored(1), call=RECENT)) == []
    assert laws(*both, listing("B", 5, 6, stored(1), b, call=RECENT)) == ["RECENT-1"]
    running = stored(1, status=JobStatus.RUNNING, started_at=NOW)
    assert "LIST-1" in laws(SAVED, listing("B", 5, 6, running, call=PENDING))


# What a person reads


def test_a_finding_draws_the_calls_and_says_what_speaks_against_an_order() -> None:
    finding = only([SAVED, event("A", 3, 6, CLAIM, True), event("B", 4, 5, CLAIM, True)])
    assert finding.job_id == "a"
    assert "only one of them can have made the change" in finding.message
    claim = "repository.update_status('a', JobStatus.RUNNING) returned True"
    against = f"{claim}; it should have returned False, because the job was running"
    assert finding.history == (
        " 1 setup ||     repository.save(example_job('a')) returned None",
        f" 2 A       |--| {claim}",
        f" 3 B        ||  {claim}",
        "No order of these calls is possible:",
        f"2 cannot follow 1, 3: {against}",
    )


def test_reads_that_explain_nothing_are_left_out() -> None:
    reads = [event("C", 100 + at, 100 + at, READ, stored(1)) for at in range(0, 50, 2)]
    claims = [event("A", 203, 206, CLAIM, True), event("B", 204, 205, CLAIM, True)]
    finding = only([SAVED, *reads, *claims])
    assert len([line for line in finding.history if " C " in line]) == 0


def test_an_event_has_an_end_and_an_outcome_or_neither() -> None:
    with pytest.raises(ValueError, match="or neither"):
        Event("A", CLAIM, 3, 4)
    with pytest.raises(ValueError, match="after it began"):
        event("A", 5, 4, CLAIM)


def test_a_long_history_is_judged_in_time_proportional_to_it() -> None:
    # The count of steps, unlike seconds, is the same on every machine.
    events = [SAVED]
    for at in range(1, 3001):
        error = str(at)
        now = 20 * at
        call = Call("add_failed_symbol", ("a", "BTC", error))
        events.append(event("A", now, now + 5, call))
        shown = stored(at + 1, failed_symbols={"BTC": error}, failure_counts={"BTC": at})
        events.append(event("B", now + 3, now + 8, READ, shown))
    assert laws(*events) == []
