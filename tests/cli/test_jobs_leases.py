"""collection-jobs jobs and leases: who works on a job until when, and taking it back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from collection_jobs import (
    CollectionJob,
    InMemoryCollectionJobRepository,
    JobStatus,
    Lease,
    LeaseLostError,
    LeasesJobs,
    open_repository,
)
from collection_jobs.cli.failure import Refused
from collection_jobs.cli.jobs import queries
from collection_jobs.cli.jobs.transitions import released, released_if_expired, retried
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import NOW, fill, jobs, stored
from tests.cli.test_jobs import opened_by
from tests.dict_repository import DictRepository

HOUR = timedelta(hours=1)
SHORT = timedelta(milliseconds=50)
WORKER = "worker-7.eu-west-1.example.net"


async def _claim(url: str, claims: dict[str, tuple[str, timedelta]]) -> dict[str, Lease]:
    async with open_repository(url) as repository:
        assert isinstance(repository, LeasesJobs)
        leases: dict[str, Lease] = {}
        for job_id, (worker, ttl) in claims.items():
            lease = await repository.claim(job_id, worker, ttl)
            assert lease is not None
            leases[job_id] = lease
        await asyncio.sleep(SHORT.total_seconds() + 0.01)  # the short ones expire
        return leases


def on(url: str, work: Callable[[Any], Any]) -> Any:
    """Do something with the store's repository, as a worker would."""

    async def run() -> Any:
        async with open_repository(url) as repository:
            return await work(repository)

    return asyncio.run(run())


@pytest.fixture
def leases() -> dict[str, Lease]:
    """The leases of the store, which the fixture `url` fills."""
    return {}


@pytest.fixture
def url(tmp_path: Path, leases: dict[str, Lease]) -> str:
    """Jobs that wait, that run without a lease, under one, and under one that has expired."""
    made = [example_job(name, created_at=NOW) for name in ("held", "lost", "waits")]
    made.append(example_job("plain", source="kraken", created_at=NOW).start_running(at=NOW))
    url = fill(tmp_path, made)
    leases |= asyncio.run(_claim(url, {"held": (WORKER, HOUR), "lost": ("w-2", SHORT)}))
    return url


# Looking


def test_a_listing_shows_who_works_on_a_job_and_until_when(url: str) -> None:
    shown = jobs("list", url, width=80).stdout
    lines = {line.split()[0]: line for line in shown.splitlines()[2:]}
    assert re.search(r"worker +lease ends", shown.splitlines()[0])
    assert re.search(r"worker-.*\.net +in 59m \d\ds", lines["held"])
    assert re.search(r"w-2 +expired \d+s ago", lines["lost"])
    for name in ("waits", "plain"):
        assert re.search(r"0/2 +0 *(\d+d \d+h)? *$", lines[name])
    assert "worker" not in jobs("list", url, "--status", "pending", width=200).stdout


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_a_table_with_leases_fits_the_terminal(tmp_path: Path, width: int) -> None:
    names = ["a" * 120 + "-tail", "b"]
    url = fill(tmp_path, [example_job(name, created_at=NOW) for name in names])
    asyncio.run(_claim(url, {names[0]: ("\u754c" * 100, HOUR), names[1]: ("w" * 255, SHORT)}))
    lines = jobs("list", url, width=width).stdout.splitlines()
    assert max(map(cell_len, lines)) <= width
    if width >= 80:
        assert re.search(r"worker +lease ends", lines[0])
        assert "expired" in lines[2]
    shown = jobs("show", url, "b", width=width).stdout
    assert max(map(cell_len, shown.splitlines())) <= width
    assert shown.replace("\n", "").replace(" ", "").count("w" * 255) == 1


def test_a_job_is_shown_with_its_worker_and_its_lease(url: str) -> None:
    shown = jobs("show", url, "held", width=80).stdout
    assert re.search(rf"worker +{re.escape(WORKER)}  attempt 1", shown)
    assert re.search(r"lease +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  in 59m", shown)
    assert re.search(r"lease +.* UTC  expired \d+s ago", jobs("show", url, "lost").stdout)
    assert "lease" not in jobs("show", url, "plain").stdout


