"""Documents: what goes through them comes back equal, and nothing else becomes a job."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collection_jobs import JobStatus
from collection_jobs.conformance.checks.sequential.strategies import fields
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.documents import (
    from_document,
    from_json,
    from_micros,
    listing_key,
    to_document,
    to_json,
    to_micros,
)

instants = st.datetimes(timezones=st.just(UTC))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # its texts are long
@given(fields())
def test_a_job_comes_back_equal_and_with_its_revision(chosen: dict[str, Any]) -> None:
    job = example_job(**chosen)
    for revision in (None, 7, 2**80):
        back = from_json(to_json(job.with_revision(revision)))
        assert (back, back.revision) == (job, revision)


@given(instants)
def test_an_instant_comes_back_to_the_microsecond(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


@given(st.tuples(instants, st.text(st.characters(exclude_categories=["Cs"]))), st.data())
def test_keys_sort_as_listings_do(one: tuple[datetime, str], data: st.DataObject) -> None:
    created_at, job_id = one
    other = data.draw(
        st.tuples(
            st.one_of(st.just(created_at), instants),
            st.one_of(
                st.just(f"{job_id} "),
                st.text(st.characters(exclude_categories=["Cs"])),
            ),
        )
    )
    assert (listing_key(*one) < listing_key(*other)) == (one < other)


def test_the_key_of_the_empty_id_comes_before_every_job_of_that_instant() -> None:
    since = datetime(2024, 3, 1, tzinfo=UTC)
    assert listing_key(since, "") < listing_key(since, "\x01")


@pytest.mark.parametrize("candles", [0, 2**53 + 1, 2**63 - 1])
def test_candles_come_back_exactly(candles: int) -> None:
    job = example_job(completed_symbols={"BTC": candles})
    assert from_json(to_json(job)).completed_symbols == {"BTC": candles}


@pytest.mark.parametrize("candles", [2**63, 2**70, "0x8000000000000000", 5.0, None, True])
def test_a_document_with_other_candles_is_refused_by_the_symbol(candles: Any) -> None:
    document = to_document(example_job()) | {"completed_symbols": {"ETH": candles}}
    with pytest.raises(ValueError, match=r"candles must be .*, of the completed symbol 'ETH'"):
        from_document(document)


def test_a_document_is_readable() -> None:
    document = to_document(example_job(status=JobStatus.RUNNING, revision=3))
    assert document["created_at"] == "2024-03-01T00:00:00+00:00"
    assert (document["status"], document["revision"]) == ("running", 3)
    assert json.loads(to_json(from_document(document))) == document


@pytest.mark.parametrize(
    "changes",
    [
        {"start": 5},
        {"start": "yesterday"},
        {"start": "2024-01-01T00:00:00"},
        {"status": "lost"},
        {"symbols": "BTC"},
        {"completed_symbols": {"BTC": "many"}},
        {"completed_symbols": [["BTC", 1]]},
        {"failed_symbols": {"DOGE": "not collected"}},
        {"revision": "3"},
        {"id": ""},
        {"strange": 1},
    ],
)
def test_what_no_job_can_be_is_refused_with_the_reason(changes: dict[str, Any]) -> None:
    document = to_document(example_job()) | changes
    with pytest.raises(ValueError, match=r"no document of a job: .+"):
        from_document(document)


@pytest.mark.parametrize(
    "text", [b"\xff\x00", "", "{", "[]", "null", pytest.param("[" * 100_000, id="deep"), "{}"]
)
def test_damaged_text_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_json(text)
