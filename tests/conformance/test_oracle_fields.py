"""The oracle, which shares no code with the entity, knows every field of it."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.checks.sequential.strategies import fields as drawn_fields
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.model import Facts, facts_of

JUDGED_APART = {"revision"}
NAMES = [field.name for field in fields(CollectionJob) if field.name not in JUDGED_APART]
FULL = example_job(
    started_at=datetime(2024, 3, 1, tzinfo=UTC),
    finished_at=datetime(2024, 3, 2, tzinfo=UTC),
    status=JobStatus.FAILED,
    error_message="boom",
    completed_symbols={"BTC": 1},
    failed_symbols={"ETH": "boom"},
    metadata={"ticket": "T-1"},
    permanent_failures=frozenset({"ETH"}),
    failure_counts={"BTC": 1, "ETH": 2},
    cursors={"ETH": datetime(2024, 2, 1, tzinfo=UTC)},
)
OTHER: dict[str, Any] = {
    "id": "b",
    "source": "kraken",
    "symbols": ("ETH", "BTC"),
    "timeframe": "1m",
    "start": datetime(2024, 1, 2, tzinfo=UTC),
    "end": datetime(2025, 1, 2, tzinfo=UTC),
    "created_at": datetime(2024, 3, 2, tzinfo=UTC),
    "status": JobStatus.RUNNING,
    "started_at": None,
    "finished_at": None,
    "error_message": None,
    "completed_symbols": {"BTC": 2},
    "failed_symbols": {"ETH": "late"},
    "metadata": {"Ticket": "T-1"},
    "permanent_failures": frozenset(),
    "failure_counts": {"BTC": 1},
    "cursors": {"ETH": datetime(2024, 2, 2, tzinfo=UTC)},
}
"""Another value of each field."""


def test_the_oracle_knows_every_field_of_the_entity() -> None:
    unknown = [name for name in NAMES if name not in Facts._fields]
    assert not unknown, f"the oracle does not know {unknown}: any adapter may drop what they hold"
    gone = [name for name in Facts._fields if name not in NAMES]
    assert not gone, f"the oracle knows {gone}, which the entity does not have"


@pytest.mark.parametrize("name", [name for name in NAMES if name in OTHER])
def test_the_oracle_tells_two_values_of_each_field_apart(name: str) -> None:
    known, other = facts_of(FULL), facts_of(replace(FULL, **{name: OTHER[name]}))
    assert [field for field in Facts._fields if getattr(known, field) != getattr(other, field)] == [
        name
    ]


def test_random_walks_give_a_value_to_every_field() -> None:
    """A field that no walk sets is one that any adapter may drop where no fixed case looks."""
    given_one: set[str] = set()

    @settings(
        derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(drawn_fields())
    def draw(chosen: dict[str, Any]) -> None:
        given_one.update(chosen)

    draw()
    assert not set(NAMES) - given_one - {"id"}


def test_the_jobs_of_the_fixed_cases_have_something_to_lose_in_every_field() -> None:
    """A field that is empty in them is one that any method may drop."""
    plain, rich = example_job("a", status=JobStatus.PENDING), rich_job("a")
    given_one = {name for name in NAMES if getattr(rich, name) != getattr(plain, name)}
    defaults = {field.name for field in fields(CollectionJob) if field.default is not MISSING}
    factories = {
        field.name for field in fields(CollectionJob) if field.default_factory is not MISSING
    }
    optional = (defaults | factories) & set(NAMES) - {"created_at", "status"}
    assert optional <= given_one


@pytest.mark.parametrize(
    "name", ["completed_symbols", "metadata", "symbols", "permanent_failures", "cursors"]
)
@pytest.mark.parametrize("value", [None, 7, {"BTC": ["unhashable"]}])
def test_what_an_adapter_builds_past_the_entitys_checks_is_told_from_a_job(
    name: str, value: object
) -> None:
    assert facts_of(FULL._changed(**{name: value})) != facts_of(FULL)
