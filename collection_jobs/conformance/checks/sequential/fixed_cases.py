"""Fixed programs that try every edge case of the contract that one caller can see.

The random walks find what nobody thought of; these find, every time and first, what everybody
gets wrong: each awkward value saved and read back, each change of status from each status, each
page of each listing, each way for a copy to become stale, each thing that a deletion leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from itertools import product

from collection_jobs.conformance.checks.sequential.fixed_cases_after import (
    programs_of_after_effects,
)
from collection_jobs.conformance.checks.sequential.fixed_cases_alike import programs_of_lookalikes
from collection_jobs.conformance.checks.sequential.fixed_cases_beyond import fixed_programs_beyond
from collection_jobs.conformance.checks.sequential.fixed_cases_read_again import (
    programs_of_reading_again,
)
from collection_jobs.conformance.checks.sequential.fixed_cases_recreated import (
    programs_of_recreations,
)
from collection_jobs.conformance.spec.calls import SPOIL, Change, Held, Program, Step, example_job
from collection_jobs.conformance.spec.domain_texts import (
    FEW_TEXTS,
    LONG_TEXTS,
    METADATA,
    NAME_CLASSES,
    POOLS,
    SYMBOLS,
    TEXT_CLASSES,
)
from collection_jobs.conformance.spec.domains import COUNTS, FEW_INSTANTS, INSTANTS, values_of
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["fixed_programs"]

_STATUSES = tuple(JobStatus)
_LONG = 300
_OF_LISTINGS = 6
"""Of the pools, the first are listed in every way."""
_EARLY, _LATE = FEW_INSTANTS[-2], FEW_INSTANTS[-1]


@lru_cache(maxsize=2)  # many adapters may be verified in one process, as tests do
def fixed_programs(capabilities: frozenset[str] = frozenset()) -> tuple[Program, ...]:
    """Return the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    return tuple(_programs(capabilities))


def _programs(capabilities: frozenset[str]) -> Iterator[Program]:
    yield tuple(_round_trips())
    yield tuple(_metadata())
    yield tuple(_replacements())
    yield tuple(_changes_of_status())
    yield tuple(_failures())
    yield tuple(_long_errors())
    yield tuple(_long_messages())
    yield tuple(_stale_saves())
    yield tuple(_deletions())
    yield tuple(_spoils())
    for pool in POOLS:
        yield tuple(_strangers(pool))
    for pool in POOLS[:_OF_LISTINGS]:
        yield tuple(_listings(pool))
    yield from programs_of_after_effects(capabilities)
    yield from programs_of_lookalikes(capabilities)
    yield from fixed_programs_beyond(capabilities)
    yield from programs_of_recreations(capabilities)
    yield from programs_of_reading_again(capabilities)


def _save(job: CollectionJob, keep: str | None = None) -> Iterator[Step]:
    yield Step("save", (job,))
    yield Step("get_by_id", (job.id,), keep=keep)


def _look(job_id: str) -> Iterator[Step]:
    yield Step("get_by_id", (job_id,))
    yield Step("get_stats", (job_id,))


def _round_trips() -> Iterator[Step]:
    """Every awkward value of every field is read back as it was saved."""
    for name in dict.fromkeys(
        (*(name for pool in POOLS for name in pool), *values_of(NAME_CLASSES))
    ):
        yield from _save(example_job(name))
        yield from _save(example_job("a", source=name, timeframe=name))
    yield from _save(example_job("a", symbols=SYMBOLS))
    yield from _save(example_job("a", symbols=SYMBOLS[::-1]))
    for instant in dict.fromkeys((*FEW_INSTANTS, *values_of(INSTANTS))):
        yield from _save(example_job("a", created_at=instant))
        yield from _save(example_job("a", started_at=instant, finished_at=instant))
        if instant < _LATE:
            yield from _save(example_job("a", start=instant, end=_LATE))
        if instant > _EARLY:
            yield from _save(example_job("a", start=_EARLY, end=instant))
    for status in _STATUSES:
        yield from _save(example_job("a", status=status))
    for text in (*FEW_TEXTS, *(one for one in values_of(TEXT_CLASSES) if len(one) < _LONG)):
        yield from _save(example_job("a", error_message=text, failed_symbols={"ETH": text}))
    for candles in values_of(COUNTS):
        yield from _save(example_job("a", completed_symbols={"BTC": candles, "ETH": candles}))
        yield Step("get_stats", ("a",))


