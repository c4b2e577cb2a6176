"""Programs of one caller are made shorter as far as that shows the same, and in bounded time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collection_jobs.conformance.checks.sequential.shrinking import shrink_program
from collection_jobs.conformance.spec.calls import Program, Step, example_job

LONG: Program = tuple(Step("save", (example_job(f"job {number}"),)) for number in range(800))
NEEDED = {LONG[3], LONG[400], LONG[799]}


def counted(breaks: Callable[[Program], bool]) -> tuple[Program, int]:
    """Shrink the long program; how many steps were made again for it."""
    steps = 0

    def still_breaks(program: Program) -> bool:
        nonlocal steps
        steps += len(program)
        return breaks(program)

    return shrink_program(LONG, still_breaks), steps


def test_what_a_violation_does_not_need_is_left_out() -> None:
    program, _ = counted(lambda it: set(it) >= NEEDED)
    assert set(program) == NEEDED


@pytest.mark.parametrize("needed", [400, 700, 800])
def test_a_violation_that_needs_most_of_a_long_program_does_not_take_hours(needed: int) -> None:
    program, steps = counted(lambda it: len(it) >= needed)
    assert len(program) >= needed
    assert steps <= 20_000