def test_json_has_the_lease_of_a_job_that_has_one(url: str, leases: dict[str, Lease]) -> None:
    listed = {job["id"]: job for job in json.loads(jobs(url, "--json").stdout)["jobs"]}
    assert {name for name, job in listed.items() if "lease" in job} == {"held", "lost"}
    assert listed["held"]["lease"] == {
        "worker": WORKER,
        "expires_at": leases["held"].expires_at.isoformat(),
    }
    shown = json.loads(jobs("show", url, "lost", "--json").stdout)
    assert shown["lease"] == {**listed["lost"]["lease"], "attempt": 1}


def test_control_characters_of_a_worker_do_not_reach_the_terminal(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job("a", created_at=NOW)])
    asyncio.run(_claim(url, {"a": ("\x1b]0;owned\x07\u202egnp", HOUR)}))
    for arguments in (["list", url], ["show", url, "a"], ["release", url, "a"]):
        shown = jobs(*arguments, width=200).stdout
        assert shown.replace("\n", "").isprintable()
        assert "owned" in shown


# Releasing


def test_a_running_job_is_released_and_its_worker_is_refused(
    url: str, leases: dict[str, Lease]
) -> None:
    result = jobs("release", url, "held", "plain")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"held was running by {WORKER} and is pending",
        "plain was running and is pending",
    ]
    for name in ("held", "plain"):
        job = stored(url, name)
        assert job is not None
        assert (job.status, job.started_at) == (JobStatus.PENDING, None)
    with pytest.raises(LeaseLostError):
        on(url, lambda it: it.add_completed_symbol("held", "BTC", 1, lease=leases["held"]))
    told = json.loads(jobs("release", url, "lost", "--json").stdout)
    assert told == {
        "id": "lost",
        "former_status": "running",
        "status": "pending",
        "worker": "w-2",
    }


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (JobStatus.PENDING, "a worker will take it"),
        (JobStatus.FAILED, "retry it"),
        (JobStatus.COMPLETED, "that is final: save a new one"),
        (JobStatus.CANCELLED, "that is final: save a new one"),
    ],
)
def test_only_a_running_job_is_released(tmp_path: Path, status: JobStatus, hint: str) -> None:
    url = fill(tmp_path, [example_job("a", status=status)])
    result = jobs("release", url, "a")
    assert (result.exit_code, result.stdout) == (1, "")
    due = f"job 'a' is {status}, but only a running job can be released; {hint}\n"
    assert result.stderr.endswith(due)


def test_jobs_whose_leases_have_expired_are_released_and_no_others(url: str) -> None:
    result = jobs("release", url, "--expired", answer="n\n")
    assert "Release 1 running job?" in result.stderr
    assert jobs("release", url, "--expired", "--source", "kraken", "--yes").stdout == ""
    result = jobs("release", url, "--expired", "--yes")
    assert (result.exit_code, result.stdout) == (0, "lost was running by w-2 and is pending\n")
    kept = {name: stored(url, name) for name in ("held", "plain", "waits", "lost")}
    assert [job.status.value for job in kept.values() if job is not None] == [
        *("running", "running", "pending", "pending")
    ]
    again = on(url, lambda it: it.claim("lost", "w", HOUR))
    assert again.attempt == 1


def test_expired_leases_are_looked_for_on_every_page(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    assert jobs("release", url, "--expired", "--yes").stdout.startswith("lost was running by w-2")


def test_a_retry_lets_the_attempts_be_counted_anew(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job("a", created_at=NOW)])
    for attempt in (1, 2):
        lease = asyncio.run(_claim(url, {"a": ("w", SHORT)}))["a"]
        assert lease.attempt == attempt
    on(url, lambda it: it.update_status("a", JobStatus.FAILED, lease=lease))
    assert jobs("retry", url, "a").exit_code == 0
    assert asyncio.run(_claim(url, {"a": ("w", SHORT)}))["a"].attempt == 1


async def test_a_retried_job_may_be_claimed_at_once() -> None:
    class Busy(InMemoryCollectionJobRepository):
        """A worker claims the job before the command does."""

        async def save(self, job: CollectionJob) -> None:
            await super().save(job)
            if job.status is JobStatus.PENDING:
                await super().claim(job.id, "w", HOUR)

    async with Busy() as repository:
        await repository.save(example_job("a").start_running().fail("no luck"))
        stale = (await repository.list_by_status(JobStatus.FAILED))[0]
        former, changed, _ = await retried(repository, stale)
        assert (former.status, changed.status) == (JobStatus.FAILED, JobStatus.PENDING)
        lease = await repository.get_lease("a")
        assert lease is not None
        assert lease.worker == "w"


