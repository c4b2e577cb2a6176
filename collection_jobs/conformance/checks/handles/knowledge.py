"""What one handle knows of a job while another one changes it: one call at a time, by two handles.

A handle may remember what it read, claimed, added or ended; what it remembers must not outlive a
change by another handle. So each call is made by one handle, the job is changed by the other, and
the first one makes its call again. Every answer is held against the oracle of one caller, since no
two calls meet. What breaks a law with one handle, too, is the business of other checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, islice, product
from typing import cast

from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.oracle_runner import OracleRunner
from collection_jobs.conformance.running.topologies import several
from collection_jobs.conformance.spec.calls import Held, Step
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.findings import Finding, LawBroken
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["see_each_other"]

_LAW = "ATOMIC-1"
_A, _B = 0, 1
_MOST_STORES = 10
"""After so many cases that one handle breaks, too, the others are not made any more."""
_TTL = timedelta(hours=1)
_LEASE = Held("lease")
_LATER = datetime(2024, 3, 1, 12, tzinfo=UTC)
_ABSENT, _PENDING, _LEASED, _OVER = _STARTS = ("absent", "pending", "leased", "over")
"""What the job is when a case begins."""

Turn = tuple[int, Step]
"""Which of the two handles makes which call."""
Case = tuple[Turn, ...]
MakesSteps = Callable[[str], tuple[Step, ...]]
"""Makes the steps about a job of that id."""


def see_each_other(plan: Plan) -> tuple[int, Finding | None]:
    """Make all cases on a store that is open twice, up to the first that two handles alone break.

    Returns:
        How many calls were made, and what is wrong.
    """
    calls = 0
    profile = plan.profile
    every = cases(plan.capabilities, brief=not profile.on_disk or profile.smaller > 1)
    left = islice(every, 0, None, profile.at_once)  # fewer where an adapter's calls are slow
    for _ in range(_MOST_STORES):
        with OpenStore(several(plan.opening, plan.new_directory(), 2)) as store:
            for case in left:
                calls += len(case)
                broken = store.run(_made(case, store.repository, plan))
                if broken is not None:
                    break
            else:
                return calls, None
        if _needs_two(case, plan):
            return calls, _told(case, broken)
    return calls, None


async def _made(
    case: Case, handles: Sequence[CollectionJobRepository], plan: Plan
) -> LawBroken | None:
    by_turns = _ByTurns(handles)
    runner = OracleRunner(cast("CollectionJobRepository", by_turns), (), plan.unwritten)
    for handle, step in case:
        by_turns.turn = handle
        try:
            await runner.run(step)
        except LawBroken as broken:
            return broken
    return None


class _ByTurns:
    """Hands each call on to the handle whose turn it is."""

    def __init__(self, handles: Sequence[CollectionJobRepository]) -> None:
        self.turn: int = _A
        self._handles = handles

    def __getattr__(self, name: str) -> object:
        return getattr(self._handles[self.turn], name)


def _needs_two(case: Case, plan: Plan) -> bool:
    """Whether the calls are right when one handle makes all of them."""
    alone = tuple((_A, step) for _, step in case)
    with OpenStore(several(plan.opening, plan.new_directory(), 1)) as store:
        return store.run(_made(alone, store.repository, plan)) is None


def _told(case: Case, broken: LawBroken) -> Finding:
    lines = [
        str(step).replace("repository", f"h{handle + 1}", 1)
        for handle, step in case[: len(broken.program)]
    ]
    text = f"two handles of one process worked by turns, and {broken.finding.message}"
    return Finding(_LAW, text, ("# h1 and h2 are two handles on one store:", *lines))


def cases(capabilities: frozenset[str], *, brief: bool) -> Iterator[Case]:
    """Yield every call with every change in between, each about a job of its own.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
        brief: Whether to make calls that write with two of the changes only.
    """
    able = operations(capabilities)
    job_ids = (f"job {number}" for number in count())
    for start in (one for one in _STARTS if one != _LEASED or LEASES in capabilities):
        reads, *writes = _calls(start, able)
        changes = [*_changes(start, able), _recreated, _deleted]
        few = (changes[0], changes[-1]) if brief else changes
        for call, change in (*product((reads,), changes), *product(writes, few)):
            yield tuple(_case(next(job_ids), start, call, change, able))


def _case(
    job_id: str, start: str, call: MakesSteps, change: MakesSteps, able: Sequence[Operation]
) -> Iterator[Turn]:
    if start != _ABSENT:
        yield _B, Step("save", (_job(job_id, start),))
    if start == _LEASED:
        yield _A, Step("claim", (job_id, "worker", _TTL), keep="lease")
    yield from ((_A, step) for step in call(job_id))
    yield from ((_B, step) for step in change(job_id))
    yield from ((_A, step) for step in call(job_id))
    looks = [one for one in able if one.name in ("get_by_id", "get_stats", "get_lease")]
    yield from ((_A, look.step(job_id)) for look in looks)
    yield _B, Step("get_by_id", (job_id,))
    yield _B, Step("delete", (job_id,))


def _calls(start: str, able: Sequence[Operation]) -> list[MakesSteps]:
    """Return what the first handle calls twice: all reads together, or one call that writes."""
    reads = [one for one in able if not one.writes]
    writes = [one for one in able if one.writes and (one.name != "renew" or start == _LEASED)]
    return [partial(_each, group, start) for group in (reads, *((one,) for one in writes))]


def _each(some: Sequence[Operation], start: str, job_id: str) -> tuple[Step, ...]:
    return tuple(_step(one, job_id, start) for one in some)


def _step(one: Operation, job_id: str, start: str) -> Step:
    given: dict[str, object] = {
        "job": _job(job_id),
        "jobs": (_job(job_id),),
        "source": job_id,
        "query": JobQuery(source=job_id),
        "status": JobStatus.CANCELLED if one.writes else JobStatus.PENDING,
        "symbol": "XRP",
        "before": _LATER,
    }
    if start == _LEASED:
        given["lease"] = _LEASE
    return one.step(job_id, **given)


def _changes(start: str, able: Sequence[Operation]) -> Iterator[MakesSteps]:
    """Yield what the other handle does to the job, first of all what changes most of it."""
    if start == _LEASED:
        yield lambda job_id: (Step("update_status", (job_id, JobStatus.PENDING)),)
    yield lambda job_id: (Step("save", (_job(job_id),)),)
    if start == _ABSENT:
        return
    for one in able:
        if one.writes and one.name not in ("save", "delete", "renew"):
            yield partial(_each, (one,), _PENDING)
    if start == _LEASED:
        yield lambda job_id: (Step("renew", (_LEASE, 2 * _TTL)),)
        yield lambda job_id: (Step("update_status", (job_id, JobStatus.FAILED, "boom")),)


def _recreated(job_id: str) -> tuple[Step, ...]:
    return Step("delete", (job_id,)), Step("save", (_job(job_id),))


def _deleted(job_id: str) -> tuple[Step, ...]:
    return (Step("delete", (job_id,)),)


def _job(job_id: str, start: str = _PENDING) -> CollectionJob:
    if start == _OVER:
        over = JobStatus.COMPLETED
        return rich_job(job_id, source=job_id, status=over, finished_at=_LATER - _TTL)
    return rich_job(job_id, source=job_id, finished_at=None)
