"""A history of too many orders is left undecided: it breaks no law, and shows none to hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from benchmarks.linearizability import make_history
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.undecided import take_notes
from collection_jobs.conformance.running.configuration import Examination
from collection_jobs.conformance.running.deciding import told_if_undecided
from collection_jobs.conformance.spec.findings import Finding


@pytest.fixture(autouse=True)
def nothing_noted() -> Iterator[None]:
    take_notes()
    yield
    take_notes()


def history(clients: int) -> list[Event]:
    shape: dict[str, Any] = {"operations": 600, "jobs": 1, "mix": "mostly changes"}
    made = make_history(Random(1), clients=clients, **shape)  # noqa: S311 - not for secrets
    return asyncio.run(made)


def test_a_history_that_is_decided_leaves_no_note() -> None:
    assert check(history(4)) == []
    assert take_notes() == []


def test_one_of_too_many_orders_breaks_no_law_and_is_noted() -> None:
    assert check(history(64)) == []
    (told,) = take_notes()
    assert told == (
        "600 calls of 64 clients on one job have so many orders that none was found or refuted in"
        " 100,000 steps"
    )


def test_the_laws_of_several_callers_are_not_said_to_hold_by_it() -> None:
    torn = Finding("MANY-3", "torn", ())

    def run() -> Examination:
        return Examination([torn, *check(history(64))], "some calls")

    examined = told_if_undecided({"ATOMIC-1", "MANY-3", "SAVE-1"}, run)
    assert list(examined.unchecked) == ["ATOMIC-1"]
    assert examined.findings == [torn]
    assert take_notes() == []
    assert told_if_undecided({"ATOMIC-1"}, lambda: Examination([], "none")).unchecked == {}