def _metadata() -> Iterator[Step]:
    """Keys that look alike, many of them, and every text come back, in listings as well."""
    texts: list[Mapping[str, str]] = [{"ticket": text} for text in (*FEW_TEXTS, *LONG_TEXTS)]
    for number, metadata in enumerate((*METADATA, *texts)):
        yield from _save(example_job(f"job {number}", metadata=metadata))
    yield Step("list_recent")
    yield Step("list_by_status", (JobStatus.PENDING,))


def _replacements() -> Iterator[Step]:
    """Replace a job by another whole, also with fewer symbols and outcomes."""
    rich = rich_job("a")
    for other in (
        example_job("a"),
        example_job("a", symbols=("ETH",)),
        example_job("a", symbols=("XRP", "BTC"), failed_symbols={"BTC": "late"}),
        example_job("a", completed_symbols={"ETH": 1}),
        example_job("a", metadata={"ticket": "T-2"}),
        rich_job("a", status=JobStatus.FAILED),
    ):
        for job in (rich, other):
            yield from _save(job, keep="job")
            yield Step("get_stats", ("a",))
            yield Step("save", (Held("job", (Change("with_failed_symbol", ("BTC", "again")),)),))
            yield from _look("a")


def _changes_of_status() -> Iterator[Step]:
    """Every change of status, permitted or not, with and without an error message."""
    for number, (before, after, error) in enumerate(
        product(_STATUSES, _STATUSES, (None, "late", *FEW_TEXTS))
    ):
        if error in FEW_TEXTS and before is not JobStatus.RUNNING:
            continue
        job_id = f"job {number}"
        yield from _save(rich_job(job_id, status=before))
        yield Step("update_status", (job_id, after, error))
        yield from _look(job_id)
        yield Step("update_status", (job_id, after, error))
        yield from _look(job_id)
    yield Step("update_status", ("unknown", JobStatus.RUNNING))
    yield Step("get_by_id", ("unknown",))
    yield Step("get_running_jobs")


def _failures() -> Iterator[Step]:
    """Record a failure of every symbol, over every former outcome, with every text."""
    for text in FEW_TEXTS:
        yield from _save(rich_job("a"))
        for symbol in ("BTC", "ETH", "XRP", "BTC"):
            yield Step("add_failed_symbol", ("a", symbol, text))
            yield from _look("a")
    for job_id, symbol in (("a", "DOGE"), ("a", "btc"), ("unknown", "BTC")):
        yield Step("add_failed_symbol", (job_id, symbol, "boom"))
        yield from _look("a")
        yield from _look(job_id)


def _long_errors() -> Iterator[Step]:
    """Errors at and behind the bound: saved and added, they are cut, and cut alike."""
    for text in LONG_TEXTS:
        yield from _save(example_job("a", error_message=text, failed_symbols={"ETH": text}))
        yield Step("add_failed_symbol", ("a", "BTC", text))
        yield Step("get_by_id", ("a",))


def _long_messages() -> Iterator[Step]:
    """Messages at and behind the bound: a change of status cuts them as well."""
    for number, text in enumerate(LONG_TEXTS):
        yield Step("save", (example_job(f"job {number}"),))
        yield Step("update_status", (f"job {number}", JobStatus.FAILED, text))
        yield Step("get_by_id", (f"job {number}",))
    yield Step("list_by_status", (JobStatus.FAILED,))


def _stale_saves() -> Iterator[Step]:
    """Save a copy after each kind of change, when it is stale, and after none."""
    changes: tuple[tuple[Step, ...], ...] = (
        (),
        (Step("save", (example_job("a", source="other"),)),),
        (Step("update_status", ("a", JobStatus.RUNNING)),),
        (Step("update_status", ("a", JobStatus.COMPLETED)),),  # not permitted: changes nothing
        (Step("add_failed_symbol", ("a", "ETH", "boom")),),
        (Step("add_failed_symbol", ("a", "DOGE", "boom")),),  # unknown: changes nothing
        (Step("save", (example_job("b"),)),),  # another job
        (Step("delete", ("a",)),),
        (Step("delete", ("a",)), Step("save", (example_job("a"),))),
        (Step("delete", ("a",)), *_save(example_job("a", source="other"))),
    )
    for between in changes:
        yield from _save(example_job("a"), keep="job")
        yield from between
        changed = Held("job", (Change("with_failed_symbol", ("BTC", "late")),))
        yield Step("get_by_id", ("a",))
        yield Step("save", (changed,))
        yield from _look("a")
        yield Step("save", (changed,))
        yield from _look("a")
    yield from _save(example_job("a"), keep="job")
    for revision in (2**31 - 1, 1):  # of copies from another store
        yield Step("save", (Held("job", (Change("with_revision", (revision,)),)),))
        yield from _look("a")
    yield from _save(example_job("a"))
    yield from (Step("list_recent"), Step("list_by_status", (JobStatus.PENDING,)))


