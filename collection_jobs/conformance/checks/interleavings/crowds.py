"""Pairs of calls among so many jobs that a listing takes several pages, and a cache is full.

What an adapter reads page by page within one listing shifts when a job comes or goes in between.
What it changes batch by batch within one call is seen half done.
What it keeps of the jobs that were used last (their locks, their rows) is dropped when more are
used than it keeps: 128 is what `functools.lru_cache` keeps unless it is told otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.spec.calls import Step, example_job
from collection_jobs.conformance.spec.operations import OPERATIONS, operations
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["JOBS_OF_A_CROWD", "batches", "crowds"]

JOBS_OF_A_CROWD = 131
"""How many there are: more than the pages of 10, 50, 100 and 128 rows that adapters read."""
_BORN = example_job().created_at
_LIMIT = 1_000


def _job(number: int, status: JobStatus) -> CollectionJob:
    began = None if status is JobStatus.PENDING else _BORN
    return example_job(
        f"job {number:03}",
        source=("binance", "kraken", "okx")[number % 3],
        created_at=_BORN + timedelta(days=number),
        status=status,
        started_at=began,
        finished_at=began if status.is_final else None,
    )


def _jobs(status: JobStatus) -> tuple[CollectionJob, ...]:
    return tuple(_job(number, status) for number in range(JOBS_OF_A_CROWD))


def crowds(capabilities: Collection[str] = frozenset()) -> Iterator[ConcurrentProgram]:
    """Yield each listing beside what shifts it, and changes of a job beside those of all others.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    first, middle, last, new = 0, JOBS_OF_A_CROWD // 2, JOBS_OF_A_CROWD - 1, JOBS_OF_A_CROWD
    names = {one.name for one in operations(capabilities)}
    of_pending = (
        Step("list_recent", (_LIMIT,)),
        Step("list_by_status", (JobStatus.PENDING, _LIMIT)),
        Step("list_after", (JobStatus.PENDING, None, _LIMIT)),
        Step("find", (JobQuery(statuses=(JobStatus.PENDING,)), _LIMIT)),
        Step("count", (JobQuery(),)),
    )
    for status, listings in (
        (JobStatus.PENDING, [one for one in of_pending if one.method in names]),
        (JobStatus.RUNNING, [Step("get_running_jobs")]),
    ):
        setup = tuple(Step("save", (job,)) for job in _jobs(status))
        changes = (
            *(Step("delete", (f"job {number:03}",)) for number in (first, middle, last)),
            Step("save", (_job(new, status),)),
            Step("update_status", (f"job {middle:03}", JobStatus.CANCELLED)),
        )
        for listing in listings:
            for change in changes:
                yield ConcurrentProgram(setup, ((listing,), (change,)))
    yield from _beside_all_others()


def batches(capabilities: Collection[str]) -> Iterator[ConcurrentProgram]:
    """Yield each call that changes many jobs at one instant, beside looks at two of them.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    ended = tuple(Step("save", (job,)) for job in _jobs(JobStatus.COMPLETED))
    for one in operations(capabilities):
        if one.takes("jobs") and one.writes:
            yield from _seen_by_others((), Step(one.name, (_jobs(JobStatus.PENDING),)))
        elif one.counts_jobs and one.writes:
            purge = OPERATIONS[one.name].step(before=_BORN + timedelta(days=1))
            yield from _seen_by_others(ended, purge)


def _seen_by_others(setup: tuple[Step, ...], many: Step) -> Iterator[ConcurrentProgram]:
    ends = "job 000", f"job {JOBS_OF_A_CROWD - 1:03}"
    for ids in (ends, ends[::-1]):
        looks = tuple(Step("get_by_id", (id_,)) for id_ in ids)
        yield ConcurrentProgram(setup, ((many,), looks))


def _beside_all_others() -> Iterator[ConcurrentProgram]:
    """Change one job while another client changes each of the others, and then the same one."""
    one = example_job("a")
    setup = (
        Step("save", (one,)),
        *(Step("save", (_job(number, JobStatus.PENDING),)) for number in range(JOBS_OF_A_CROWD)),
    )
    others = tuple(
        Step("add_failed_symbol", (f"job {number:03}", "BTC", "timeout"))
        for number in range(JOBS_OF_A_CROWD)
    )
    claim = Step("update_status", ("a", JobStatus.RUNNING))
    outcome = Step("add_failed_symbol", ("a", "ETH", "banned"))
    for mine, theirs in ((claim, claim), (outcome, claim), (claim, outcome), (outcome, outcome)):
        yield ConcurrentProgram(setup, ((mine,), (*others, theirs)))
