"""Pairs and triples of calls that can get into each other's way, at each stage of a job."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, product
from types import MappingProxyType

from collection_jobs.conformance.checks.interleavings.claims import pairs_of_claims
from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job, id_of
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.conformance.spec.signatures import jobs_named
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["CALLS", "STAGES", "calls_beyond", "pairs", "triples"]

_JOB = example_job("a")
_LATER = _JOB.created_at + timedelta(days=1)
_SAVE = Step("save", (_JOB,))
_SAVE_OTHER = Step("save", (example_job("b", created_at=_LATER),))
_HOLD = Step("get_by_id", ("a",), keep="held")


def _becomes(status: JobStatus, job_id: str = "a") -> Step:
    return Step("update_status", (job_id, status))


STAGES: dict[str, tuple[Step, ...]] = {
    "pending": (_SAVE, _SAVE_OTHER, _HOLD),
    "running": (
        _SAVE,
        _SAVE_OTHER,
        _becomes(JobStatus.RUNNING),
        Step("add_failed_symbol", ("a", "ETH", "refused")),
        _HOLD,
    ),
    "absent": (_SAVE_OTHER,),
    "deleted": (_SAVE, _SAVE_OTHER, _HOLD, Step("delete", ("a",))),
    "failed": (_SAVE, _SAVE_OTHER, _becomes(JobStatus.FAILED), _HOLD),
    "completed": (
        _SAVE,
        _SAVE_OTHER,
        _becomes(JobStatus.RUNNING),
        _becomes(JobStatus.COMPLETED),
        _HOLD,
    ),
}
"""How job ``a`` is brought to each stage of its lifecycle; job ``b`` is pending beside it."""

CALLS: tuple[Step, ...] = (
    *(_becomes(status) for status in JobStatus),
    Step("add_failed_symbol", ("a", "BTC", "timeout")),
    Step("add_failed_symbol", ("a", "ETH", "banned")),
    Step("save", (example_job("a", timeframe="4h", completed_symbols={"BTC": 10}),)),
    Step("save", (Held("held", (Change("with_completed_symbol", ("BTC", 20)),)),)),
    Step("save", (Held("held", (Change("replace", (), (("timeframe", "1d"),)),)),)),
    Step("delete", ("a",)),
    Step("get_by_id", ("a",)),
    Step("get_stats", ("a",)),
    Step("list_by_status", (JobStatus.PENDING,)),
    Step("list_by_status", (JobStatus.RUNNING,)),
    Step("list_recent"),
    Step("get_running_jobs"),
    _becomes(JobStatus.RUNNING, "b"),
    Step("add_failed_symbol", ("b", "BTC", "timeout")),
    Step("save", (example_job("c", created_at=_LATER),)),
    Step("delete", ("b",)),
)
"""The calls that are made beside each other: on the job, on every job, and on other jobs."""


_MANY = Step("save_many", ((example_job("a", timeframe="4h"), _SAVE_OTHER.arguments[0]),))
_MANY_COPIES = Step(
    "save_many",
    (
        (
            example_job("b", timeframe="4h", created_at=_LATER),
            Held("held", (Change("replace", (), (("timeframe", "1d"),)),)),
        ),
    ),
)
_ADD_MANY = Step(
    "add_many",
    ((example_job("a"), example_job("c", source="kraken", created_at=_LATER)),),
)
_GONE_FOR_GOOD = OPERATIONS["add_failure"].step("a", permanent=True)
_CURSORS = tuple(OPERATIONS["set_cursor"].step("a", number) for number in (1, 2))
_RUNNING_WITH_FAILURES = JobQuery(statuses=(JobStatus.RUNNING,), with_failures=True)
_PURGE = OPERATIONS["delete_finished"].step(before=datetime(2300, 1, 1, tzinfo=UTC))
_SPECIAL: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {
        "save_many": (_MANY, _MANY_COPIES),
        "add_many": (_ADD_MANY,),
        "list_after": (OPERATIONS["list_after"].step(after=(_JOB.created_at, "a"), limit=1),),
        "add_failure": (_GONE_FOR_GOOD,),
        "set_cursor": _CURSORS,
        "find": (Step("find", (JobQuery(),)), Step("find", (_RUNNING_WITH_FAILURES,))),
        "delete_finished": (_PURGE,),
    }
)
"""For methods beyond the nine, what is made of them where a plain call is not enough."""


def calls_beyond(capabilities: Collection[str]) -> tuple[Step, ...]:
    """Return what is made beside all of these on an adapter that has the methods."""
    beyond = (one for one in operations(capabilities) if one.capability not in (None, LEASES))
    return tuple(step for one in beyond for step in _SPECIAL.get(one.name, (one.step("a"),)))


_STAGES_BEYOND, _STAGE_OF_NONE = ("pending", "running", "deleted"), ("deleted",)
_STAGES_OF_PURGES = ("running", "completed")
"""At which stages: at the others they do nothing that they do not do at one of these. What creates
jobs does nothing where there is one."""


def _stages_of(operation: Operation) -> tuple[str, ...]:
    if operation.counts_jobs and operation.writes:
        return _STAGES_OF_PURGES
    return _STAGE_OF_NONE if operation.creates else _STAGES_BEYOND


_FEW: tuple[Step, ...] = (
    _becomes(JobStatus.RUNNING),
    _becomes(JobStatus.PENDING),
    Step("add_failed_symbol", ("a", "BTC", "timeout")),
    Step("add_failed_symbol", ("a", "ETH", "banned")),
    Step("save", (Held("held", (Change("with_completed_symbol", ("BTC", 20)),)),)),
    Step("delete", ("a",)),
    Step("get_by_id", ("a",)),
)


def pairs(
    stages: Sequence[str] = tuple(STAGES), capabilities: frozenset[str] = frozenset()
) -> Iterator[ConcurrentProgram]:
    """Every two calls at every stage, each call once beside itself too.

    Beside a call that changes two jobs at one instant, another client also looks at one after the
    other; and beside each read, one makes a change and then the same read.

    Args:
        stages: Which stages.
        capabilities: What the adapter can do beyond the nine methods.
    """
    beyond = calls_beyond(capabilities)
    for stage in stages:
        setup = STAGES[stage]
        more = [one for one in beyond if stage in _stages_of(OPERATIONS[one.method])]
        every = (*CALLS, *more)
        calls = [call for call in every if _HOLD in setup or not _needs_held(call)]
        for first, second in combinations_with_replacement(calls, 2):
            yield ConcurrentProgram(setup, ((first,), (second,)))
        at_once = [call for call in calls if OPERATIONS[call.method].laws.one_instant]
        for many in at_once:
            ends = _ends_of(many)
            for ids in (ends, ends[::-1]):
                looks = tuple(Step("get_by_id", (id_,)) for id_ in ids)
                yield ConcurrentProgram(setup, ((many,), looks))
    for one in beyond:
        if OPERATIONS[one.method].creates and "pending" in stages:
            yield ConcurrentProgram(STAGES["pending"], ((one,), (Step("delete", ("a",)),)))
    if any(one.method == _PURGE.method for one in beyond) and "completed" in stages:
        yield from _purges_beside_reads(beyond)
    if "pending" in stages:
        yield from _reads_beside_a_change(beyond)
        yield from _pairs_of_symbols(capabilities)
    if LEASES in capabilities:
        yield from pairs_of_claims(capabilities)


_WITH_ALL_OF_ETH = example_job(
    "a",
    failed_symbols={"ETH": "boom"},
    permanent_failures=frozenset({"ETH"}),
    failure_counts={"ETH": 2},
    cursors={"ETH": _JOB.start + timedelta(days=2)},
)


def _reads_beside_a_change(beyond: Sequence[Step]) -> Iterator[ConcurrentProgram]:
    """Read what another client changes, and then reads as well.

    Who joins a read that is under way, or is given what that has put into a cache, is told of a
    job as it was before the change that was acknowledged already.
    """
    fails = Step("add_failed_symbol", ("a", "BTC", "timeout"))
    for read in (*CALLS, *beyond):
        if not OPERATIONS[read.method].writes:
            change = fails if read.method == "get_stats" else _becomes(JobStatus.RUNNING)
            yield ConcurrentProgram(STAGES["pending"], ((read,), (change, read)))


def _pairs_of_symbols(capabilities: Collection[str]) -> Iterator[ConcurrentProgram]:
    """Change one symbol beside a change of another, of which a store knows all that there is.

    A store that writes all symbols as it had read them brings back what the other call has ended.
    """
    recording = [one for one in operations(capabilities) if one.writes and one.takes("symbol")]
    if all(one.capability is None for one in recording):
        return  # the nine methods record failures alone, beside each other at other stages
    others = (
        *(one.step("a", 1, symbol="ETH") for one in recording),
        Step("save", (example_job("a"),)),
    )
    setup = (Step("save", (_WITH_ALL_OF_ETH,)),)
    for one, other in product(recording, others):
        yield ConcurrentProgram(setup, ((one.step("a", 1, symbol="BTC"),), (other,)))


_COMPLETED = (
    Step("save", (example_job("a", status=JobStatus.COMPLETED, finished_at=_LATER),)),
    Step("save", (example_job("b", status=JobStatus.CANCELLED, finished_at=_LATER),)),
)


def _purges_beside_reads(beyond: Sequence[Step]) -> Iterator[ConcurrentProgram]:
    """Purge two jobs, beside each call that tells of several, and beside one that purges one."""
    others = (
        *(one for one in beyond if OPERATIONS[one.method].counts_jobs),
        OPERATIONS["delete_finished"].step(before=datetime(2300, 1, 1, tzinfo=UTC), limit=1),
        Step("delete", ("b",)),
        Step("save", (example_job("b"),)),
    )
    looks = tuple(Step("get_by_id", (id_,)) for id_ in "ab")
    for other in (*((one,) for one in others), looks, looks[::-1]):
        yield ConcurrentProgram(_COMPLETED, ((_PURGE,), other))


def _ends_of(many: Step) -> tuple[str, str]:
    """Return the ids of two jobs that a call changes; a copy that is held is of the first job."""
    named = jobs_named(many.method, many.arguments)
    first, *_, last = ("a" if isinstance(one, Held) else id_of(one) for one in named)
    return first, last


def triples(stages: Sequence[str] = ("pending", "running")) -> Iterator[ConcurrentProgram]:
    """Every three changes of one job, or two and a read; all at once, or one beside the others.

    Some races need a third call: a retry that gives up, a lock that is forgotten while somebody
    waits for it. There are too many triples for all the calls that pairs are made of.
    """
    for stage in stages:
        for calls in combinations_with_replacement(_FEW, 3):
            yield ConcurrentProgram(STAGES[stage], tuple((call,) for call in calls))
        for first, second, third in product(_FEW, repeat=3):
            yield ConcurrentProgram(STAGES[stage], ((first,), (second, third)))


def _needs_held(step: Step) -> bool:
    return any(isinstance(one, Held) for one in jobs_named(step.method, step.arguments))
