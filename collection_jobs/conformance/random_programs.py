"""Programs of two or three clients, and schedules for them, drawn and shrunk by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from collection_jobs.conformance.calls import Change, Held, Step, example_job
from collection_jobs.conformance.findings import Finding, LawBroken
from collection_jobs.conformance.programs import Program
from collection_jobs.conformance.schedules import Prefix
from collection_jobs.status import JobStatus

__all__ = ["programs", "search_programs"]

_MOST_CHOICES = 40
_IDS = st.sampled_from(["a", "a", "b", "c"])
_ERRORS = st.sampled_from(["timeout", "banned", "refused", "no route", "reset", "gone"])
_SYMBOLS = st.sampled_from(["BTC", "ETH"])
_STATUSES = st.sampled_from(JobStatus)
_BORN = example_job().created_at
_JOBS = st.builds(
    lambda id_, days, timeframe, completed: example_job(
        id_,
        created_at=_BORN + timedelta(days=days),
        timeframe=timeframe,
        completed_symbols=completed,
    ),
    _IDS,
    st.integers(0, 2),
    st.sampled_from(["1h", "4h", "1d"]),
    st.sampled_from([{}, {"BTC": 10}, {"ETH": 20}]),
)
_CHANGES = st.one_of(
    st.builds(lambda n: Change("with_completed_symbol", ("BTC", n)), st.integers(0, 9)),
    st.builds(lambda e: Change("with_failed_symbol", ("ETH", e)), _ERRORS),
    st.builds(lambda t: Change("replace", (), (("timeframe", t),)), st.sampled_from(["5m", "1w"])),
)
_STEPS = st.one_of(
    st.builds(lambda id_, status: Step("update_status", (id_, status)), _IDS, _STATUSES),
    st.builds(lambda *args: Step("add_failed_symbol", args), _IDS, _SYMBOLS, _ERRORS),
    st.builds(lambda job: Step("save", (job,)), _JOBS),
    st.builds(lambda id_: Step("get_by_id", (id_,), keep=f"held_{id_}"), _IDS),
    st.builds(lambda id_, change: Step("save", (Held(f"held_{id_}", (change,)),)), _IDS, _CHANGES),
    st.builds(lambda id_: Step("delete", (id_,)), _IDS),
    st.builds(lambda id_: Step("get_stats", (id_,)), _IDS),
    st.builds(lambda status: Step("list_by_status", (status,)), _STATUSES),
    st.sampled_from(
        [
            Step("list_recent"),
            Step("list_recent", (1,)),
            Step("get_running_jobs"),
            Step("list_by_status", (JobStatus.PENDING, 1)),
            Step("list_by_status", (JobStatus.PENDING, 2, 1)),
        ]
    ),
)
_SAVED = st.builds(lambda job: Step("save", (job,)), _JOBS)


def _clients() -> st.SearchStrategy[tuple[tuple[Step, ...], ...]]:
    client = st.lists(_STEPS, min_size=1, max_size=4).map(tuple)
    return st.lists(client, min_size=2, max_size=3).map(tuple)


def programs() -> st.SearchStrategy[Program]:
    """Programs of two or three clients over up to three jobs, of up to four calls each."""
    setup = st.tuples(_SAVED, st.lists(_STEPS, max_size=4)).map(lambda two: (two[0], *two[1]))
    return st.builds(Program, setup, _clients())


def search_programs(
    judge: Callable[[Program, Prefix], frozenset[str]],
    *,
    seed: int,
    examples: int,
    muted: frozenset[str],
) -> None:
    """Draw programs and schedules, and shrink those that break a law.

    Args:
        judge: Runs one and returns the laws that it breaks; it remembers what it is shown.
        seed: The same number, the same programs.
        examples: How many programs to draw.
        muted: Laws that are not looked for.
    """

    @seeded(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )
    # A choice of 0 goes on with whoever ran last, so that to shrink is to take preemptions away.
    @given(programs(), st.lists(st.integers(0, 3), max_size=_MOST_CHOICES).map(tuple))
    def drawn(program: Program, prefix: Prefix) -> None:
        laws = judge(program, prefix) - muted
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
