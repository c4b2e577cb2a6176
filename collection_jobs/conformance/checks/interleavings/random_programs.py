"""Programs of two or three clients, and schedules for them, drawn and shrunk by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.checks.interleavings.schedules import Prefix
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.findings import Finding, LawBroken
from collection_jobs.status import JobStatus

__all__ = ["programs", "search_programs"]

_MOST_CHOICES = 40
_IDS = st.sampled_from(["a", "a", "a", "b", "c"])
_ERRORS = st.sampled_from(["timeout", "banned", "refused", "no route", "reset", "gone"])
_SYMBOLS = st.sampled_from(["BTC", "ETH"])
_STATUSES = st.sampled_from(JobStatus)
_BORN = example_job().created_at
_OUTCOMES = st.sampled_from([(), (("BTC", 10),), (("ETH", 20),)])
_CHANGES = st.sampled_from(
    [
        Change("with_completed_symbol", ("BTC", 5)),
        Change("with_completed_symbol", ("ETH", 7)),
        Change("with_failed_symbol", ("ETH", "changed")),
        Change("replace", (), (("timeframe", "5m"),)),
        Change("replace", (), (("timeframe", "1w"),)),
    ]
)
_HELD = st.tuples(_IDS, _CHANGES).map(lambda drawn: Held(f"held_{drawn[0]}", drawn[1:]))
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


@st.composite
def _saves(draw: st.DrawFn) -> Step:
    job = example_job(
        draw(_IDS),
        created_at=_BORN + timedelta(days=draw(st.integers(0, 2))),
        timeframe=draw(st.sampled_from(["1h", "4h", "1d"])),
        completed_symbols=dict(draw(_OUTCOMES)),
    )
    return Step("save", (job,))


def _keys() -> st.SearchStrategy[tuple[datetime, str]]:
    ages = st.integers(0, 2).map(lambda days: _BORN + timedelta(days=days))
    return st.tuples(ages, _IDS)


@st.composite
def _steps(draw: st.DrawFn, methods: tuple[str, ...]) -> Step:
    method = draw(st.sampled_from(methods))
    if not method:
        return draw(_LISTINGS)
    if method == "save":
        return draw(_saves())
    if method == "save_many":
        jobs = st.lists(_saves().map(lambda save: save.arguments[0]) | _HELD, max_size=3)
        return Step(method, (tuple(draw(jobs)),))
    if method == "list_after":
        return Step(method, (draw(_STATUSES), draw(_keys()), draw(st.integers(1, 2))))
    return draw(_steps_on_a_job(method))


@st.composite
def _steps_on_a_job(draw: st.DrawFn, method: str) -> Step:
    job_id = draw(_IDS)
    match method:
        case "add_completed_symbol":
            return Step(method, (job_id, draw(_SYMBOLS), draw(st.integers(1, 9))))
        case "update_status":
            return Step(method, (job_id, draw(_STATUSES)))
        case "add_failed_symbol":
            return Step(method, (job_id, draw(_SYMBOLS), draw(_ERRORS)))
        case "hold":
            return Step("get_by_id", (job_id,), keep=f"held_{job_id}")
        case "save held":
            return Step("save", (Held(f"held_{job_id}", (draw(_CHANGES),)),))
        case _:
            return Step(method, (job_id,))


@st.composite
def programs(draw: st.DrawFn, capabilities: frozenset[str] = frozenset()) -> ConcurrentProgram:
    """Programs of two or three clients over up to three jobs, of up to four calls each.

    Args:
        draw: Draws.
        capabilities: What the adapter can do beyond the nine methods.
    """
    beyond = (method for method, name in METHODS.items() if name in capabilities)
    steps = _steps((*_METHODS, *beyond))
    setup = (draw(_saves()), *draw(st.lists(steps, max_size=4)))
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