# Against workers


class Clock:
    """The time of the store, which a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def claimed(repository: InMemoryCollectionJobRepository) -> tuple[CollectionJob, Lease]:
    await repository.save(example_job("a"))
    lease = await repository.claim("a", "w", SHORT)
    assert lease is not None
    return lease.job, lease


async def test_a_worker_that_renews_at_the_last_moment_keeps_its_job() -> None:
    clock = Clock()
    async with InMemoryCollectionJobRepository(clock=clock) as repository:
        stale, lease = await claimed(repository)
        clock.now += HOUR
        await repository.renew(lease, HOUR)
        with pytest.raises(Refused, match="lease of job 'a' has not expired"):
            await released_if_expired(repository, stale)
        assert await repository.update_status("a", JobStatus.COMPLETED, lease=lease)
        for job_id in ("a", "b"):
            with pytest.raises(Refused):
                await released_if_expired(repository, example_job(job_id))


async def test_a_job_whose_lease_expired_is_released_from_the_worker_that_had_it() -> None:
    clock = Clock()
    async with InMemoryCollectionJobRepository(clock=clock) as repository:
        stale, lease = await claimed(repository)
        clock.now += HOUR
        former, changed, worker = await released_if_expired(repository, stale)
        assert (former.status, changed.status, worker) == (
            JobStatus.RUNNING,
            JobStatus.PENDING,
            "w",
        )
        assert await repository.get_by_id("a") == changed
        with pytest.raises(LeaseLostError):
            await repository.renew(lease, HOUR)


@pytest.mark.parametrize("with_lease", [True, False])
async def test_a_release_never_retries_a_job_that_failed_meanwhile(with_lease: bool) -> None:
    async with InMemoryCollectionJobRepository() as repository:
        if with_lease:
            stale, _ = await claimed(repository)
        else:
            await repository.save(example_job("a").start_running())
            (stale,) = await repository.get_running_jobs()
        assert await repository.update_status("a", JobStatus.FAILED)
        with pytest.raises(Refused, match="job 'a' is failed, but only a running job"):
            await released(repository, stale)
        job = await repository.get_by_id("a")
        assert job is not None
        assert job.status is JobStatus.FAILED


async def test_a_release_is_of_the_lease_that_it_saw() -> None:
    class Ending(InMemoryCollectionJobRepository):
        """The worker gives up while the command looks who it is."""

        async def get_lease(self, job_id: str) -> Lease | None:
            lease = await super().get_lease(job_id)
            await self.update_status(job_id, JobStatus.FAILED, "no luck")
            return lease

    async with Ending() as repository:
        stale, _ = await claimed(repository)
        with pytest.raises(Refused, match="job 'a' is failed, but only a running job"):
            await released(repository, stale)
        job = await repository.get_by_id("a")
        assert job is not None
        assert (job.status, job.error_message) == (JobStatus.FAILED, "no luck")


async def test_a_release_goes_on_although_the_worker_records_outcomes() -> None:
    async with InMemoryCollectionJobRepository() as repository:
        await repository.save(example_job("a").start_running())
        (stale,) = await repository.get_running_jobs()
        await repository.add_completed_symbol("a", "BTC", 5)
        former, changed, worker = await released(repository, stale)
        assert (former.completed_symbols, changed.completed_symbols) == ({"BTC": 5}, {"BTC": 5})
        assert worker is None
        assert await repository.get_by_id("a") == changed


# Stores without leases


def test_a_store_without_leases_releases_jobs_and_says_what_it_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Plain(DictRepository):
        async def _open(self) -> None:
            await super()._open()
            for name in "abc":
                await self._save(example_job(name).start_running())

    repository = Plain()
    monkeypatch.setattr("importlib.metadata.entry_points", opened_by(lambda _: repository))
    result = jobs("release", "pg://host/db", "a", "b")
    assert result.exit_code == 0
    assert result.stdout == "a was running and is pending\nb was running and is pending\n"
    assert result.stderr.count("this store does not lease jobs: it is not known who worked") == 1
    assert [repository.jobs[name].status.value for name in "abc"] == ["pending"] * 2 + ["running"]
    listed = jobs("list", "pg://host/db", width=200)
    assert (listed.exit_code, "worker" in listed.stdout) == (0, False)
    result = jobs("release", "pg://host/db", "--expired", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not lease jobs, so no lease of it can have expired: name the jobs" in result.stderr
