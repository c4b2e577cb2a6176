"""Lease: its fields are checked and put into their normal form, and it is a plain value."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from collection_jobs import JobStatus, Lease
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.lease import MAX_TTL, MIN_TTL, check_lease, check_ttl
from tests.liars import LyingDatetime, LyingInt, LyingStr, LyingTimedelta

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
JOB = example_job("a", status=JobStatus.RUNNING)
LEASE = Lease(job=JOB, worker="w", token=3, expires_at=NOON, attempt=2)


def a_lease(**changes: Any) -> Lease:
    values: dict[str, Any] = {
        "job": JOB,
        "worker": "w",
        "token": 3,
        "expires_at": NOON,
        "attempt": 2,
    }
    return Lease(**values | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"job": "a"}, TypeError, "job must be a CollectionJob, not str: 'a'"),
        ({"worker": ""}, ValueError, "worker must have 1 to 255 characters"),
        ({"worker": "w" * 256}, ValueError, "not 256: 'www"),
        ({"worker": "a\0"}, ValueError, "no NUL"),
        ({"worker": 3}, TypeError, "worker must be a str, not int: 3"),
        ({"token": 0}, ValueError, "token must be 1 or more: 0"),
        ({"token": -1}, ValueError, "token .*-1"),
        ({"token": "3"}, TypeError, "token must be an int, not str: '3'"),
        ({"token": True}, TypeError, "token must be an int, not bool: True"),
        ({"attempt": 0}, ValueError, "attempt must be 1 or more: 0"),
        ({"attempt": 1.0}, TypeError, "attempt must be an int, not float: 1.0"),
        ({"expires_at": NOON.replace(tzinfo=None)}, ValueError, "expires_at must be an aware"),
        (
            {"expires_at": "noon"},
            TypeError,
            "expires_at must be an aware datetime, not str: 'noon'",
        ),
    ],
)
def test_a_wrong_field_is_refused_with_its_value(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        a_lease(**changes)
    with pytest.raises(error, match=message):
        replace(LEASE, **changes)


def test_fields_are_plain_values_and_instants_in_utc() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    lease = a_lease(worker=LyingStr("w"), token=LyingInt(3), attempt=LyingInt(2), expires_at=east)
    assert lease == LEASE
    assert lease.expires_at.tzinfo is UTC
    lying = a_lease(expires_at=LyingDatetime(2024, 3, 1, 12, tzinfo=UTC))
    assert type(lying.expires_at) is datetime
    kinds = [type(value) for value in (lease.worker, lease.token, lease.attempt)]
    assert kinds == [str, int, int]


def test_a_lease_is_frozen_hashable_and_survives_a_process_boundary() -> None:
    field: Any = "token"
    with pytest.raises(FrozenInstanceError):
        setattr(LEASE, field, 4)
    assert pickle.loads(pickle.dumps(LEASE)) == copy.deepcopy(LEASE) == LEASE  # noqa: S301 - our own bytes
    assert replace(LEASE, token=4) != LEASE
    assert {LEASE, a_lease()} == {LEASE}
    with pytest.raises(TypeError):
        Lease(JOB, "w", 3, NOON, 2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] - that is what is wrong


def test_a_lease_is_accepted_for_its_own_job_only() -> None:
    assert check_lease(LEASE) is check_lease(LEASE, "a") is LEASE
    with pytest.raises(ValueError, match="lease must be one of job 'A', not of job 'a'"):
        check_lease(LEASE, "A")
    wrong: Any = LEASE.job
    with pytest.raises(TypeError, match="lease must be a Lease, not CollectionJob"):
        check_lease(wrong)


def test_a_ttl_is_a_plain_timedelta_within_the_bounds() -> None:
    for ttl in (MIN_TTL, MAX_TTL, timedelta(seconds=1.5)):
        assert check_ttl(ttl) == ttl
    checked = check_ttl(LyingTimedelta(days=1, seconds=2, microseconds=3))
    assert (type(checked), checked) == (timedelta, timedelta(1, 2, 3))
    tick = timedelta(microseconds=1)
    for wrong in (MIN_TTL - tick, MAX_TTL + tick, timedelta(0), -MAX_TTL, timedelta.max):
        with pytest.raises(ValueError, match="ttl must be 50 milliseconds to 7 days"):
            check_ttl(wrong)
    number: Any = 60
    with pytest.raises(TypeError, match="ttl must be a timedelta, not int: 60"):
        check_ttl(number)
