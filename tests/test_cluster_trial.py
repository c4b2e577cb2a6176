"""The judgement of `nox -s cluster` convicts each kind of breach, and acquits what may happen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.cluster import judging
from benchmarks.cluster.calls import Call, Told
from benchmarks.cluster.faults import Happened
from benchmarks.cluster.outages import late_calls, late_tasks, outages, stale_reads
from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.spec.calls import example_job

DONE, UNSURE, NOT_DONE, REFUSED = Told.DONE, Told.UNSURE, Told.NOT_DONE, Told.REFUSED


def call(
    method: str, told: Told = DONE, began: float = 0.0, *, lasting: float = 0.01, **about: object
) -> Call:
    return Call("process0 adder", method, "a", began, began + lasting, told.value, "", about)


def claim(token: int, began: float, **completed: int) -> Call:
    return call("claim_next", began=began, token=token, ttl=4.0, completed=completed)


def outcome(token: int, candles: int, began: float = 0.0, told: Told = DONE) -> Call:
    return call("add_completed_symbol", told, began, token=token, symbol="BTC", candles=candles)


A = example_job("a")
COLLECTED = replace(A, completed_symbols={"BTC": 1})
ENDED = replace(COLLECTED, symbols=("BTC",), status=JobStatus.COMPLETED)
COUNTED = replace(A, failed_symbols={"BTC": "boom"}, failure_counts={"BTC": 2})
NUMBERED = replace(A, metadata={"number": "2"})

RIGHT: list[tuple[str, list[Call], CollectionJob | None]] = [
    ("created_jobs_are_there", [call("add")], A),
    ("created_jobs_are_there", [call("add", UNSURE)], None),
    ("created_jobs_are_there", [call("add", UNSURE), call("add", NOT_DONE)], A),
    ("created_jobs_are_there", [call("add_many", jobs=["a"])], A),
    ("counts_are_exact", [call("add_failure"), call("add_failure")], COUNTED),
    ("counts_are_exact", [call("add_failure"), call("add_failure", UNSURE)], COUNTED),
    ("copies_follow_each_other", [call("save_copy", number=2)], NUMBERED),
    ("copies_follow_each_other", [call("save_copy", UNSURE, number=2)], NUMBERED),
    ("outcomes_are_there", [outcome(1, 1)], COLLECTED),
    ("outcomes_are_there", [outcome(1, 1, told=UNSURE)], COLLECTED),
    ("ended_jobs_stay_ended", [call("update_status")], ENDED),
    ("one_holder_at_a_time", [claim(1, 0.0), claim(2, 4.1)], A),
    ("the_late_are_refused", [claim(1, 0.0), outcome(1, 1, 1.0), claim(2, 5.0, BTC=1)], COLLECTED),
    ("claims_show_all_outcomes", [outcome(1, 1), claim(2, 5.0, BTC=1)], COLLECTED),
]
WRONG: list[tuple[str, list[Call], CollectionJob | None]] = [
    ("nothing_else_is_raised", [call("add", Told.BROKEN)], A),
    ("created_jobs_are_there", [call("add")], None),
    ("created_jobs_are_there", [call("add", NOT_DONE)], A),
    ("created_jobs_are_there", [call("add", created=False)], A),
    ("created_jobs_are_there", [call("add_many", jobs=["a"])], None),
    ("created_jobs_are_there", [call("add_many", UNSURE, jobs=["a", "b"])], A),
    ("counts_are_exact", [call("add_failure") for _ in range(3)], COUNTED),
    ("counts_are_exact", [call("add_failure"), call("add_failure", NOT_DONE)], COUNTED),
    ("copies_follow_each_other", [call("save_copy", number=3)], NUMBERED),
    ("copies_follow_each_other", [call("save_copy", NOT_DONE, number=2)], NUMBERED),
    (
        "copies_follow_each_other",
        [
            call("save_copy", number=2),
            call("save_copy", NOT_DONE, number=3),
            call("get_by_id", number=3),
        ],
        NUMBERED,
    ),
    ("outcomes_are_there", [outcome(1, 1)], A),
    ("outcomes_are_there", [outcome(1, 1, told=NOT_DONE)], COLLECTED),
    ("outcomes_are_there", [outcome(1, 1), outcome(2, 1)], COLLECTED),
    ("ended_jobs_stay_ended", [call("update_status")], COLLECTED),
    ("one_holder_at_a_time", [claim(1, 0.0), claim(2, 3.0)], A),
    ("one_holder_at_a_time", [claim(1, 0.0), claim(1, 9.0)], A),
    (
        "one_holder_at_a_time",
        [claim(1, 0.0), call("renew", began=3.0, token=1, ttl=4.0), claim(2, 5.0)],
        A,
    ),
    ("the_late_are_refused", [claim(1, 0.0), claim(2, 5.0), outcome(1, 1, 6.0)], A),
    ("claims_show_all_outcomes", [outcome(1, 1), claim(2, 5.0)], A),
]


@pytest.mark.parametrize(("check", "calls", "stored"), RIGHT)
def test_what_may_happen_is_acquitted(
    check: str, calls: list[Call], stored: CollectionJob | None
) -> None:
    jobs = {} if stored is None else {"a": stored}
    assert [text for one in judging.CHECKS for text in one(calls, jobs)] == []
    assert check in {one.__name__ for one in judging.CHECKS}


@pytest.mark.parametrize(("check", "calls", "stored"), WRONG)
def test_each_breach_is_convicted(
    check: str, calls: list[Call], stored: CollectionJob | None
) -> None:
    jobs = {} if stored is None else {"a": stored}
    (judge,) = (one for one in judging.CHECKS if one.__name__ == check)
    assert list(judge(calls, jobs))


def test_who_is_answered_too_late_is_named_and_the_outage_measured() -> None:
    fault = Happened("killed", 100.0, 130.0, moved=True)
    writes = [100.5, *(110.0 + n / 10 for n in range(200))]

    def answered(until: float) -> list[Call]:
        times = [100.5, *(until + n / 10 for n in range(int(10 * (130 - until))))]
        return [call("add", began=at - 0.01) for at in times]

    assert list(late_tasks([fault], answered(114.9), writes)) == []
    (late,) = late_tasks([fault], answered(115.2), writes)
    assert "5.2 s after the cluster took writes" in late
    (outage,) = outages([fault], answered(112.0), writes)
    assert (round(outage.cluster, 6), round(outage.repository, 6)) == (10.0, 12.0)


def test_a_call_that_takes_too_long_and_a_stale_read_are_counted() -> None:
    assert list(late_calls([call("add", lasting=7.1)], 4.0))
    assert not list(late_calls([call("add", lasting=4.2)], 4.0))
    calls = [call("save_copy", number=2), call("get_by_id", began=1.0, number=1)]
    assert stale_reads(calls) == 1
    assert stale_reads([*calls[:1], call("get_by_id", began=1.0, number=2)]) == 0
