"""The oracle on leases: when one has surely expired, and what concurrent claims tell of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from collection_jobs import JobStatus, Lease, LeaseLostError
from collection_jobs.conformance.history.checker import check, check_among
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job, example_lease
from collection_jobs.conformance.spec.model import ABSENT, JobState
from collection_jobs.conformance.spec.operations import judge, judge_call

START = datetime(2026, 3, 1, tzinfo=UTC)
TTL = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def outcome(value: object = None, at: float = 0.0, lasts: float = 0.1, **more: object) -> Outcome:
    return Outcome(after(at), after(at + lasts), value, **more)  # type: ignore[arg-type] # an error


def leased(job_id: str = "a", revision: int = 2, at: float = 0.0, **fields: object) -> Lease:
    """A lease as a right store gives it, claimed within the call that begins then."""
    job = example_job(
        job_id, status=JobStatus.RUNNING, started_at=after(at + 0.05), revision=revision
    )
    usual: dict[str, object] = {
        "worker": "w",
        "token": revision,
        "expires_at": after(at + 0.05) + TTL,
    }
    return example_lease(job_id, **{**usual, **fields, "job": job})


def claimed(job_id: str = "a") -> JobState:
    """What is known of a job that was saved and then claimed for a second, from 0 to 0.1."""
    state, _ = judge(ABSENT, Call("save", (example_job(job_id),)), outcome())
    state, broken = judge(state, Call("claim", (job_id, "w", TTL)), outcome(leased(job_id)))
    assert broken == ()
    return state


RIVAL = Call("claim", ("a", "rival", HOUR))


def second(at: float) -> Lease:
    job = example_job("a", status=JobStatus.RUNNING, started_at=after(at), revision=3)
    expires_at = after(at) + HOUR
    return Lease(job=job, worker="rival", token=3, attempt=2, expires_at=expires_at)


@pytest.mark.parametrize(
    ("at", "taken", "law"),
    [
        (0.3, True, "LEASE-2"),  # before a second had passed since the claim was called
        (0.3, False, None),
        (0.95, True, None),  # maybe after it, by a clock that nobody sees
        (0.95, False, None),
        (1.2, True, None),
        (1.2, False, "LEASE-1"),  # a second after the claim had returned
    ],
)
def test_a_lease_expires_no_earlier_than_called_and_no_later_than_returned(
    at: float, taken: bool, law: str | None
) -> None:
    value = second(at + 0.05) if taken else None
    _, broken = judge(claimed(), RIVAL, outcome(value, at))
    assert [one.law for one in broken] == ([] if law is None else [law])


def test_a_lease_that_was_renewed_in_time_is_another_laws_business() -> None:
    renewal = Call("renew", (leased(), HOUR))
    renewed = leased(expires_at=after(0.25) + HOUR)
    state, broken = judge(claimed(), renewal, outcome(renewed, 0.2))
    assert broken == ()
    _, broken = judge(state, RIVAL, outcome(second(1.5), 1.5))
    assert [one.law for one in broken] == ["LEASE-4"]


@pytest.mark.parametrize(
    ("token", "attempt", "worker", "law"),
    [(2, 2, "rival", "LEASE-5"), (3, 1, "rival", "LEASE-5"), (3, 2, "w", "LEASE-1")],
)
def test_a_field_of_a_lease_is_held_against_its_law(
    token: int, attempt: int, worker: str, law: str
) -> None:
    lease = second(1.25)
    wrong = Lease(
        job=lease.job, worker=worker, token=token, expires_at=lease.expires_at, attempt=attempt
    )
    _, broken = judge(claimed(), RIVAL, outcome(wrong, 1.2))
    assert [one.law for one in broken] == [law]


@pytest.mark.parametrize("ending", ["COMPLETED", "FAILED", "CANCELLED", "PENDING"])
def test_a_lease_is_lost_when_its_job_leaves_running(ending: str) -> None:
    change = Call("update_status", ("a", JobStatus[ending]))
    state, broken = judge(claimed(), change, outcome(True, 0.2))
    assert broken == ()
    late = Call("add_failed_symbol", ("a", "BTC", "late", leased()))
    _, broken = judge(state, late, outcome(at=0.3))
    assert [one.law for one in broken] == ["LEASE-3"]
    lost = LeaseLostError("a", "w")
    assert judge(state, late, outcome(at=0.3, error=lost))[1] == ()
    _, broken = judge(state, late, outcome(at=0.3, error=LeaseLostError("a", "rival")))
    assert [one.law for one in broken] == ["LEASE-3"]


def test_a_lease_that_expired_is_current_while_nobody_took_the_job() -> None:
    late = Call("add_failed_symbol", ("a", "BTC", "slow", leased()))
    assert judge(claimed(), late, outcome(at=5.0))[1] == ()
    _, broken = judge(claimed(), late, outcome(at=5.0, error=LeaseLostError("a", "w")))
    assert [one.law for one in broken] == ["LEASE-3"]


def test_the_oldest_is_due_among_all_jobs() -> None:
    states = {"a": claimed("a")}
    for job_id, day in (("b", 3), ("c", 2)):
        job = example_job(job_id, created_at=datetime(2024, 3, day, tzinfo=UTC))
        states[job_id], _ = judge(ABSENT, Call("save", (job,)), outcome())
    call = Call("claim_next", ("w", HOUR))
    _, broken = judge_call(states, call, outcome(None, 0.3))
    assert [one.law for one in broken] == ["LEASE-1"]
    limited = Call("claim_next", ("w", HOUR, None, 1))
    assert judge_call(states, limited, outcome(None, 0.3))[1] == []
    _, broken = judge_call(states, limited, outcome(None, 1.3))
    assert [one.law for one in broken] == ["LEASE-6"]  # the first has expired by then


# Several callers


def history(*calls: tuple[str, Call, object, int, int]) -> list[Event]:
    return [
        Event(who, call, began, ended, Outcome(after(began), after(ended), value))
        for who, call, value, began, ended in calls
    ]


def saves(*job_ids: str) -> Iterator[tuple[str, Call, object, int, int]]:
    for at, job_id in zip(count(-100, 2), job_ids, strict=False):
        yield "before", Call("save", (example_job(job_id),)), None, at, at + 1


def lease_of(job_id: str, at: int, number: int) -> Lease:
    job = example_job(job_id, status=JobStatus.RUNNING, started_at=after(at), revision=number)
    expires_at = after(at) + HOUR
    return Lease(job=job, worker="w", token=number, expires_at=expires_at, attempt=1)


NEXT = Call("claim_next", ("w", HOUR))
AT_MOST_ONE = Call("claim_next", ("w", HOUR, None, 1))


def test_two_claims_of_one_job_have_two_winners() -> None:
    calls = (
        ("A", NEXT, lease_of("a", 1, 7), 0, 4),
        ("B", NEXT, lease_of("a", 2, 8), 1, 5),
    )
    assert [one.law for one in check(history(*saves("a", "b"), *calls))] == ["LEASE-2"]


def test_a_claim_that_gets_nothing_beside_a_free_job_was_beaten_elsewhere() -> None:
    calls = (("A", NEXT, lease_of("a", 1, 7), 0, 4), ("B", NEXT, None, 1, 5))
    assert [one.law for one in check(history(*saves("a", "b"), *calls))] == ["LEASE-2"]
    assert check(history(*saves("a"), *calls)) == []


def test_a_claim_may_pass_over_a_job_that_another_call_is_at_work_on() -> None:
    beside = ("B", Call("add_failed_symbol", ("a", "BTC", "boom")), None, 1, 5)
    passing = ("A", NEXT, lease_of("b", 1, 7), 0, 4)
    assert check(history(*saves("a", "b"), passing, beside)) == []
    assert [one.law for one in check(history(*saves("a", "b"), passing))] == ["LEASE-1"]


def test_a_claim_of_a_stranger_is_no_business_of_a_history() -> None:
    events = history(*saves("a"), ("A", NEXT, lease_of("stranger", 1, 7), 0, 4))
    assert {one.law for one in check(events)} == {"LEASE-1"}
    job = example_job("a", created_at=datetime(2030, 1, 1, tzinfo=UTC))
    saved = ("before", Call("save", (job,)), None, -3, -2)
    assert check_among({"a"}, history(saved, ("A", NEXT, lease_of("other", 1, 7), 0, 4))) == []


def test_more_leases_than_each_claim_permits_are_too_many() -> None:
    calls = (
        ("A", AT_MOST_ONE, lease_of("a", 1, 7), 0, 4),
        ("B", AT_MOST_ONE, lease_of("b", 2, 8), 1, 5),
    )
    assert [one.law for one in check(history(*saves("a", "b"), *calls))] == ["LEASE-6"]
    ended = ("C", Call("update_status", ("a", JobStatus.COMPLETED)), True, 2, 3)
    assert check(history(*saves("a", "b"), *calls, ended)) == []


def test_a_write_under_a_lease_that_was_lost_in_every_order_is_no_lost_update() -> None:
    held = lease_of("a", -50, 7)
    before = (*saves("a"), ("before", Call("claim", ("a", "w", HOUR)), held, -51, -49))
    back = ("B", Call("update_status", ("a", JobStatus.PENDING)), True, 0, 3)
    late = ("A", Call("update_status", ("a", JobStatus.COMPLETED, None, held)), False, 1, 4)
    again = ("A", Call("add_failed_symbol", ("a", "BTC", "late", held)), None, 5, 6)
    assert [one.law for one in check(history(*before, back, late, again))] == ["LEASE-3"]


def test_a_claim_that_never_returned_may_have_taken_any_job_or_none() -> None:
    lost = Event("A", NEXT, 0)
    look = Call("get_by_id", ("b",))
    for stored in (lease_of("b", 1, 7).job, example_job("b").with_revision(4)):
        events = [*history(*saves("a", "b")), lost, *history(("after", look, stored, 8, 9))]
        assert check(events) == []
