"""The lifecycle: its table, and what derives from it."""

from __future__ import annotations

import pytest

from collection_jobs import TRANSITIONS, JobStatus

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = JobStatus

# The table of the contract, written down once more: this is what the code is held to.
PERMITTED = {
    (PENDING, RUNNING),
    (PENDING, FAILED),
    (PENDING, CANCELLED),
    (RUNNING, COMPLETED),
    (RUNNING, FAILED),
    (RUNNING, CANCELLED),
    (RUNNING, PENDING),
    (FAILED, PENDING),
}


@pytest.mark.parametrize("before", JobStatus)
@pytest.mark.parametrize("after", JobStatus)
def test_the_table_permits_what_the_contract_permits(before: JobStatus, after: JobStatus) -> None:
    assert before.can_become(after) is ((before, after) in PERMITTED)


def test_every_status_has_a_row() -> None:
    assert set(TRANSITIONS) == set(JobStatus)


def test_completed_and_cancelled_are_final_and_no_other_is() -> None:
    assert [status for status in JobStatus if status.is_final] == [COMPLETED, CANCELLED]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[PENDING] = frozenset()  # type: ignore[index] # that it is refused is the point
