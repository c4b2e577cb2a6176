"""Fixed programs for the optional Protocols: what an adapter has beyond the nine methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from collection_jobs.capabilities import RecordsCompletedSymbols
from collection_jobs.conformance.checks.sequential.fixed_cases_finding import (
    counting,
    finding,
    purging,
)
from collection_jobs.conformance.checks.sequential.fixed_cases_leases import (
    fixed_programs_of_leases,
)
from collection_jobs.conformance.checks.sequential.fixed_cases_recording import (
    cursors,
    permanent_failures,
)
from collection_jobs.conformance.spec.calls import Change, Held, Once, Program, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.domain_texts import POOLS
from collection_jobs.conformance.spec.domains import FEW_COUNTS, FEW_INSTANTS
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["fixed_programs_beyond"]

_STATUSES = (JobStatus.PENDING, JobStatus.RUNNING)
_MORE_THAN_A_BATCH = 130
"""DynamoDB takes 25 items at once, BigTable's clients and many drivers 100, and others 128."""
_THREE = ("BTC", "ETH", "XRP")
_COPY = Held("job", (Change("with_failed_symbol", ("BTC", "late")),))


def fixed_programs_beyond(capabilities: Collection[str]) -> Iterator[Program]:
    """Return the programs for the Protocols that an adapter has, each for a new store.

    A method of which nothing is special is given a plain program, made from its entry.
    """
    for operation in operations(capabilities):
        if operation.capability not in (None, LEASES):
            yield from _CASES.get(operation.name, _plain_cases)(operation, capabilities)
    if LEASES in capabilities:
        yield from fixed_programs_of_leases(capabilities)


def _look(*ids: str) -> Iterator[Step]:
    for job_id in ids:
        yield Step("get_by_id", (job_id,))
        yield Step("get_stats", (job_id,))


def _job(job_id: str, **fields: object) -> CollectionJob:
    """Return a job with outcomes."""
    outcomes = {
        "completed_symbols": {"BTC": 500},
        "failed_symbols": {"ETH": "boom"},
        "permanent_failures": frozenset({"ETH"}),
    }
    return example_job(job_id, **{"symbols": _THREE, **outcomes, **fields})


def _completions() -> Iterator[Step]:
    """Record a completion of every symbol, over every outcome, of every size; and refusals."""
    for candles in FEW_COUNTS:
        yield Step("save", (rich_job("a"),))
        yield Step("get_by_id", ("a",), keep="job")
        for symbol in (*_THREE, "BTC"):
            yield Step("add_completed_symbol", ("a", symbol, candles))
            yield Step("get_by_id", ("a",))
        yield Step("get_stats", ("a",))
        yield Step("save", (_COPY,))
        yield Step("add_failed_symbol", ("a", "XRP", "boom"))
        yield Step("add_completed_symbol", ("a", "XRP", candles))
        yield from _look("a")
    for job_id, symbol in (("a", "DOGE"), ("a", "btc"), ("unknown", "BTC")):
        yield Step("get_by_id", ("a",), keep="job")
        yield Step("add_completed_symbol", (job_id, symbol, 1))
        yield from _look("a", job_id)
        yield Step("save", (_COPY,))
        yield from _look("a")


def _many(*jobs: CollectionJob | Held) -> Step:
    return Step("save_many", (jobs,))


def _many_cases() -> Iterator[Step]:
    yield from _saves_of_many()
    yield from _refusals_of_many()
    yield from _twice_the_same()


def _saves_of_many() -> Iterator[Step]:
    """Jobs that are created and replaced together: each of them, whole, in every listing."""
    yield _many()
    yield _many(rich_job("a"))
    yield from _look("a")
    for status in JobStatus:
        yield _many(rich_job("a"), rich_job("b", status=status), rich_job("c", source="kraken"))
        yield from _look("a", "b", "c")
        yield Step("list_by_status", (status,))
        yield Step("list_recent")
    yield Step("save_many", (Once((example_job("a", symbols=("XRP",)), rich_job("d"))),))
    yield from _look("a", "d")
    yield Step("get_by_id", ("b",), keep="job")
    yield _many(rich_job("e"), _COPY, example_job("a"))
    yield from _look("e", "b", "a")
    yield from (Step("delete", (job_id,)) for job_id in "ab")
    yield _many(example_job("a", symbols=_THREE), example_job("b", symbols=_THREE))
    yield from _look("a", "b")


