"""Costs: what each method takes, in time on the clock and in work of the process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from collection_jobs.conformance.checks.scaling.filling import (
    DELETED,
    NEWEST,
    OLD,
    RARE,
    RARE_SOURCE,
    RARE_SYMBOL,
)
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["CHANGES", "DEEP_PAGE", "FIRST_PAGE", "Cost", "measure", "measure_changes"]

CHANGES = "save(new), add_failed_symbol(id, symbol, error) and delete(id), 100 times each"

FIRST_PAGE = "list_after(JobStatus.PENDING, None, 5)"
DEEP_PAGE = "list_after(JobStatus.PENDING, key, 5)"

_FEW = 5
_DEEP = NEWEST - timedelta(minutes=30), "job"
"""The key of a page near the end, behind which there are still some jobs."""
_CHANGED_JOBS, _CALLERS = 100, 8
_LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
_TTL = timedelta(hours=1)
_LONG = 0.015
"""Seconds after which a call that takes long is not made any more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call takes.

    Attributes:
        wall: Seconds on the clock.
        cpu: Seconds that the process worked, on all its threads: what other programs do to the
            machine, or a disk's moods, hardly show in it. An engine in another process does not
            show in it at all.
        moved: Bytes that the process read and wrote, as the system counts them; 0 where it does
            not. Nothing else on the machine shows in it.
    """

    wall: float
    cpu: float
    moved: float = 0.0

    def least(self, other: Cost) -> Cost:
        """Return the lesser of two measurements: what disturbs one only ever adds to it."""
        return Cost(
            min(self.wall, other.wall), min(self.cpu, other.cpu), min(self.moved, other.moved)
        )


async def measure(
    repository: CollectionJobRepository,
    name: str,
    times: int,
    capabilities: frozenset[str] = frozenset(),
) -> dict[str, Cost]:
    """Make each call some times, one after another, on jobs that are removed again at the end.

    Args:
        repository: The store; it has many jobs in it, or few.
        name: What no other measurement on this store is called.
        times: How many times; less often where that takes long.
        capabilities: What the adapter can do beyond the nine methods.

    Returns:
        For each call, as Python, what it took.
    """
    probes = [_probe(f"{name} {number}") for number in range(times)]
    held: list[CollectionJob] = []
    left: list[CollectionJob] = []
    others = list(probes)
    costs: dict[str, Cost] = {}
    enabled = gc.isenabled()
    gc.disable()  # it looks at all objects of the process now and then, whoever made them
    try:
        for what, call in _calls(repository, held, others, capabilities):
            costs[what], made = await _time(call, probes)
            left += probes[made:]
            del probes[made:]
            if what == "get_by_id(id)":
                held += [job for probe in probes if (job := await repository.get_by_id(probe.id))]
        for probe in left:
            await repository.delete(probe.id)
    finally:
        if enabled:
            gc.enable()
    return costs


def _probe(id_: str) -> CollectionJob:
    return example_job(id_, created_at=NEWEST + timedelta(seconds=1))


_Call = Callable[[int, CollectionJob], Awaitable[object]]


def _calls(
    repository: CollectionJobRepository,
    held: Sequence[CollectionJob],
    others: Sequence[CollectionJob],
    capabilities: frozenset[str],
) -> Iterator[tuple[str, _Call]]:
    """Every method but get_running_jobs, in every way that may cost something of its own."""
    yield "save(new)", lambda at, job: repository.save(job)
    yield "get_by_id(id)", lambda at, job: repository.get_by_id(job.id)
    yield "get_by_id(unknown)", lambda at, job: repository.get_by_id(f"{job.id}?")
    yield "get_stats(id)", lambda at, job: repository.get_stats(job.id)
    yield "save(copy)", lambda at, job: repository.save(held[at] if at < len(held) else job)
    yield "save(job)", lambda at, job: repository.save(job)
    yield (
        "add_failed_symbol(id, symbol, error)",
        lambda at, job: repository.add_failed_symbol(job.id, "BTC", "timeout"),
    )
    yield (
        "update_status(id, JobStatus.RUNNING)",
        lambda at, job: repository.update_status(job.id, JobStatus.RUNNING),
    )
    yield (
        "update_status(id, JobStatus.PENDING)",
        lambda at, job: repository.update_status(job.id, JobStatus.PENDING),
    )
    yield (
        "list_by_status(JobStatus.PENDING, 5)",
        lambda at, job: repository.list_by_status(JobStatus.PENDING, _FEW),
    )
    yield (
        f"list_by_status(JobStatus.{RARE.name}, 5)",
        lambda at, job: repository.list_by_status(RARE, _FEW),
    )
    yield from _more_listings(repository)
    yield from _on_an_old_job(repository)
    yield from _beyond(repository, others, capabilities)
    yield from _on_no_job(repository)
    yield "delete(id)", lambda at, job: repository.delete(job.id)


def _more_listings(repository: CollectionJobRepository) -> Iterator[tuple[str, _Call]]:
    """Yield listings that match few jobs, many and none."""
    running = JobStatus.RUNNING
    yield (
        "list_by_status(JobStatus.RUNNING, 5, 3)",
        lambda at, job: repository.list_by_status(running, _FEW, 3),
    )
    yield "list_recent(5)", lambda at, job: repository.list_recent(_FEW)
    for when, since in _SINCE.items():
        yield f"list_recent(5, since={when})", _recent(repository, since)


def _recent(repository: CollectionJobRepository, since: datetime) -> _Call:
    return lambda at, job: repository.list_recent(_FEW, since)


_SINCE = {
    "yesterday": NEWEST,
    "long ago": _LONG_AGO,
    "tomorrow": NEWEST + timedelta(days=1),
}


def _on_an_old_job(repository: CollectionJobRepository) -> Iterator[tuple[str, _Call]]:
    """Yield calls on the oldest job, before which there is none."""
    yield "get_by_id(old)", lambda at, job: repository.get_by_id(OLD)
    yield "get_stats(old)", lambda at, job: repository.get_stats(OLD)
    yield (
        "add_failed_symbol(old, symbol, error)",
        lambda at, job: repository.add_failed_symbol(OLD, "ETH", f"timeout {at}"),
    )


def _on_no_job(repository: CollectionJobRepository) -> Iterator[tuple[str, _Call]]:
    """Yield calls on an id that was never used, and on one whose job was deleted."""
    yield "get_stats(unknown)", lambda at, job: repository.get_stats(f"{job.id}?")
    yield "get_stats(deleted)", lambda at, job: repository.get_stats(DELETED)
    yield (
        "update_status(deleted, JobStatus.RUNNING)",
        lambda at, job: repository.update_status(DELETED, JobStatus.RUNNING),
    )
    yield "delete(unknown)", lambda at, job: repository.delete(f"{job.id}?")
    yield "delete(deleted)", lambda at, job: repository.delete(DELETED)


def _beyond(
    repository: CollectionJobRepository,
    others: Sequence[CollectionJob],
    capabilities: frozenset[str],
) -> Iterator[tuple[str, _Call]]:
    for operation in operations(capabilities):
        if operation.capability not in (None, LEASES):
            yield from _calls_beyond(operation, repository, others)
    if LEASES in capabilities:
        yield from _on_leases(repository)


def _calls_beyond(
    operation: Operation, repository: CollectionJobRepository, others: Sequence[CollectionJob]
) -> Iterator[tuple[str, _Call]]:
    method: Any = getattr(repository, operation.name)
    if operation.name == "list_after":
        yield FIRST_PAGE, lambda at, job: method(JobStatus.PENDING, None, _FEW)
        yield DEEP_PAGE, lambda at, job: method(JobStatus.PENDING, _DEEP, _FEW)
        return
    special = _SPECIAL.get(operation.name)
    if special is not None:
        yield from special(repository)
        return
    # Each outcome replaces the other kind's, and of several jobs there are two different ones.
    names = (_SHOWN.get(one.name, one.name) for one in operation.parameters if one.is_required)
    yield (
        f"{operation.name}({', '.join(names)})",
        lambda at, job: method(
            *operation.arguments(job.id, jobs=(job, others[at - 1]), symbol="ETH")
        ),
    )


_FOUND: Mapping[str, dict[str, Any]] = {
    "statuses=[rare]": {"statuses": (RARE,)},
    "source=rare": {"source": RARE_SOURCE},
    "symbol=rare": {"symbol": RARE_SYMBOL},
    "source=rare, with_failures=True": {"source": RARE_SOURCE, "with_failures": True},
    "symbol=rare, created_from=long ago": {"symbol": RARE_SYMBOL, "created_from": _LONG_AGO},
}
"""Conditions that few jobs meet, however many there are."""
_FOUND_OFTEN: Mapping[str, dict[str, Any]] = {
    "": {},
    "statuses=[JobStatus.PENDING]": {"statuses": (JobStatus.PENDING,)},
    'source="binance"': {"source": "binance"},
    'symbol="BTC"': {"symbol": "BTC"},
}
"""Conditions that many jobs meet, of which a page is shown."""


def _finds(repository: Any) -> Iterator[tuple[str, _Call]]:
    """Yield finds of few jobs, of the first of many, and of those behind a key."""
    for what, given in {**_FOUND, **_FOUND_OFTEN}.items():
        yield f"find(JobQuery({what}), 5)", _find(repository, JobQuery(**given), None)
    for what, given in _FOUND_OFTEN.items():
        yield f"find(JobQuery({what}), 5, after=key)", _find(repository, JobQuery(**given), _DEEP)


def _find(repository: Any, query: JobQuery, after: Any) -> _Call:
    return lambda at, job: repository.find(query, _FEW, after)


def _counts(repository: Any) -> Iterator[tuple[str, _Call]]:
    """Yield counts of few jobs: those of many may cost what there are."""
    for what, given in _FOUND.items():
        yield f"count(JobQuery({what}))", _count(repository, JobQuery(**given))


def _count(repository: Any, query: JobQuery) -> _Call:
    return lambda at, job: repository.count(query)


def _purges(repository: Any) -> Iterator[tuple[str, _Call]]:
    """Yield purges of no job, and of one that has just been saved."""

    async def purge_one(at: int, job: CollectionJob) -> None:
        before = _LONG_AGO - timedelta(days=1)
        ended = example_job(f"{job.id}, ended", status=JobStatus.COMPLETED, finished_at=before)
        await repository.save(ended)
        await repository.delete_finished(_LONG_AGO)

    yield "delete_finished(long ago)", lambda at, job: repository.delete_finished(_LONG_AGO)
    yield "save(ended) and delete_finished(long ago)", purge_one


_SPECIAL: Mapping[str, Callable[[Any], Iterator[tuple[str, _Call]]]] = MappingProxyType(
    {"find": _finds, "count": _counts, "delete_finished": _purges}
)
"""What is measured of methods that are about whichever jobs match."""


def _on_leases(repository: Any) -> Iterator[tuple[str, _Call]]:
    """Yield what workers do: claim jobs, and work on them under their leases."""
    leases = dict[int, Any]()

    async def claim(at: int, job: CollectionJob) -> None:
        leases[at] = await repository.claim(job.id, "worker", _TTL)

    # Each takes a job and gives it back, or a second measurement would find other ones.
    async def claim_next(at: int, job: CollectionJob) -> None:
        taken = await repository.claim_next("worker", _TTL)
        if taken is not None:
            await repository.update_status(taken.job.id, JobStatus.PENDING, lease=taken)

    async def few(at: int, job: CollectionJob) -> None:
        await repository.claim_next("worker", _TTL, source="no such source", most_running=3)

    yield "claim(id, worker, ttl)", claim
    yield "get_lease(id)", lambda at, job: repository.get_lease(job.id)
    yield "renew(lease, ttl)", lambda at, job: repository.renew(leases[at], _TTL)
    yield (
        "add_completed_symbol(id, symbol, candles, lease=lease)",
        lambda at, job: repository.add_completed_symbol(job.id, "ETH", 7, lease=leases[at]),
    )
    yield "claim_next(worker, ttl)", claim_next
    yield "claim_next(worker, ttl, source=source, most_running=3)", few


_SHOWN = {"job_id": "id", "jobs": "(job, other)"}
"""How a cost calls some of the arguments."""


async def _time(call: _Call, probes: Sequence[CollectionJob]) -> tuple[Cost, int]:
    """Return what the call takes, and for how many of the probes there was time."""
    meter = _Meter()
    made = 0
    for at, probe in enumerate(probes):
        await call(at, probe)
        made += 1
        if time.perf_counter() - meter.began > _LONG:
            break
    return meter.cost(made), made


class _Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._moved = _bytes_moved()
        self.began = time.perf_counter()
        self._cpu = time.process_time()

    def cost(self, calls: int) -> Cost:
        """Return what each of so many calls took."""
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self.began
        return Cost(wall / calls, cpu / calls, (_bytes_moved() - self._moved) / calls)


_IO = Path("/proc/self/io")


def _bytes_moved() -> int:
    """Return how much the process has read and written so far; 0 where the system does not say."""
    try:
        lines = _IO.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))


async def measure_changes(repository: CollectionJobRepository, name: str) -> Cost:
    """Return the mean cost of some hundreds of changes, of which one may do the work of many.

    Args:
        repository: The store.
        name: What no other measurement on this store is called.
    """
    probes = iter([_probe(f"{name} {number}") for number in range(_CHANGED_JOBS)])

    async def change() -> None:
        for job in probes:
            await repository.save(job)
            await repository.add_failed_symbol(job.id, "BTC", "timeout")
            await repository.delete(job.id)

    meter = _Meter()
    await asyncio.gather(*(change() for _ in range(_CALLERS)))
    return meter.cost(3 * _CHANGED_JOBS)
