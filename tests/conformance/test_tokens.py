"""Tokens: what was packed is unpacked, and what is no token is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.conformance.report.tokens import pack, unpack
from collection_jobs.conformance.spec.calls import WAIT, Change, Held, Once, Step, example_lease
from tests.jobs import jobs

CHANGES = (
    Change("with_failed_symbol", ("BTC", "b\u00fcm\n")),
    Change("with_status", (JobStatus.FAILED,), (("at", datetime(2024, 3, 1, tzinfo=UTC)),)),
)


@given(job=jobs, candles=st.integers(0, 10**30))
def test_what_was_packed_is_unpacked(job: CollectionJob, candles: int) -> None:
    steps = (
        Step("save", (job.with_revision(4),)),
        Step("get_by_id", (job.id,), keep="job"),
        Step("save", (Held("job", CHANGES),)),
        Step("save_many", (Once((job, Held("job", CHANGES))),)),
        Step("spoil", (Step("list_recent", (candles, None)),)),
        Step("claim", (job.id, "worker", timedelta(days=1, seconds=2, microseconds=3)), keep="l"),
        Step("update_status", (job.id, JobStatus.PENDING, None, Held("l"))),
        Step("renew", (example_lease(job.id, token=7), timedelta(milliseconds=50))),
        Step(WAIT, (timedelta(milliseconds=95),)),
    )
    payload = {"check": "one caller", "steps": steps, "muted": ("SAVE-1",), "seed": 3}
    assert unpack(pack(payload)) == payload
    assert unpack(pack(payload))["steps"][0].arguments[0].revision == 4
    assert type(unpack(pack(payload))["steps"][3].arguments[0]) is Once


@pytest.mark.parametrize("text", ["", "nonsense", "e30", pack({"no": "check"}), "\u00e9", "eNqr"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a token: copy the whole token"):
        unpack(text)
