"""Programs of two or three clients, and schedules for them, drawn and shrunk by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.checks.interleavings.schedules import Prefix
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS
from collection_jobs.conformance.spec.findings import Finding, LawBroken
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["programs", "search_programs"]

_MOST_CHOICES = 40
_TTL = timedelta(hours=1)
_IDS = st.sampled_from(["a", "a", "a", "b", "c"])
_CHANGES = st.sampled_from(
    [
        Change("with_completed_symbol", ("BTC", 5)),
        Change("with_completed_symbol", ("ETH", 7)),
        Change("with_failed_symbol", ("ETH", "changed")),
        Change("replace", (), (("timeframe", "5m"),)),
        Change("replace", (), (("timeframe", "1w"),)),
    ]
)
_BORN = example_job().created_at
_AGES = st.integers(0, 2).map(lambda days: _BORN + timedelta(days=days))
_OUTCOMES = st.sampled_from([(), (("BTC", 10),), (("ETH", 20),)])
_HELD = st.tuples(_IDS, _CHANGES).map(lambda drawn: Held(f"held_{drawn[0]}", drawn[1:]))


@st.composite
def _jobs(draw: st.DrawFn) -> CollectionJob:
    return example_job(
        draw(_IDS),
        created_at=draw(_AGES),
        timeframe=draw(st.sampled_from(["1h", "4h", "1d"])),
        completed_symbols=dict(draw(_OUTCOMES)),
    )


_WITH_IDS: Mapping[str, st.SearchStrategy[Any]] = MappingProxyType(
    {
        "id": _IDS,
        "job": _jobs(),
        "jobs": st.lists(_jobs() | _HELD, max_size=3).map(tuple),
        "key": st.tuples(_AGES, _IDS),
    }
)
"""What draws the kinds of parameters that hold ids; of the others, their few values are drawn."""


@st.composite
def _arguments(draw: st.DrawFn, operation: Operation) -> tuple[Any, ...]:
    """Draw arguments; what a change can do without is left out, for schedules do not mind."""
    kinds = (
        kind_of(one.name)
        for one in operation.parameters_of(())
        if one.is_required or not operation.writes
    )
    return tuple(
        draw(_WITH_IDS[kind.name] if kind.holds_ids else st.sampled_from(kind.few))
        for kind in kinds
    )


_LISTINGS = st.sampled_from(
    [
        Step("list_recent"),
        Step("list_recent", (1,)),
        Step("get_running_jobs"),
        Step("list_by_status", (JobStatus.PENDING, 1)),
        Step("list_by_status", (JobStatus.PENDING, 2, 1)),
        *(Step("list_by_status", (status,)) for status in JobStatus),
    ]
)
_METHODS = (
    *("update_status", "add_failed_symbol", "save", "hold", "save held", "delete", "get_stats"),
    "",
)
"""What a client may do; the last is a listing."""


_FENCED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("update_status", (JobStatus.COMPLETED, None)),
    ("update_status", (JobStatus.PENDING, None)),
    ("add_failed_symbol", ("BTC", "timeout")),
    ("add_completed_symbol", ("ETH", 7)),
)
_FENCED_BEYOND: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("add_failure", ("BTC", "gone", True)),
    ("set_cursor", ("ETH", example_job().end)),
)
"""Those that an adapter may not have, though it has leases."""


@st.composite
def _leasing(draw: st.DrawFn, capabilities: frozenset[str]) -> Step:
    """Claim a job, or do something under a lease of one."""
    more = (one for one in _FENCED_BEYOND if METHODS[one[0]] in capabilities)
    job_id = draw(_IDS)
    lease = f"lease_{job_id}"
    match draw(st.integers(0, 4)):
        case 0:
            return Step("claim_next", ("worker", _TTL, None, draw(st.sampled_from((None, 1, 2)))))
        case 1:
            return Step("claim", (job_id, "worker", _TTL), keep=lease)
        case 2:
            return Step("renew", (Held(lease), _TTL))
        case 3:
            return Step("get_lease", (job_id,))
        case _:
            method, arguments = draw(st.sampled_from((*_FENCED, *more)))
            return Step(method, (job_id, *arguments, Held(lease)))


@st.composite
def _steps(draw: st.DrawFn, methods: tuple[str, ...], capabilities: frozenset[str]) -> Step:
    method = draw(st.sampled_from(methods))
    match method:
        case "":
            return draw(_LISTINGS)
        case "hold":
            job_id = draw(_IDS)
            return Step("get_by_id", (job_id,), keep=f"held_{job_id}")
        case "lease":
            return draw(_leasing(capabilities))
        case "save held":
            return Step("save", (Held(f"held_{draw(_IDS)}", (draw(_CHANGES),)),))
        case _:
            return Step(method, draw(_arguments(OPERATIONS[method])))


@st.composite
def programs(draw: st.DrawFn, capabilities: frozenset[str] = frozenset()) -> ConcurrentProgram:
    """Programs of two or three clients over up to three jobs, of up to four calls each.

    Args:
        draw: Draws.
        capabilities: What the adapter can do beyond the nine methods.
    """
    beyond = [one.name for one in operations(capabilities) if one.capability not in (None, LEASES)]
    beyond += ["lease"] if LEASES in capabilities else []
    steps = _steps((*_METHODS, *beyond), capabilities)
    save = Step("save", draw(_arguments(OPERATIONS["save"])))
    setup = (save, *draw(st.lists(steps, max_size=4)))
    clients = [
        tuple(draw(st.lists(steps, min_size=1, max_size=4))) for _ in range(draw(st.integers(2, 3)))
    ]
    return ConcurrentProgram(setup, tuple(clients))


def search_programs(
    judge: Callable[[ConcurrentProgram, Prefix], frozenset[str]],
    *,
    seed: int,
    examples: int,
    muted: frozenset[str],
    capabilities: frozenset[str] = frozenset(),
) -> None:
    """Draw programs and schedules, and shrink those that break a law.

    Args:
        judge: Runs one and returns the laws that it breaks; it remembers what it is shown.
        seed: The same number, the same programs.
        examples: How many programs to draw.
        muted: Laws that are not looked for.
        capabilities: What the adapter can do beyond the nine methods.
    """

    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    # A choice of 0 goes on with whoever ran last, so that to shrink is to take preemptions away.
    @given(programs(capabilities), st.lists(st.integers(0, 3), max_size=_MOST_CHOICES))
    def drawn(program: ConcurrentProgram, prefix: list[int]) -> None:
        laws = judge(program, tuple(prefix)) - muted
        if laws:
            law = min(laws)
            raise LawBroken.by_law(Finding(law, "", ()))

    try:
        drawn()
    except (LawBroken, HypothesisException):
        return
    except BaseExceptionGroup as several:
        if several.split(LawBroken)[1] is not None:
            raise