def _deletions() -> Iterator[Step]:
    """Delete jobs: each is gone from everywhere, and nothing of it comes back."""
    yield Step("delete", ("unknown",))
    for status in _STATUSES:
        yield from _save(rich_job("a", status=status))
        yield from _save(rich_job("b", status=status))
        yield Step("delete", ("a",))
        yield Step("delete", ("a",))
        yield from _look("a")
        yield from _look("b")
        yield Step("list_recent")
        yield Step("list_by_status", (status,))
        yield Step("get_running_jobs")
        yield Step("update_status", ("a", JobStatus.RUNNING))
        yield Step("add_failed_symbol", ("a", "BTC", "boom"))
        yield from _save(example_job("a", symbols=("BTC", "ETH", "XRP")))
        yield from _look("a")


def _strangers(pool: tuple[str, ...]) -> Iterator[Step]:
    """One job is never taken for another whose id looks like it."""
    for stored in pool:
        yield from _save(rich_job(stored))
        for stranger in pool:
            if stranger != stored:
                yield from _look(stranger)
                yield Step("update_status", (stranger, JobStatus.RUNNING))
                yield Step("add_failed_symbol", (stranger, "XRP", "boom"))
                yield Step("delete", (stranger,))
                yield from _look(stored)
        yield Step("delete", (stored,))


def _spoils() -> Iterator[Step]:
    """Misuse everything that a caller is given."""
    for number, status in enumerate((JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.PENDING)):
        yield from _save(rich_job(f"job {number}", status=status), keep="job")
        yield Step(SPOIL, ("job",))
    for listing in (
        Step("list_recent"),
        Step("get_running_jobs"),
        Step("list_by_status", (JobStatus.PENDING,)),
    ):
        yield Step(SPOIL, (listing,))
    yield Step("get_by_id", ("job 0",), keep="job")
    for change in (
        Step("add_failed_symbol", ("job 0", "XRP", "boom")),
        Step("update_status", ("job 0", JobStatus.FAILED, "boom")),
        Step("save", (example_job("job 0"),)),
        Step("delete", ("job 0",)),
    ):
        yield change
        yield Step("get_by_id", ("job 0",))


def _listings(pool: tuple[str, ...]) -> Iterator[Step]:
    """Every page of every listing, over jobs of equal and of neighbouring ages."""
    ids = [*pool, *(f"{name[:250]} {number}" for name in pool for number in range(3))]
    for number, job_id in enumerate(ids):
        job = rich_job(job_id, status=_STATUSES[number % 3])
        age = FEW_INSTANTS[number % 4] if number < 10 else FEW_INSTANTS[0]
        started = FEW_INSTANTS[3] - timedelta(seconds=number)
        yield from _save(_aged(job, age, started))
    counts = (0, 1, 2, 5, 100, 2**63, 10**30)
    for status in _STATUSES:
        yield Step("list_by_status", (status,))
        for limit, offset in product(counts, counts):
            yield Step("list_by_status", (status, limit, offset))
    yield Step("list_recent")
    for limit in counts:
        yield Step("list_recent", (limit,))
        for instant in FEW_INSTANTS:
            yield Step("list_recent", (limit, instant))
    yield Step("get_running_jobs")
    for job_id in pool:
        yield Step("update_status", (job_id, JobStatus.RUNNING))
        yield Step("get_by_id", (job_id,))
        yield Step("get_running_jobs")
        yield Step("list_by_status", (JobStatus.PENDING,))


def _aged(job: CollectionJob, created_at: object, started_at: object) -> CollectionJob:
    changes = (("created_at", created_at), ("started_at", started_at))
    return Change("replace", keywords=changes).apply(job)