def _refusals_of_many() -> Iterator[Step]:
    """One stale copy, wherever it stands: then none is saved, and no revision grows."""
    stale = (
        Step("save", (rich_job("a"),)),
        Step("update_status", ("a", JobStatus.RUNNING)),
        Step("delete", ("a",)),
    )
    others = (rich_job("b", source="kraken"), rich_job("c"))
    for change in stale:
        for place in range(3):
            yield Step("save", (rich_job("a"),))
            yield Step("save", (rich_job("b"),))
            yield Step("get_by_id", ("b",))
            yield Step("get_by_id", ("a",), keep="job")
            yield change
            yield Step("get_by_id", ("a",))
            yield _many(*others[:place], _COPY, *others[place:])
            yield from _look("a", "b", "c")
    yield Step("list_recent")
    yield from _refused_far_behind()


def _refused_far_behind() -> Iterator[Step]:
    """One stale copy behind more jobs than a batch of any engine has: none of them is saved."""
    many = tuple(example_job(f"job {number:03}") for number in range(_MORE_THAN_A_BATCH))
    yield Step("save", (rich_job("a"),))
    yield Step("get_by_id", ("a",), keep="job")
    yield Step("update_status", ("a", JobStatus.RUNNING))
    yield _many(*many, _COPY)
    yield from (Step("get_by_id", (many[at].id,)) for at in (0, -1))


def _twice_the_same() -> Iterator[Step]:
    """One id twice: the second job meets what the first one left."""
    yield _many(_job("a", source="first"), _job("a", source="second"))
    yield from _look("a")
    yield _many(_job("a", source="first"), _job("b"), example_job("a", symbols=("BTC",)))
    yield from _look("a", "b")
    for jobs in (
        (_COPY, _job("a")),  # the copy is fresh, and what comes after it asks for nothing
        (_COPY, Held("job")),
        (_job("a"), _COPY),
        (_job("b"), _COPY, _COPY),
    ):
        yield Step("save", (_job("a", source="third"),))
        yield Step("get_by_id", ("b",))
        yield Step("get_by_id", ("a",), keep="job")
        yield _many(*jobs)
        yield from _look("a", "b")


def _additions() -> Iterator[Step]:
    """Add jobs that are there in every status, at every revision, and that were deleted."""
    for status in JobStatus:
        job = rich_job("a", status=status)
        yield Step("add", (job,))
        yield from _look("a")
        yield Step("get_by_id", ("a",), keep="job")
        for again in (job, example_job("a", source="kraken"), Held("job"), _COPY):
            yield Step("add", (again,))
            yield from _look("a")
        yield Step("save", (_COPY,))
        yield Step("add", (Held("job"),))
        yield from _look("a")
        yield Step("delete", ("a",))
        yield Step("add", (_COPY,))  # at the revision of the job that was deleted
        yield from (*_look("a"), Step("list_recent"), Step("list_by_status", (status,)))
        yield Step("save", (Held("job"),))
        yield Step("delete", ("a",))
    for name in (pool[-1] for pool in POOLS):
        yield Step("add", (rich_job(name),))
        yield from _look(name)


def _additions_of_many() -> Iterator[Step]:
    """Add several jobs, of which some are there, some come twice, and some are copies."""
    a, b, c = (rich_job(job_id) for job_id in "abc")
    other = example_job("a", source="kraken")
    yield Step("add_many", ((),))
    yield Step("save", (b,))
    yield Step("update_status", ("b", JobStatus.RUNNING))
    yield Step("get_by_id", ("b",), keep="job")
    for jobs in ((a, b, c), (c, b, a), (other, a), (_COPY, other), (Held("job"), b)):
        yield Step("add_many", (jobs,))
        yield from (*_look("a", "b", "c"), Step("list_recent"))
    yield Step("delete", ("a",))
    yield Step("add_many", ((other, b, a),))
    yield from _look("a", "b", "c")
    yield Step("add_many", (Once((rich_job("d"), a, rich_job("e"))),))
    yield Step("add_many", (Once(()),))
    yield from (*_look("d", "e"), Step("list_recent"))
    many = tuple(example_job(f"job {number}") for number in range(24))
    yield Step("add_many", (many[:16],))
    yield Step("add_many", (many[8:],))
    yield Step("list_recent")


