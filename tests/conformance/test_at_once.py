"""Reads that follow each other are made at once, and what came of them is put in order again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from collection_jobs.conformance.checks.sequential.bulk.at_once import (
    MOST_READS,
    answers_in_order,
    in_parts,
    in_runs,
    shared_out,
)
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Outcome, Step, example_job

SAVE = Step("save", (example_job("a"),))
KEPT = Step("get_by_id", ("a",), keep="job")


def reads(count: int) -> list[Step]:
    return [Step("get_by_id", (f"job {number}",)) for number in range(count)]


@pytest.mark.parametrize("most", [1, 2, 16])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_every_step_is_made_in_its_order(count: int, most: int) -> None:
    steps = [*reads(count), SAVE, *reads(count), KEPT, *reads(2)]
    runs = list(in_runs(steps, most))
    assert [step for run in runs for step in run] == steps
    assert max(map(len, runs)) <= most
    assert [step for part in in_parts(steps, most) for step in part] == steps


def test_only_reads_are_made_at_once_and_the_first_one_alone() -> None:
    runs = list(in_runs([SAVE, *reads(5), KEPT, SAVE, *reads(3)], 3))
    assert [len(run) for run in runs] == [1, 1, 3, 1, 1, 1, 1, 2]
    assert all(step.method == "get_by_id" for run in runs if len(run) > 1 for step in run)


def test_a_step_is_not_taken_before_the_one_before_the_last_is_made() -> None:
    taken = list[Step]()

    def steps() -> Any:
        for step in (SAVE, *reads(4), SAVE, SAVE):
            taken.append(step)
            yield step

    made = 0
    for run in in_runs(steps(), 2):
        made += len(run)
        assert len(taken) <= made + 1


@pytest.mark.parametrize("count", [1, 7, 8, 16, 17, 40])
def test_what_came_of_them_is_in_their_order(count: int) -> None:
    steps, now = reads(count), datetime(2024, 1, 1, tzinfo=UTC)
    clients = shared_out(steps, {})
    assert len(clients) <= MOST_READS
    events = [
        Event(client.name, call, 0, 1, Outcome(now, now, call.arguments[0]))
        for client in reversed(clients)
        for call in (step.call({}) for step in client.steps)
        if call is not None
    ]
    answers = [answer.value for answer in answers_in_order(clients, events)]
    assert answers == [step.arguments[0] for step in steps]


def test_what_comes_after_a_missing_answer_is_left_out() -> None:
    steps, now = reads(20), datetime(2024, 1, 1, tzinfo=UTC)
    clients = shared_out(steps, {})
    events = [
        Event(client.name, call, 0, None)
        if number == 3
        else Event(client.name, call, 0, 1, Outcome(now, now, number))
        for number, client in enumerate(clients)
        for call in (step.call({}) for step in client.steps)
        if call is not None
    ]
    assert [answer.value for answer in answers_in_order(clients, events)] == [0, 1, 2]
