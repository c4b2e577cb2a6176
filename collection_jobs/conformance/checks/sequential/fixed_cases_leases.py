"""Fixed programs for leases: who may claim what, what ends a lease, and what passes with time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import product

from collection_jobs.conformance.spec.calls import (
    WAIT,
    Change,
    Held,
    Program,
    Step,
    example_job,
    example_lease,
)
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.domain_texts import NAME_CLASSES
from collection_jobs.conformance.spec.domains import FEW_INSTANTS
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.lease import MAX_TTL, MIN_TTL
from collection_jobs.status import JobStatus

__all__ = ["fixed_programs_of_leases", "is_fenced", "under_lease"]

_TTL, _LONGER = timedelta(hours=1), timedelta(hours=3, microseconds=1)
_SHORTER = timedelta(minutes=20, milliseconds=870, microseconds=1)
_BRIEF = timedelta(milliseconds=150)
_UNTIL_EXPIRED = timedelta(milliseconds=95)
"""After so long a lease of `MIN_TTL` has expired, by any clock."""
_MORE_THAN_A_PAGE = 101
_SYMBOLS = ("BTC", "ETH", "XRP", "DOGE")
_LEASE, _OTHER = Held("lease"), Held("other_lease")
_LONG_AGO = (("started_at", FEW_INSTANTS[1]), ("error_message", "slow"))
_OF_LONG_AGO = Held("job", (Change("replace", (), _LONG_AGO),))
_COPY = Held("job", (Change("with_failed_symbol", ("BTC", "late")),))


def fixed_programs_of_leases(capabilities: Collection[str]) -> Iterator[Program]:
    """Yield the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beside it.
    """
    fenced = [one for one in operations(capabilities) if is_fenced(one)]
    yield tuple(
        _in_one_store(_claims(), _turns(), _sources(), _few_at_a_time(), _of_a_new_source())
    )
    many = METHODS["save_many"] in capabilities
    ends = _ends(fenced, many=many)
    yield tuple(_in_one_store(_under_a_lease(fenced), ends, _revisions(), _renewals()))
    yield tuple(_in_one_store(_tokens(), _attempts(), _workers()))
    yield (*_expired(), *_shown(capabilities))
    yield tuple(_expired_and_kept(_shown(capabilities)))
    yield tuple(_each_after_its_end(fenced))
    yield tuple(_running_again(fenced))
    yield tuple(_renewed_in_time())
    yield tuple(_for_less_than_a_second())
    yield tuple(_few_of_which_some_expired())
    yield tuple(_behind_many_of_another_source())


def _in_one_store(*programs: Iterable[Step]) -> Iterator[Step]:
    """Make programs one after another, each of which leaves no job to the next."""
    for program in programs:
        steps = list(program)
        yield from steps
        given = (step.arguments[0] for step in steps if step.method == "save")
        saved = dict.fromkeys(job.id for job in given if isinstance(job, CollectionJob))
        yield from (Step("delete", (job_id,)) for job_id in saved)


def _look(*ids: str) -> Iterator[Step]:
    for job_id in ids:
        yield Step("get_by_id", (job_id,))
        yield Step("get_lease", (job_id,))


def _claim(job_id: str, keep: str | None = "lease", ttl: timedelta = _TTL) -> Step:
    return Step("claim", (job_id, "worker", ttl), keep=keep)


def _next(
    keep: str | None = None,
    *,
    ttl: timedelta = _TTL,
    source: str | None = None,
    most: int | None = None,
    worker: str = "worker",
) -> Step:
    return Step("claim_next", (worker, ttl, source, most), keep=keep)


def _aged(job_id: str, age: int, **fields: object) -> CollectionJob:
    return rich_job(job_id, created_at=FEW_INSTANTS[0] + timedelta(seconds=age), **fields)


def _claims() -> Iterator[Step]:
    """Claim a job in every status: only one that is PENDING is to be had, and only once."""
    yield Step("claim", ("unknown", "worker", _TTL))
    yield Step("get_lease", ("unknown",))
    yield _next()
    for number, status in enumerate(JobStatus):
        job_id = f"job {number}"
        yield Step("save", (rich_job(job_id, status=status),))
        yield from _look(job_id)
        yield _claim(job_id)
        yield from _look(job_id)
        yield Step("claim", (job_id, "rival", _TTL))
        yield _next(worker="rival")
        yield from _look(job_id)
        yield Step("get_stats", (job_id,))
        yield Step("get_running_jobs")
        yield Step("list_by_status", (JobStatus.PENDING,))
    yield Step("save", (rich_job("by its status"),))
    yield Step("update_status", ("by its status", JobStatus.RUNNING))
    yield _claim("by its status")
    yield _next()
    yield from _look("by its status")


def _turns() -> Iterator[Step]:
    """Claim the oldest first, by age and then by id, in whatever order they were saved."""
    ages = {"b": 3, "z": 1, "a": 3, "B": 3, "y": 0, "\u00e9": 3, "c": 5, "x": 2}
    for job_id, age in ages.items():
        yield Step("save", (_aged(job_id, age),))
    for status in (JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.RUNNING):
        yield Step("save", (_aged(f"{status} before all", -1, status=status),))
    for _ in range(3):
        yield _next()
    yield Step("save", (_aged("late", 0),))
    yield _next("lease")
    yield Step("update_status", ("late", JobStatus.PENDING, None, _LEASE))
    for _ in range(len(ages)):
        yield _next()
    yield Step("get_running_jobs")


def _sources() -> Iterator[Step]:
    """Claim jobs of a source only, which is compared exactly."""
    sources = ("binance", "kraken", "Binance", "binance ", "kraken")
    for age, source in enumerate(sources):
        yield Step("save", (_aged(f"job {age}", age, source=source),))
    for source in ("kraken", "Binance", "KRAKEN", "binance ", "kraken", "kraken", "binance"):
        yield _next(source=source)
    yield _next()
    yield Step("get_running_jobs")


def _workers() -> Iterator[Step]:
    """Claim jobs for workers of every name, and for every length of time."""
    for number, worker in enumerate(dict.fromkeys(_one_of_each_class())):
        job_id = f"job {number}"
        yield Step("save", (example_job(job_id),))
        yield Step("claim", (job_id, worker, (_TTL, MAX_TTL)[number % 2]), keep="lease")
        yield Step("add_failed_symbol", (job_id, "BTC", "timeout", _LEASE))
        yield from _look(job_id)


def _one_of_each_class() -> Iterator[str]:
    for values in NAME_CLASSES.values():
        yield from values[:2]


def is_fenced(operation: Operation) -> bool:
    """Return whether a method that is not about leases takes one where there are leases."""
    return operation.takes("lease") and not operation.is_of_leases


def under_lease(operation: Operation, job_id: str, number: int = 0, **given: object) -> Step:
    """Return a plain call of a method under a lease that the caller holds."""
    return operation.step(job_id, number, **{**_defaults(operation), **given, "lease": _LEASE})


def _defaults(operation: Operation) -> dict[str, object]:
    parameters = (one for one in operation.parameters if not one.is_required)
    return {one.name: one.default for one in parameters}


def _under_a_lease(fenced: Sequence[Operation]) -> Iterator[Step]:
    """Make each change under a lease: it does what it does without, and errs likewise."""
    yield Step("save", (rich_job("a"),))
    yield _claim("a")
    of_symbols = [one for one in fenced if one.takes("symbol")]
    for step in (
        *(under_lease(one, "a", symbol=symbol) for one in of_symbols for symbol in _SYMBOLS),
        Step("add_failed_symbol", ("a", "BTC", "timeout", _LEASE)),
        Step("add_completed_symbol", ("a", "ETH", 7, _LEASE)),
        Step("add_failed_symbol", ("a", "DOGE", "boom", _LEASE)),
        Step("add_completed_symbol", ("a", "btc", 7, _LEASE)),
        Step("update_status", ("a", JobStatus.RUNNING, "no change", _LEASE)),
        Step("renew", (_LEASE, _TTL)),
        Step("update_status", ("a", JobStatus.FAILED, "3 of 40", _LEASE)),
        Step("update_status", ("a", JobStatus.PENDING, None, _LEASE)),
        Step("add_failed_symbol", ("a", "BTC", "late", _LEASE)),
        Step("renew", (_LEASE, _TTL)),
    ):
        yield step
        yield from _look("a")
        yield Step("get_stats", ("a",))
    stranger = example_lease("a", worker="worker", token=1)
    yield _claim("a")
    for lease in (stranger, Held("lease", (Change("replace", (), (("token", 2**62),)),))):
        yield Step("add_failed_symbol", ("a", "BTC", "stranger", lease))
        yield Step("renew", (lease, _TTL))
        yield from _look("a")


def _ends(fenced: Sequence[Operation], *, many: bool) -> Iterator[Step]:
    """End leases by whatever takes a job out of RUNNING; nothing else does."""
    together = JobStatus if many else ()
    endings: tuple[tuple[Step, ...], ...] = (
        *((Step("update_status", ("a", status, "by hand")),) for status in JobStatus),
        (Step("delete", ("a",)),),
        (Step("delete", ("a",)), Step("save", (rich_job("a", status=JobStatus.RUNNING),))),
        (Step("delete", ("a",)), Step("save", (rich_job("a"),)), _claim("a", "other_lease")),
        *((Step("save", (rich_job("a", status=status),)),) for status in JobStatus),
        *((Step("save_many", ((rich_job("a", status=status),),)),) for status in together),
        (Step("get_by_id", ("a",), keep="job"), Step("save", (_COPY,))),
        (Step("update_status", ("a", JobStatus.PENDING)), _claim("a", "other_lease")),
        (Step("add_failed_symbol", ("a", "BTC", "by hand")),),
    )
    for ending in endings:
        yield Step("save", (rich_job("a"),))
        yield _claim("a")
        yield from ending
        yield from _look("a")
        yield Step("add_completed_symbol", ("a", "BTC", 7, _LEASE))
        yield Step("add_failed_symbol", ("a", "ETH", "late", _LEASE))
        for one in fenced:
            if one.capability is not None:
                yield under_lease(one, "a")
        yield Step("renew", (_LEASE, _LONGER))
        yield Step("update_status", ("a", JobStatus.COMPLETED, None, _LEASE))
        yield from _look("a")
        yield Step("renew", (_OTHER, _LONGER))
        yield from _look("a")
        yield Step("delete", ("a",))
        yield from _look("a")


def _running_again(fenced: Sequence[Operation]) -> Iterator[Step]:
    """End leases, and make their jobs RUNNING again without one: that brings back no lease.

    Nor may a job be claimed when the time of the lease that it had is over.
    """
    ids: list[str] = []
    for number, (ending, again) in enumerate(product(_LEAVING, ("update_status", "save"))):
        job_id = f"job {number}"
        ids.append(job_id)
        yield Step("save", (rich_job(job_id),))
        yield _claim(job_id, "lease", MIN_TTL)
        yield from ending(job_id)
        if again == "save":
            yield Step("save", (rich_job(job_id, status=JobStatus.RUNNING),))
        else:
            yield Step("update_status", (job_id, JobStatus.RUNNING))
        yield from _look(job_id)
        for operation in fenced:
            yield under_lease(operation, job_id)
        yield Step("renew", (_LEASE, MIN_TTL))
        yield from _look(job_id)
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    for job_id in ids:
        yield Step("claim", (job_id, "rival", _TTL))
    yield _next(worker="rival")
    yield from _look(*ids)


_LEAVING: tuple[Callable[[str], tuple[Step, ...]], ...] = (
    lambda job_id: (Step("update_status", (job_id, JobStatus.PENDING)),),
    lambda job_id: (Step("update_status", (job_id, JobStatus.PENDING, None, _LEASE)),),
    lambda job_id: (
        Step("update_status", (job_id, JobStatus.FAILED, "boom")),
        Step("update_status", (job_id, JobStatus.PENDING)),
    ),
    lambda job_id: (Step("save", (rich_job(job_id),)),),
    lambda job_id: (Step("save", (rich_job(job_id, status=JobStatus.COMPLETED),)),),
    lambda job_id: (Step("delete", (job_id,)), Step("save", (rich_job(job_id),))),
    lambda job_id: (Step("delete", (job_id,)),),
)
"""What takes a job out of RUNNING."""


def _revisions() -> Iterator[Step]:
    """Make a copy stale by a claim, and by no renewal."""
    for between in (
        (_claim("a"),),
        (_claim("a"), Step("get_by_id", ("a",), keep="job"), Step("renew", (_LEASE, _LONGER))),
    ):
        yield Step("save", (rich_job("a"),))
        yield Step("get_by_id", ("a",), keep="job")
        yield from between
        yield from _look("a")
        yield Step("save", (_COPY,))
        yield from _look("a")
        yield Step("update_status", ("a", JobStatus.CANCELLED))
        yield Step("save", (rich_job("a"),))


def _renewals() -> Iterator[Step]:
    """Renew a lease for longer and for shorter: it counts from now, by any lease got so far."""
    yield Step("save", (rich_job("a"),))
    yield _claim("a")
    for ttl, kept in product((_LONGER, _SHORTER, _TTL), ("lease", "other_lease")):
        yield Step("renew", (_LEASE, ttl), keep=kept)
        yield from _look("a")
        yield Step("claim", ("a", "rival", _TTL))
    yield Step("add_failed_symbol", ("a", "BTC", "timeout", _OTHER))
    yield from _look("a")


def _tokens() -> Iterator[Step]:
    """Compare the tokens of one id: they grow, whatever becomes of the job in between."""
    for between in (
        (Step("update_status", ("a", JobStatus.PENDING)),),
        (Step("delete", ("a",)), Step("save", (rich_job("a"),))),
        (Step("save", (rich_job("a"),)),),
        (Step("delete", ("a",)), Step("delete", ("b",)), Step("save", (rich_job("a"),))),
        (Step("save", (rich_job("b"),)), _claim("b"), Step("save", (rich_job("a"),))),
    ):
        yield Step("save", (rich_job("a"),))
        yield _claim("a")
        yield from _look("a")
        yield from between
        yield _claim("a", "other_lease")
        yield from _look("a")


def _attempts() -> Iterator[Step]:
    """Count attempts from when the job was made, or last made PENDING by update_status."""
    yield Step("save", (rich_job("a"),))
    for between in (
        (Step("save", (rich_job("a"),)),),
        (Step("save", (rich_job("a"),)),),
        (Step("renew", (_LEASE, _TTL)), Step("save", (rich_job("a"),))),
        (Step("update_status", ("a", JobStatus.PENDING)),),
        (Step("save", (rich_job("a"),)),),
        (
            Step("update_status", ("a", JobStatus.FAILED)),
            Step("update_status", ("a", JobStatus.PENDING)),
        ),
        (Step("delete", ("a",)), Step("save", (rich_job("a"),))),
        (Step("delete", ("a",)), Step("save", (rich_job("a"),))),
    ):
        yield _claim("a")
        yield Step("get_lease", ("a",))
        yield from between
    yield _next()


def _few_at_a_time() -> Iterator[Step]:
    """Claim no more than so many: of a source or of all; only those under a lease count."""
    for age in range(6):
        yield Step("save", (_aged(f"job {age}", age, source=("binance", "kraken")[age % 2]),))
    # Older than all, of a status that counts for nothing.
    yield Step("save", (_aged("running", -1, status=JobStatus.RUNNING),))
    yield _next("lease", most=1)
    yield _next(most=1)
    yield _next(source="kraken", most=1)
    yield _next(source="kraken", most=1)
    yield _next(most=2)
    yield _next("other_lease", most=3)
    yield _next(most=3)
    yield Step("update_status", ("job 0", JobStatus.COMPLETED, None, _LEASE))
    yield _next(most=2)
    yield _next(most=3)
    yield _next(source="kraken", most=2)
    yield Step("get_running_jobs")


def _of_a_new_source() -> Iterator[Step]:
    """Change the source of a job that is leased: it counts, and is listed, as what it is now."""
    for age in range(4):
        yield Step("save", (_aged(f"job {age}", age, source=("binance", "kraken")[age % 2]),))
    yield _claim("job 0")
    yield Step("get_by_id", ("job 0",), keep="job")
    yield Step("save", (Held("job", (Change("replace", (), (("source", "kraken"),)),)),))
    yield from _look("job 0")
    yield _next(source="kraken", most=1)
    yield _next(source="binance", most=1)
    yield _next(source="kraken", most=2)
    yield Step("get_running_jobs")


def _expired() -> Iterator[Step]:
    """Claim jobs whose leases have expired, as those that are PENDING; others are not to be had."""
    for age in range(4):
        yield Step("save", (_aged(f"job {age}", age),))
    yield _next("lease", ttl=MIN_TTL)
    yield _next(ttl=MIN_TTL)
    yield _next("other_lease", ttl=_TTL)
    yield _claim("job 3", None, MIN_TTL)
    yield _next()
    yield Step("save", (_aged("job 4", 4),))
    # Who takes it over makes it RUNNING anew, with the time of that and no message.
    yield Step("get_by_id", ("job 1",), keep="job")
    yield Step("save", (_OF_LONG_AGO,))
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield from _look("job 0", "job 1")
    yield _next(worker="rival")
    yield from _look("job 0")
    yield Step("add_failed_symbol", ("job 0", "BTC", "late", _LEASE))
    yield Step("renew", (_LEASE, _TTL))
    yield Step("update_status", ("job 0", JobStatus.COMPLETED, None, _LEASE))
    yield from _look("job 0")
    yield Step("claim", ("job 2", "rival", _TTL))
    yield Step("claim", ("job 3", "rival", _TTL))
    yield _next(worker="rival")
    yield _next(worker="rival")
    yield from _look("job 1", "job 2", "job 3")
    yield Step("get_running_jobs")


def _shown(capabilities: Collection[str]) -> Iterator[Step]:
    """Call every listing, find and count: an expired lease changes nothing of its job."""
    for operation in operations(capabilities):
        if operation.listing is not None or operation.takes("query"):
            for status in JobStatus if operation.takes("status") else (None,):
                yield operation.step("a", status=status)


def _expired_and_kept(shown: Iterable[Step]) -> Iterator[Step]:
    """Go on under a lease that has expired: it is current while nobody else took the job."""
    for job_id in ("a", "b", "c", "d"):
        yield Step("save", (rich_job(job_id),))
        yield _claim(job_id, f"lease_{job_id}", MIN_TTL)
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield from shown
    yield Step("add_failed_symbol", ("a", "BTC", "slow", Held("lease_a")))
    yield Step("add_completed_symbol", ("b", "ETH", 7, Held("lease_b")))
    yield Step("update_status", ("b", JobStatus.COMPLETED, None, Held("lease_b")))
    yield Step("renew", (Held("lease_c"), _TTL))
    yield from _look("a", "b", "c")
    yield Step("update_status", ("d", JobStatus.CANCELLED))
    yield Step("claim", ("c", "rival", _TTL))
    yield Step("claim", ("d", "rival", _TTL))
    yield _next(worker="rival")
    yield Step("claim", ("b", "rival", _TTL))
    yield from _look("a", "b", "c", "d")


def _each_after_its_end(fenced: Sequence[Operation]) -> Iterator[Step]:
    """Make each change under a lease that has expired, of a job that nobody else has taken."""
    for operation in fenced:
        yield Step("save", (rich_job(operation.name),))
        yield _claim(operation.name, f"lease_{operation.name}", MIN_TTL)
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    for number, operation in enumerate(fenced):
        lease = Held(f"lease_{operation.name}")
        yield operation.step(operation.name, number, **{**_defaults(operation), "lease": lease})
        yield from _look(operation.name)


def _renewed_in_time() -> Iterator[Step]:
    """Renew a lease in time: it lasts from then on, and one that was made shorter less long."""
    for job_id in ("a", "b"):
        yield Step("save", (rich_job(job_id),))
    yield _claim("a", "lease", MIN_TTL)
    yield Step("renew", (_LEASE, _TTL))
    yield _claim("b", "other_lease", _TTL)
    yield Step("renew", (_OTHER, MIN_TTL))
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield Step("claim", ("a", "rival", _TTL))
    yield Step("claim", ("b", "rival", _TTL))
    yield _next()
    yield from _look("a", "b")


def _for_less_than_a_second() -> Iterator[Step]:
    """Hold leases for less than a second, got in each way: neither cut to 0 s nor made a whole one.

    An expiry that is shown cannot tell that: the engine's clock may be off by more.
    """
    for job_id in ("a", "b", "c"):
        yield Step("save", (rich_job(job_id),))
    yield _claim("c")
    yield _claim("a", None, _BRIEF)
    yield _next(ttl=_BRIEF)
    yield Step("renew", (_LEASE, _BRIEF))
    for wait in ((), (Step(WAIT, (_UNTIL_EXPIRED + _BRIEF,)),)):
        yield from wait
        for job_id in ("c", "b", "a"):
            yield Step("claim", (job_id, "rival", _TTL))


def _few_of_which_some_expired() -> Iterator[Step]:
    """Let leases expire: their jobs do not count among those that are running."""
    for age in range(4):
        yield Step("save", (_aged(f"job {age}", age),))
    yield _next(ttl=MIN_TTL, most=2)
    yield _next(ttl=_TTL, most=2)
    yield _next(most=2)
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield _next(most=1)
    yield _next(most=2)
    yield _next(most=2)
    yield _next(most=3)
    yield Step("get_running_jobs")


def _behind_many_of_another_source() -> Iterator[Step]:
    """Claim the one job of a source behind more than a page of others that wait or have expired."""
    for age in range(_MORE_THAN_A_PAGE):
        yield Step("save", (_aged(f"job {age}", age, source="another"),))
    yield Step("save", (_aged("the last", _MORE_THAN_A_PAGE, source="binance"),))
    yield _next(source="binance", ttl=MIN_TTL)
    for age in range(_MORE_THAN_A_PAGE):  # by their ids, for those before may have expired already
        yield _claim(f"job {age}", keep=None, ttl=MIN_TTL)
    yield Step(WAIT, (_UNTIL_EXPIRED,))
    yield _next(source="binance")
    yield Step("get_lease", ("the last",))