def _pages(pool: tuple[str, ...]) -> Iterator[Step]:
    """Pages behind every job, behind jobs that are gone, and behind keys that no job ever had."""
    names = [*pool, *(f"{name[:250]} x" for name in pool)]
    ages = [
        *(FEW_INSTANTS[0] for _ in pool),
        *(FEW_INSTANTS[number % 4] for number in range(len(pool))),
    ]
    jobs = [
        rich_job(name, created_at=age, status=_STATUSES[number == 2])
        for number, (name, age) in enumerate(zip(names, ages, strict=True))
    ]
    keys = [(job.created_at, job.id) for job in jobs]
    for job in jobs:
        yield Step("save", (job,))
    for status in JobStatus:
        yield Step("list_after", (status,))
    for limit in (0, 3, 10**30):
        yield Step("list_after", (JobStatus.PENDING, None, limit))
        yield Step("list_after", (JobStatus.RUNNING, (FEW_INSTANTS[0], names[0]), limit))
    strangers = [(FEW_INSTANTS[0], "m"), (FEW_INSTANTS[-2], "a"), (FEW_INSTANTS[-1], "\U0001f600")]
    yield from _behind([*keys, *strangers])
    yield Step("delete", (jobs[1].id,))
    yield Step("update_status", (jobs[3].id, JobStatus.RUNNING))
    yield Step("get_by_id", (jobs[3].id,))
    yield from _behind(keys[:4])


def _behind(keys: Iterable[tuple[datetime, str]]) -> Iterator[Step]:
    for key in keys:
        yield Step("list_after", (JobStatus.PENDING, key))
        yield Step("list_after", (JobStatus.PENDING, key, 2))


def _plain_cases(operation: Operation, capabilities: Collection[str]) -> Iterator[Program]:
    """Call the method on jobs that are stored, held, unknown and deleted, and look after each."""
    yield tuple(_plain_steps(operation))


def _plain_steps(operation: Operation) -> Iterator[Step]:
    listings = [Step("list_recent"), *(Step("list_by_status", (one,)) for one in _STATUSES)]
    for number in range(3):
        yield Step("save", (rich_job("a"),))
        yield Step("save", (rich_job("b", status=JobStatus.RUNNING),))
        yield Step("get_by_id", ("a",), keep="job")
        for job_id in ("a", "b", "a", "unknown"):
            yield operation.step(job_id, number)
            yield from _look("a", "b", "unknown")
        yield Step("save", (_COPY,))
        yield from (*_look("a"), *listings)
        yield operation.step("a", number + 1)
        yield Step("delete", ("a",))
        yield operation.step("a", number)
        yield from (*_look("a", "b"), *listings)


_Cases = Callable[[Operation, Collection[str]], Iterable[Program]]
_COMPLETIONS = RecordsCompletedSymbols.__name__

_CASES: Mapping[str, _Cases] = MappingProxyType(
    {
        "add_completed_symbol": lambda operation, can: (tuple(_completions()),),
        "save_many": lambda operation, can: (tuple(_many_cases()),),
        "list_after": lambda operation, can: (tuple(_pages(pool)) for pool in POOLS),
        "add": lambda operation, can: (tuple(_additions()),),
        "add_many": lambda operation, can: (tuple(_additions_of_many()),),
        "add_failure": lambda operation, can: (
            tuple(permanent_failures(completes=_COMPLETIONS in can)),
        ),
        "set_cursor": lambda operation, can: (tuple(cursors(completes=_COMPLETIONS in can)),),
        "find": lambda operation, can: finding(POOLS[1], can),
        "count": lambda operation, can: counting(),
        "delete_finished": lambda operation, can: purging(can),
    }
)
"""The programs for methods of which something is special."""
