"""Calls are printed as the Python that they are, and a reader sees what matters of it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from collection_jobs import InMemoryCollectionJobRepository, JobStatus, Lease
from collection_jobs.conformance.running.messages import portable
from collection_jobs.conformance.running.runner import invoke
from collection_jobs.conformance.spec.calls import (
    WAIT,
    Call,
    Held,
    Outcome,
    Step,
    code,
    error_text,
    example_job,
    example_lease,
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "''"),
        ("BTC", "'BTC'"),
        ("e" * 40, f"'{'e' * 40}'"),
        ("e" * 41, "'e' * 41"),
        ("\U0001f600" * 253 + " 0", r"'\U0001f600' * 253 + ' 0'"),
        ("job " + "x" * 50 + "y" * 60, "'job ' + 'x' * 50 + 'y' * 60"),
        ("é\0", r"'\xe9\x00'"),
    ],
)
def test_a_text_is_printed_as_python_and_a_long_run_by_its_length(text: str, printed: str) -> None:
    assert code(text) == printed
    assert _evaluated(ast.parse(printed, mode="eval").body) == text


def _evaluated(node: ast.expr) -> str:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _evaluated(left) + _evaluated(right)
        case ast.BinOp(left, ast.Mult(), ast.Constant(int(times))):
            return _evaluated(left) * times
        case _:
            return str(ast.literal_eval(node))


class Unshowable:
    @override
    def __repr__(self) -> str:
        raise ValueError("no text")


class UnshowableError(Exception):
    @override
    def __str__(self) -> str:
        raise ValueError("no text")


NOW = datetime(2024, 1, 1, tzinfo=UTC)


def test_what_cannot_be_shown_is_told_all_the_same() -> None:
    assert "Unshowable that cannot be shown" in code(Unshowable())
    assert str(Outcome(NOW, NOW, Unshowable())) == f"returned {code(Unshowable())}"
    raised = Outcome(NOW, NOW, error=UnshowableError())
    assert str(raised) == "raised UnshowableError: (its text cannot be shown)"
    for outcome in (Outcome(NOW, NOW, Unshowable()), raised):
        assert str(portable(outcome))  # as it is sent from another process


def test_of_a_long_error_the_beginning_and_the_end_are_told() -> None:
    told = error_text(ValueError("a" * 3_000_000 + "z"))
    assert len(told) < 2_100
    assert told.startswith("ValueError: aaa")
    assert told.endswith("az")
    assert " ... 2,998,001 characters ... " in told


LEASE = example_lease("a", worker="w1", token=7)
TWENTY = timedelta(seconds=20)


@pytest.mark.parametrize(
    ("step", "printed"),
    [
        (Step("claim_next", ("w1", TWENTY)), "claim_next('w1', timedelta(seconds=20))"),
        (
            Step("claim_next", ("w1", TWENTY, "x")),
            "claim_next('w1', timedelta(seconds=20), source='x')",
        ),
        (
            Step("claim_next", ("w1", TWENTY, None, 3)),
            "claim_next('w1', timedelta(seconds=20), most_running=3)",
        ),
        (
            Step("update_status", ("a", JobStatus.RUNNING, None, Held("lease"))),
            "update_status('a', JobStatus.RUNNING, lease=lease)",
        ),
        (
            Step("update_status", ("a", JobStatus.FAILED, "boom", LEASE)),
            f"update_status('a', JobStatus.FAILED, 'boom', lease={code(LEASE)})",
        ),
        (
            Step("update_status", ("a", JobStatus.FAILED, "boom", None)),
            "update_status('a', JobStatus.FAILED, 'boom')",
        ),
        (Step("list_recent", (100,)), "list_recent(100)"),
        (
            Step("renew", (Held("lease"), timedelta(milliseconds=1_500))),
            "renew(lease, timedelta(milliseconds=1500))",
        ),
    ],
)
def test_arguments_by_keyword_are_printed_by_their_names(step: Step, printed: str) -> None:
    assert str(step) == f"await repository.{printed}"


def test_a_lease_is_printed_as_an_example_without_its_expiry() -> None:
    assert code(LEASE) == "example_lease('a', worker='w1', token=7)"


def test_a_wait_is_printed_as_the_sleep_that_it_is() -> None:
    assert str(Step(WAIT, (timedelta(milliseconds=95),))) == "await asyncio.sleep(0.095)"


async def test_arguments_by_keyword_are_given_by_their_names() -> None:
    repository = InMemoryCollectionJobRepository()
    await repository.add_many([example_job("a"), example_job("b", source="kraken")])
    claims = (
        Call("claim_next", ("w1", TWENTY, "kraken")),
        Call("claim_next", ("w1", TWENTY, None, 1)),
        Call("claim_next", ("w1", TWENTY)),
    )
    leases = [await invoke(call, repository) for call in claims]
    taken = [lease.job.id if isinstance(lease, Lease) else None for lease in leases]
    assert taken == ["b", None, "a"]
    failure = Call("add_failed_symbol", ("a", "BTC", "boom", leases[2]))
    assert await invoke(failure, repository) is None


def test_a_call_names_the_job_of_its_lease() -> None:
    assert Call("renew", (LEASE, TWENTY)).job_ids == ("a",)
    claim = Call("claim_next", ("w1", TWENTY))
    assert claim.job_ids == ()
    assert (claim.is_listing, claim.job_is_in_answer) == (False, True)
    assert Call("list_recent").is_listing


def test_a_step_whose_lease_is_not_held_makes_no_call() -> None:
    step = Step("add_failed_symbol", ("a", "BTC", "boom", Held("lease")))
    assert step.call({}) is None
    assert step.call({"lease": example_lease("b")}) is None
    made = step.call({"lease": LEASE})
    assert made is not None
    assert made.argument("lease") is LEASE


def test_a_lease_that_is_told_names_its_worker_and_its_token() -> None:
    told = str(Outcome(NOW, NOW, LEASE))
    assert told == (
        "returned the lease of the job 'a' at revision None, worker 'w1', token 7, attempt 1"
    )
