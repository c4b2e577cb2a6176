"""Creating without replacing, and leases, on every adapter that has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Protocol

from collection_jobs import (
    AddsJobs,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    Lease,
    LeaseLostError,
    LeasesJobs,
    RepositoryClosedError,
    UnknownSymbolError,
    open_repository,
)
from collection_jobs.conformance.spec.calls import example_job

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORT = timedelta(milliseconds=50)


class Leasing(LeasesJobs, AddsJobs, Protocol):
    """A repository with what is tested here."""


Call = Callable[[Leasing, Lease], Awaitable[Any]]


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def memory() -> str:
    return "memory:"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store of each kind, which a fixture of that name gives."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def repository(store: str) -> AsyncGenerator[Leasing]:
    async with open_repository(store) as opened:
        assert isinstance(opened, LeasesJobs)
        assert isinstance(opened, AddsJobs)
        leasing: Any = opened
        yield leasing


def a_job(job_id: str, minute: int = 0, **changes: Any) -> CollectionJob:
    return example_job(job_id, created_at=NOON + timedelta(minutes=minute), **changes)


async def existing(repository: Leasing, job_id: str) -> CollectionJob:
    job = await repository.get_by_id(job_id)
    assert job is not None
    return job


async def revision(repository: Leasing, job_id: str) -> int:
    return (await existing(repository, job_id)).revision or 0


async def claimed(repository: Leasing, job_id: str, ttl: timedelta = HOUR) -> Lease:
    """Add a job and claim it."""
    assert await repository.add(a_job(job_id))
    lease = await repository.claim(job_id, "w", ttl)
    assert lease is not None
    return lease


async def expired(lease: Lease) -> Lease:
    """Wait until a lease has expired, by the clock of this machine, which has the store, too."""
    left = lease.expires_at - datetime.now(UTC)
    await asyncio.sleep(max(left, timedelta(0)).total_seconds() + 0.002)
    return lease


async def taken(repository: Leasing, **limits: Any) -> str | None:
    """Claim the next job; its id."""
    lease = await repository.claim_next("w", HOUR, **limits)
    return None if lease is None else lease.job.id


# Creating


async def test_a_job_is_added_once_and_never_replaced(repository: Leasing) -> None:
    assert await repository.add(a_job("a", metadata={"n": "1"}, failed_symbols={"BTC": "boom"}))
    before = await existing(repository, "a")
    assert (before.metadata, before.failed_symbols) == ({"n": "1"}, {"BTC": "boom"})
    for other in (a_job("a"), before, a_job("a").with_revision(10**30)):
        assert not await repository.add(other)
        found = await existing(repository, "a")
        assert (found, found.revision) == (before, before.revision)
    assert await repository.add(a_job("b").with_revision(-7))
    assert await revision(repository, "b") > 0
    assert await repository.delete("a")
    assert await repository.add(before)
    assert await revision(repository, "a") > (before.revision or 0)


async def test_many_are_added_in_order_and_each_is_answered(repository: Leasing) -> None:
    await repository.add(a_job("b"))
    jobs = [a_job("a", source="first"), a_job("b", source="second"), a_job("a", source="third")]
    assert await repository.add_many(iter(jobs)) == [True, False, False]
    assert (await existing(repository, "a")).source == "first"
    assert (await existing(repository, "b")).source == a_job("b").source
    assert await repository.add_many([]) == []


async def test_of_concurrent_additions_one_creates_the_job(repository: Leasing) -> None:
    calls = [repository.add(a_job("a", source=f"s{n}")) for n in range(20)]
    added = await asyncio.gather(*calls)
    assert sum(added) == 1
    assert (await existing(repository, "a")).source == f"s{added.index(True)}"


# Claiming


async def test_jobs_are_claimed_oldest_first_and_become_running(repository: Leasing) -> None:
    for job in (a_job("c", 1), a_job("b", 2), a_job("a", 2), a_job("d", 3, source="other")):
        await repository.save(job)
    await repository.save(a_job("done", status=JobStatus.COMPLETED))
    before = datetime.now(UTC)
    lease = await repository.claim_next("worker 1", HOUR)
    assert lease is not None
    assert (
        lease.job
        == (await existing(repository, "c"))
        == a_job("c", 1).start_running(at=lease.job.started_at)
    )
    assert lease.job.revision == await revision(repository, "c") == lease.token
    assert (lease.worker, lease.attempt) == ("worker 1", 1)
    assert before + HOUR <= lease.expires_at <= datetime.now(UTC) + HOUR
    assert before <= (lease.job.started_at or before - HOUR) <= datetime.now(UTC)
    assert await taken(repository, source="other") == "d"
    assert [await taken(repository) for _ in range(3)] == ["a", "b", None]
    assert await taken(repository, source="nobody's") is None


async def test_a_job_that_runs_without_a_lease_is_never_taken(repository: Leasing) -> None:
    await repository.save(a_job("saved", status=JobStatus.RUNNING))
    await repository.save(a_job("replaced"))
    await repository.save(a_job("replaced", status=JobStatus.RUNNING))
    await repository.save(a_job("updated"))
    await repository.update_status("updated", JobStatus.RUNNING)
    ended = await claimed(repository, "ended", SHORT)
    await repository.update_status("ended", JobStatus.PENDING)
    await repository.update_status("ended", JobStatus.RUNNING)
    await expired(ended)
    assert await taken(repository) is None
    for name in ("saved", "replaced", "updated", "ended", "unknown"):
        assert await repository.claim(name, "w", HOUR) is None
        assert await repository.get_lease(name) is None


async def test_an_expired_lease_is_taken_over_where_it_is_the_oldest(repository: Leasing) -> None:
    await repository.save(a_job("old", 0))
    await repository.save(a_job("older", -1))
    for name in ("older", "old"):
        assert await repository.claim(name, "first", SHORT) is not None
        await repository.add_failed_symbol(name, "BTC", "boom")
    lease = await repository.get_lease("old")
    assert lease is not None
    await repository.save(a_job("new", 1))
    assert await taken(repository, source="other") is None
    await expired(lease)
    former = await existing(repository, "older")
    again = await repository.claim_next("second", HOUR)
    assert again is not None
    assert (again.job.id, again.worker, again.attempt) == ("older", "second", 2)
    assert again.job == former.give_back().start_running(at=again.job.started_at)
    assert (again.job.started_at or NOON) > (former.started_at or NOON)
    assert again.job.failed_symbols == {"BTC": "boom"}
    assert again.token == again.job.revision == await revision(repository, "older")
    assert again.token > (former.revision or 0)
    assert await taken(repository, source=lease.job.source) == "old"
    assert [await taken(repository) for _ in range(2)] == ["new", None]


async def test_a_named_job_is_claimed_if_it_waits(repository: Leasing) -> None:
    first = await claimed(repository, "a")
    assert await repository.claim("a", "v", HOUR) is None
    assert await revision(repository, "a") == first.token
    await expired(await repository.renew(first, SHORT))
    second = await repository.claim("a", "v", HOUR)
    assert second is not None
    assert (second.worker, second.attempt) == ("v", 2)
    assert second.token > first.token
    assert await repository.claim("a", "u", HOUR) is None
    assert await repository.update_status("a", JobStatus.COMPLETED)
    assert await repository.claim("a", "u", HOUR) is None


async def test_concurrent_claims_take_a_job_each(repository: Leasing) -> None:
    await repository.add_many(a_job(f"{n:02}", n % 7) for n in range(30))
    named = [repository.claim("07", "w", HOUR) for _ in range(10)]
    leases = await asyncio.gather(
        *named, *(repository.claim_next(f"w{n}", HOUR) for n in range(35))
    )
    got = [lease.job.id for lease in leases if lease is not None]
    assert sorted(got) == [f"{n:02}" for n in range(30)]


async def test_a_job_keeps_its_place_when_it_is_saved_with_another(repository: Leasing) -> None:
    """Also while its lease has expired: what is claimed next goes by the job as it is stored."""
    for name, minute in (("a", 0), ("b", 1), ("c", 2)):
        await repository.save(a_job(name, minute))
    leases = [await repository.claim(name, "w", SHORT) for name in "abc"]
    assert leases[2] is not None
    await expired(leases[2])
    assert await taken(repository, source="other") is None  # they are known to have expired
    moved = replace(await existing(repository, "a"), source="other")
    await repository.save(moved)
    await repository.save(replace(await existing(repository, "b"), created_at=NOON + HOUR))
    assert await taken(repository, source="other", most_running=1) == "a"
    assert [await taken(repository) for _ in range(3)] == ["c", "b", None]


# The limit


async def test_no_more_run_than_the_limit_of_all_or_of_a_source(repository: Leasing) -> None:
    await repository.add_many(a_job(f"{n}", n, source=f"s{n % 2}") for n in range(8))
    assert await taken(repository, source="s0", most_running=1) == "0"
    assert await taken(repository, source="s0", most_running=1) is None
    assert await taken(repository, most_running=1) is None
    assert await taken(repository, source="s1", most_running=1) == "1"
    assert await taken(repository, most_running=2) is None
    assert await taken(repository, most_running=10**30) == "2"
    assert await taken(repository, source="s0", most_running=2) is None
    assert await taken(repository) == "3"


ENDS: dict[str, Call] = {
    "complete": lambda it, lease: it.update_status("a", JobStatus.COMPLETED),
    "fail": lambda it, lease: it.update_status("a", JobStatus.FAILED, "no", lease=lease),
    "cancel": lambda it, lease: it.update_status("a", JobStatus.CANCELLED),
    "give back": lambda it, lease: it.update_status("a", JobStatus.PENDING),
    "delete": lambda it, lease: it.delete("a"),
    "save": lambda it, lease: it.save(a_job("a")),
    "save a copy": lambda it, lease: it.save(lease.job.fail("no")),
}


@pytest.mark.parametrize("how", ENDS)
async def test_whatever_takes_a_job_from_running_ends_its_lease(
    repository: Leasing, how: str
) -> None:
    lease = await claimed(repository, "a")
    await repository.add(a_job("next", 1))
    assert await taken(repository, most_running=1) is None
    await ENDS[how](repository, lease)
    assert await repository.get_lease("a") is None
    with pytest.raises(LeaseLostError):
        await repository.renew(lease, HOUR)
    if await repository.get_by_id("a") is not None:
        await repository.save(a_job("a", status=JobStatus.RUNNING))
        assert await repository.get_lease("a") is None
    assert await taken(repository, most_running=1) == "next"


async def test_an_expired_lease_does_not_count_until_it_is_renewed(repository: Leasing) -> None:
    await repository.add_many(a_job(name, n) for n, name in enumerate("abcd"))
    lease = await repository.claim_next("w", SHORT)
    assert lease is not None
    await expired(lease)
    assert await taken(repository, source="nobody's", most_running=1) is None
    await repository.renew(lease, HOUR)  # it had been found to have expired
    assert await taken(repository, most_running=1) is None
    await expired(await repository.renew(lease, SHORT))
    assert await repository.claim("a", "w", HOUR) is not None  # and this time it had not been
    assert await taken(repository, most_running=1) is None
    assert await taken(repository, most_running=2) == "b"


async def test_the_limit_of_a_source_follows_the_jobs_source(repository: Leasing) -> None:
    lease = await claimed(repository, "a")
    await repository.add_many([a_job("b", 1, source="x"), a_job("c", 2, source="y")])
    await repository.save(replace(lease.job, source="x"))
    assert await taken(repository, source="x", most_running=1) is None
    await repository.save(replace(await existing(repository, "a"), source="z"))
    assert await taken(repository, source="x", most_running=1) == "b"
    assert await taken(repository, most_running=2) is None
    await repository.delete("a")
    assert await taken(repository, most_running=2) == "c"


async def test_concurrent_claims_keep_to_the_limit(repository: Leasing) -> None:
    await repository.add_many(a_job(f"{n:02}") for n in range(30))
    calls = (repository.claim_next(f"w{n}", HOUR, most_running=7) for n in range(20))
    leases = await asyncio.gather(*calls)
    assert sum(lease is not None for lease in leases) == 7


# Fencing


FENCED: dict[str, Call] = {
    "status": lambda it, lease: it.update_status(lease.job.id, JobStatus.COMPLETED, lease=lease),
    "not permitted": lambda it, lease: it.update_status(
        lease.job.id, JobStatus.RUNNING, lease=lease
    ),
    "failure": lambda it, lease: it.add_failed_symbol(lease.job.id, "BTC", "x", lease=lease),
    "unknown": lambda it, lease: it.add_failed_symbol(lease.job.id, "XRP", "x", lease=lease),
    "completion": lambda it, lease: it.add_completed_symbol(lease.job.id, "BTC", 5, lease=lease),
    "renewal": lambda it, lease: it.renew(lease, HOUR),
}


@pytest.mark.parametrize("what", FENCED)
async def test_a_lost_lease_changes_nothing(repository: Leasing, what: str) -> None:
    lost = await claimed(repository, "a", SHORT)
    await expired(lost)
    current = await repository.claim("a", "v", HOUR)
    before = await existing(repository, "a")
    for lease in (lost, replace(lost, token=10**30)):
        with pytest.raises(LeaseLostError) as raised:
            await FENCED[what](repository, lease)
        assert (raised.value.job_id, raised.value.worker) == ("a", "w")
    after = await existing(repository, "a")
    assert (after, after.revision) == (before, before.revision)
    assert await repository.get_lease("a") == current
    await repository.delete("a")
    with pytest.raises(LeaseLostError):
        await FENCED[what](repository, lost)
    await repository.add(a_job("a"))
    assert await repository.claim("a", "w", HOUR) is not None
    with pytest.raises(LeaseLostError):
        await FENCED[what](repository, lost)


@pytest.mark.parametrize("ttl", [HOUR, SHORT])
async def test_a_current_lease_changes_what_is_changed_without_one(
    repository: Leasing, ttl: timedelta
) -> None:
    """Whether or not it has expired, while nobody else has claimed the job."""
    lease = await claimed(repository, "a", ttl)
    if ttl is SHORT:
        await expired(lease)
        assert await taken(repository, source="nobody's") is None
    await repository.add_failed_symbol("a", "ETH", "boom", lease=lease)
    await repository.add_completed_symbol("a", "BTC", 5, lease=lease)
    assert await repository.update_status("a", JobStatus.RUNNING, lease=lease) is False
    with pytest.raises(UnknownSymbolError):
        await repository.add_completed_symbol("a", "XRP", 5, lease=lease)
    job = await existing(repository, "a")
    assert (job.failed_symbols, job.completed_symbols) == ({"ETH": "boom"}, {"BTC": 5})
    await repository.save(replace(job, metadata={"n": "1"}))  # it leaves the job RUNNING
    assert await repository.update_status("a", JobStatus.FAILED, "1 failed", lease=lease)
    with pytest.raises(LeaseLostError):
        await repository.update_status("a", JobStatus.PENDING, lease=lease)
    job = await existing(repository, "a")
    assert (job.status, job.error_message) == (JobStatus.FAILED, "1 failed")


async def test_a_lease_of_another_job_is_a_wrong_argument(repository: Leasing) -> None:
    lease = await claimed(repository, "a")
    wrong: Any = "a"
    calls: list[Callable[[Lease], Awaitable[Any]]] = [
        lambda given: repository.update_status("b", JobStatus.FAILED, lease=given),
        lambda given: repository.add_failed_symbol("b", "BTC", "x", lease=given),
        lambda given: repository.add_completed_symbol("b", "BTC", 1, lease=given),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="one of job 'b', not of job 'a'"):
            await call(lease)
        with pytest.raises(TypeError, match="lease must be a Lease, not str: 'a'"):
            await call(wrong)
    with pytest.raises(JobNotFoundError):
        await repository.add_failed_symbol("b", "BTC", "x")


WRONG: list[tuple[Callable[[Any], Awaitable[Any]], type[Exception], str]] = [
    (lambda it: it.claim_next("", HOUR), ValueError, "worker must have 1 to 255"),
    (lambda it: it.claim_next("w", 60), TypeError, "ttl must be a timedelta, not int: 60"),
    (lambda it: it.claim_next("w", SHORT * 0.9), ValueError, "50 milliseconds to 7 days"),
    (lambda it: it.claim("a", "w", HOUR * 169), ValueError, "50 milliseconds to 7 days"),
    (lambda it: it.claim_next("w", HOUR, source=""), ValueError, "source must have"),
    (lambda it: it.claim_next("w", HOUR, most_running=0), ValueError, "1 or more: 0"),
    (lambda it: it.claim_next("w", HOUR, most_running=-1), ValueError, "or more: -1"),
    (lambda it: it.claim_next("w", HOUR, most_running=True), TypeError, "bool: True"),
    (lambda it: it.claim("a\0", "w", HOUR), ValueError, "no NUL"),
    (lambda it: it.renew(None, HOUR), TypeError, "lease must be a Lease, not NoneType"),
    (lambda it: it.get_lease(3), TypeError, "job_id must be a str, not int: 3"),
    (lambda it: it.add("a"), TypeError, "job must be a CollectionJob, not str: 'a'"),
    (lambda it: it.add_many([3]), TypeError, "not int: 3"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
async def test_a_wrong_argument_is_refused(
    repository: Leasing,
    call: Callable[[Any], Awaitable[Any]],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        await call(repository)


# Renewing and reading


async def test_renewing_moves_the_expiry_and_nothing_else(repository: Leasing) -> None:
    lease = await claimed(repository, "a")
    copy = await existing(repository, "a")
    before = datetime.now(UTC)
    renewed = await repository.renew(lease, SHORT)
    assert replace(renewed, expires_at=lease.expires_at) == lease
    assert before + SHORT <= renewed.expires_at <= datetime.now(UTC) + SHORT
    assert await repository.get_lease("a") == renewed
    await repository.save(replace(copy, metadata={"n": "1"}))  # no renewal made the copy stale
    longer = await repository.renew(lease, HOUR)
    assert longer.job == await existing(repository, "a")
    assert longer.job.revision == await revision(repository, "a")
    assert longer.token == lease.token
    await expired(renewed)
    assert await repository.claim("a", "v", HOUR) is None
    assert await taken(repository) is None


async def test_a_lease_is_read_with_the_job_as_it_is_stored(repository: Leasing) -> None:
    lease = await claimed(repository, "a", SHORT)
    assert await repository.get_lease("a") == lease
    await repository.add_failed_symbol("a", "BTC", "boom")
    await expired(lease)
    assert await taken(repository, source="nobody's") is None
    found = await repository.get_lease("a")
    assert found == replace(lease, job=await existing(repository, "a"))
    assert found is not None
    assert found.job.revision == await revision(repository, "a") > lease.token
    assert await repository.get_lease("b") is None


async def test_attempts_count_the_leases_until_the_job_is_given_back(repository: Leasing) -> None:
    for attempt in (1, 2, 3):
        lease = await (claimed(repository, "a", SHORT) if attempt == 1 else _again(repository))
        assert lease.attempt == attempt
        await expired(lease)
    await repository.save(a_job("a"))  # as one who does not know of leases gives it back
    assert (await _again(repository)).attempt == 4
    await repository.update_status("a", JobStatus.FAILED)
    await repository.update_status("a", JobStatus.PENDING)
    assert (await _again(repository)).attempt == 1
    await repository.delete("a")
    assert (await claimed(repository, "a")).attempt == 1


async def _again(repository: Leasing) -> Lease:
    lease = await repository.claim("a", "w", SHORT)
    assert lease is not None
    return lease


async def test_tokens_of_an_id_only_grow(repository: Leasing) -> None:
    tokens: list[int] = []
    for _ in range(3):
        lease = await claimed(repository, "a", SHORT)
        await expired(lease)
        tokens += [lease.token, (await _again(repository)).token]
        await repository.delete("a")
    assert tokens == sorted(set(tokens))


async def test_handles_on_one_store_share_leases(sqlite: str) -> None:
    async with open_repository(sqlite) as one, open_repository(sqlite) as two:
        assert isinstance(one, LeasesJobs)
        assert isinstance(two, LeasesJobs)
        await one.save(a_job("a"))
        lease = await one.claim_next("w", HOUR)
        assert lease is not None
        assert await two.claim_next("v", HOUR) is None
        assert await two.get_lease("a") == lease
        await two.add_completed_symbol("a", "BTC", 1, lease=lease)
        assert await two.update_status("a", JobStatus.CANCELLED)
        with pytest.raises(LeaseLostError):
            await one.renew(lease, HOUR)


async def test_a_closed_repository_says_so(store: str) -> None:
    opening: Any = open_repository(store)
    async with opening as repository:
        lease = await claimed(repository, "a")
    for call in (
        repository.add(a_job("b")),
        repository.add_many([]),
        repository.claim_next("w", HOUR),
        repository.claim("a", "w", HOUR),
        repository.renew(lease, HOUR),
        repository.get_lease("a"),
        *(FENCED[name](repository, lease) for name in FENCED),
    ):
        with pytest.raises(RepositoryClosedError):
            await call
