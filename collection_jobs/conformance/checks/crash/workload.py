"""Lives: what a process does to a store until it is killed, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.spec.calls import Call, Change, Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS
from collection_jobs.conformance.spec.drawn_jobs import draw_job
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["IDS", "life", "looks"]

_CLIENTS = ("A", "B", "C", "D")
_JOBS = (1, 2)
_SYMBOLS = ("S0", "S1", "S2", "S3")
_ALL = 1_000_000
_DRAWN = 0.3
"""How many of the jobs have their values drawn from the domains."""
_HALF_DONE_IN_MORE_WAYS = 3
"""How often a change of several jobs is made for one of a single job."""

_PURGER = "P"
_PURGED = tuple(f"{_PURGER}{number}" for number in (1, 2, 3, 4, 5))
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
"""When the jobs ended that are purged, and no others."""

IDS = (*(f"{client}{number}" for client in _CLIENTS for number in _JOBS), *_PURGED)
"""Every job that a life is about; each belongs to one client, who works on no other's."""


def life(
    random: Random, changes: int, capabilities: frozenset[str] = frozenset()
) -> tuple[Client, ...]:
    """Return what each client does: so many changes, and after each a look at what came of it.

    Args:
        random: Where it comes from.
        changes: How many.
        capabilities: What the adapter can do beyond the nine methods.
    """
    beyond = [
        one
        for one in operations(capabilities)
        # Which job a call picks is another client's business, too.
        if one.capability is not None and one.writes and not (one.picks or one.counts_jobs)
        for _ in range(_HALF_DONE_IN_MORE_WAYS if one.laws.one_instant else 1)
    ]
    clients = [
        Client(
            name, tuple(_steps(random, [f"{name}{number}" for number in _JOBS], changes, beyond))
        )
        for name in _CLIENTS
    ]
    if METHODS["delete_finished"] in capabilities:
        clients.append(Client(_PURGER, tuple(_purges(random, max(1, changes // 3)))))
    return tuple(clients)


def _purges(random: Random, times: int) -> Iterator[Step]:
    """Save jobs that have ended, and purge them, of which all go or none."""
    for _ in range(times):
        for id_ in _PURGED:
            status = random.choice((JobStatus.COMPLETED, JobStatus.CANCELLED))
            job = replace(_job(random, id_), status=status, finished_at=_FIRST_INSTANT)
            yield Step("save", (job,))
        yield OPERATIONS["delete_finished"].step(before=_FIRST_INSTANT + timedelta(seconds=1))
        yield from (Step("get_by_id", (id_,)) for id_ in _PURGED)


def _steps(random: Random, ids: list[str], changes: int, beyond: list[Operation]) -> Iterator[Step]:
    for id_ in ids:
        yield Step("get_by_id", (id_,), keep=id_)
    for _ in range(changes):
        id_ = random.choice(ids)
        yield _change(random, id_, ids, beyond)
        yield Step("get_by_id", (id_,), keep=id_)


def _change(random: Random, id_: str, ids: list[str], beyond: list[Operation]) -> Step:
    symbol, text = random.choice(_SYMBOLS), random.choice(("timeout", "refused", "e" * 5_000))
    kind = random.randrange(8 + len(beyond))
    if kind >= 8:
        operation = beyond[kind - 8]
        if operation.is_of_leases:
            return _leasing(random, operation, id_, symbol)
        jobs = tuple(_job(random, one) for one in ids if operation.takes("jobs"))
        return operation.step(id_, random.randrange(1_000), symbol=symbol, jobs=jobs)
    match kind:
        case 0 | 1:
            return Step("save", (_job(random, id_),))
        case 2:
            change = Change("with_completed_symbol", (symbol, random.randrange(1, 1_000)))
            return Step("save", (Held(id_, (change,)),))
        case 3:
            return Step("delete", (id_,))
        case 4 | 5:
            return Step("update_status", (id_, random.choice(list(JobStatus)), text))
        case _:
            return Step("add_failed_symbol", (id_, symbol, text))


def _leasing(random: Random, operation: Operation, id_: str, symbol: str) -> Step:
    """Claim a job, or do something under the lease of it, if there is one."""
    lease, ttl = f"lease_{id_}", timedelta(hours=random.choice((1, 2)))
    if not operation.needs_lease:
        return replace(operation.step(id_, random.randrange(3), ttl=ttl), keep=lease)
    match random.randrange(3):
        case 0:
            return Step("renew", (Held(lease), ttl))
        case 1:
            return Step("add_failed_symbol", (id_, symbol, "under lease", Held(lease)))
        case _:
            return Step("update_status", (id_, JobStatus.PENDING, None, Held(lease)))


def _job(random: Random, id_: str) -> CollectionJob:
    if random.random() < _DRAWN:
        job = draw_job(random, id_, symbols=_SYMBOLS)
        ended_first = job.finished_at is not None and job.finished_at.year == 1
        return replace(job, finished_at=None) if ended_first else job
    return example_job(
        id_,
        source=random.choice(("binance", "kraken")),
        symbols=_SYMBOLS,
        created_at=datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=random.randrange(1_000)),
        status=random.choice(list(JobStatus)),
        completed_symbols={"S0": random.randrange(1_000)},
        failed_symbols={"S1": "boom", "S2": "e" * random.choice((1, 5_000))},
        metadata={"ticket": f"T-{random.randrange(1_000)}", "note": ""},
    )


def looks(capabilities: frozenset[str] = frozenset()) -> Iterator[Call]:
    """Yield what shows all that a store holds: jobs, their stats and leases, and every listing."""
    for id_ in IDS:
        yield Call("get_by_id", (id_,))
        yield Call("get_stats", (id_,))
        if LEASES in capabilities:
            yield Call("get_lease", (id_,))
    yield from (Call("list_by_status", (status, _ALL)) for status in JobStatus)
    yield Call("list_recent", (_ALL,))
    yield Call("get_running_jobs")
    if METHODS["find"] in capabilities:
        yield Call("find", (JobQuery(), _ALL))
        yield Call("count", (JobQuery(),))
