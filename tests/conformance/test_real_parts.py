"""The parts of the checks on real stores, each by itself."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Self

import pytest

from collection_jobs import InMemoryCollectionJobRepository, JobStatus
from collection_jobs.conformance import Target, TargetError, find_target, verify
from collection_jobs.conformance.checks.cancellation.cancel_points import CancelPoint, Stepped
from collection_jobs.conformance.checks.cancellation.scenarios import scene, scenes
from collection_jobs.conformance.checks.contention.workloads import (
    KINDS,
    hand_over,
    rounds,
    shorter,
)
from collection_jobs.conformance.checks.crash.durability_checker import DurabilityChecker
from collection_jobs.conformance.checks.crash.workload import IDS, life
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.checks.scaling.filling import RARE, fill
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, Recording, is_hung
from collection_jobs.conformance.report.capability_report import Claim, Observation, compare
from collection_jobs.conformance.running.clients import Client, run_clients
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.running.deadline import with_deadline
from collection_jobs.conformance.running.messages import Close, ForeignError, Open, Work, portable
from collection_jobs.conformance.running.open_store import OpenStore, open_with_timeout
from collection_jobs.conformance.running.processes import (
    ForkServer,
    Worker,
    WorkerDied,
    WorkerFailed,
)
from collection_jobs.conformance.running.stores import Stores
from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome, Step, example_job
from collection_jobs.conformance.spec.capabilities import METHODS as BEYOND
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from tests.conformance.support import target_of
from tests.mutants.stores import FileStore

NOW = datetime(2024, 3, 2, tzinfo=UTC)
SQLITE = find_target(None)
METHODS = {
    "add_failed_symbol",
    "delete",
    "get_by_id",
    "get_running_jobs",
    "get_stats",
    "list_by_status",
    "list_recent",
    "save",
    "update_status",
}


def answered(value: object = None, error: BaseException | None = None) -> Outcome:
    return Outcome(NOW, NOW + timedelta(seconds=1), value, error)


# Claims


@pytest.mark.parametrize(
    ("declared", "shown", "verdict"),
    [
        (True, True, "confirmed"),
        (True, False, "overstated"),
        (False, True, "understated"),
        (False, False, "not declared"),
        (True, None, "declared, not tried"),
        (False, None, "not declared"),
    ],
)
def test_a_claim_says_how_what_is_declared_stands_to_what_is_seen(
    declared: bool, shown: bool | None, verdict: str
) -> None:
    assert Claim("durable", declared, shown, "because").verdict == verdict


def test_one_observation_against_a_capability_outweighs_those_for_it() -> None:
    seen = [Observation("durable", True, "survived"), Observation("durable", False, "lost a job")]
    durable, shared, scales = compare(frozenset({"durable"}), seen)
    assert (durable.shown, durable.how) == (False, "lost a job")
    assert (shared.shown, scales.shown) == (None, None)


# Targets and what can not be tried on them


@pytest.mark.parametrize("text", [None, "memory:", "tests.mutants.stores:FileStore"])
def test_a_target_is_found_again_by_its_spec(text: str | None) -> None:
    target = find_target(text)
    assert target.spec is not None
    assert find_target(target.spec).spec == target.spec


def test_what_needs_other_processes_is_not_checked_on_a_target_made_in_code() -> None:
    names = ("damaged stores", "concurrent calls", "killed processes")
    checks = [check for check in CHECKS if check.name in names]
    report = verify(Target("in code", FileStore), profile="quick", checks=checks)
    laws = {law.id: law for law in report.laws}
    for law in ("STATUS-2", "FAILED-2", "ATOMIC-1", "DURABLE-1"):
        assert laws[law].verdict == "not checked"
        assert "made in code" in (laws[law].reason or "")
    assert laws["ERROR-1"].verdict == "holds"
    assert "no damaged store" in (laws["ERROR-1"].reason or "")
    assert report.verdict == "incomplete"


# Rounds, scenes and lives


def test_the_same_seed_makes_the_same_rounds_and_another_seed_others() -> None:
    first, again, other = (list(rounds(seed, 2)) for seed in (1, 1, 2))
    assert first == again != other
    assert {round_.kind for round_ in first} == set(KINDS)
    assert len({id_ for round_ in first for id_ in round_.ids}) == sum(
        len(round_.ids) for round_ in first
    )


def test_a_shorter_round_has_two_clients_and_few_steps() -> None:
    whole = next(iter(rounds(0, 1)))
    for short in shorter(whole, 0, 10):
        assert short.kind == whole.kind
        assert len(short.clients) == 2
        assert max(map(len, short.clients)) <= 2


def test_what_is_handed_over_is_seen_on_every_handle() -> None:
    _, steps = hand_over(3)
    assert {step.method for handle, step in steps if handle == 2} >= {"get_by_id", "list_recent"}


def test_every_method_is_a_victim_alone_and_in_a_crowd() -> None:
    victims = [scene(name, "a") for name in scenes(frozenset(PROTOCOLS))]
    assert {one.victim.method for one in victims if not one.behind} == METHODS | set(BEYOND)
    assert {one.victim.method for one in victims if one.behind} == METHODS | set(BEYOND)
    assert {scene(name, "a").victim.method for name in scenes()} == METHODS


def test_each_job_of_a_life_belongs_to_one_client() -> None:
    owners: dict[str, set[str]] = {}
    clients = life(Random(0), 20, frozenset({"Purges"}))  # noqa: S311 - not for secrets
    for client in clients:
        for step in client.steps:
            call = step.call(
                {id_: example_job(id_, symbols=("S0", "S1", "S2", "S3")) for id_ in IDS}
            )
            assert call is not None
            for job_id in call.job_ids:  # none where a purge finds its jobs itself
                owners.setdefault(job_id, set()).add(client.name)
    assert set(owners) == set(IDS)
    assert all(len(names) == 1 for names in owners.values())


# Judging


def test_jobs_of_others_are_passed_over() -> None:
    mine, other = example_job("mine"), example_job("other").with_revision(1)
    events = [
        Event("A", Call("save", (mine,)), 1, 2, answered()),
        Event("A", Call("list_recent"), 3, 4, answered([mine.with_revision(2), other])),
    ]
    assert check_among({"mine"}, events) == []
    assert check_among({"mine", "other"}, events) != []


def test_a_call_without_an_answer_breaks_a_law() -> None:
    hung = Event("A", Call("get_by_id", ("a",)), 1, 2, answered(error=NoAnswer("none")))
    assert is_hung(hung)
    (finding,) = check_among({"a"}, [hung])
    assert finding.law == "ATOMIC-1"
    assert "gave no answer" in finding.message


# Clients


async def test_clients_begin_together_and_each_holds_what_it_read() -> None:
    repository = InMemoryCollectionJobRepository()
    await repository.save(example_job("a"))
    recording = Recording()
    steps = (Step("get_by_id", ("a",), keep="job"), Step("get_by_id", ("b",)))
    clients = [Client(name, steps) for name in "AB"]
    assert await run_clients(clients, [repository], recording)
    assert [event.client for event in recording.events] == ["A", "A", "B", "B"]
    assert all(event.outcome is not None for event in recording.events)


async def test_a_client_stops_at_a_call_that_is_not_answered() -> None:
    class Hangs(InMemoryCollectionJobRepository):
        async def get_stats(self, job_id: str) -> None:
            await asyncio.Event().wait()

    recording = Recording()
    steps = (Step("get_stats", ("a",)), Step("get_by_id", ("a",)))
    with with_deadline(0.01):
        assert not await run_clients([Client("A", steps)], [Hangs()], recording)
    assert len(recording.events) == 1
    assert is_hung(recording.events[0])


# Stepping


async def three_suspensions(log: list[str]) -> str:
    for number in range(3):
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            log.append(f"cancelled at {number + 1}")
            raise
    return "done"


async def test_a_call_that_is_not_cut_comes_to_its_end() -> None:
    stepped = Stepped(three_suspensions([]), CancelPoint())
    assert await stepped == "done"
    assert (stepped.suspensions, stepped.cancelled, stepped.place) == (3, False, None)


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_call_is_cancelled_at_the_very_suspension(at: int) -> None:
    log: list[str] = []
    stepped = Stepped(three_suspensions(log), CancelPoint(at))

    async def victim() -> None:
        await stepped

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(victim())
    assert log == [f"cancelled at {at}"]
    assert stepped.cancelled
    assert "three_suspensions" in (stepped.place or "")


async def test_a_cut_beyond_the_last_suspension_cancels_nothing() -> None:
    stepped = Stepped(three_suspensions([]), CancelPoint(4))
    assert await stepped == "done"
    assert not stepped.cancelled


async def test_a_call_is_cancelled_twice_while_it_cleans_up() -> None:
    log: list[str] = []

    async def cleans_up() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                log.append("again")
                raise

    async def victim() -> None:
        await Stepped(cleans_up(), CancelPoint(1, twice=True))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(victim())
    assert log == ["again"]


# Stores that do not open, close or end


class Stuck(InMemoryCollectionJobRepository):
    async def __aenter__(self) -> Self:
        await asyncio.Event().wait()
        return self


async def test_a_store_that_does_not_open_is_not_waited_for() -> None:
    with pytest.raises(NoAnswer, match="opening the store"):
        async with open_with_timeout(Stuck(), 0.01):
            pass


async def test_what_goes_wrong_within_is_told_rather_than_what_the_closing_makes_of_it() -> None:
    class ClosesBadly(InMemoryCollectionJobRepository):
        async def close(self) -> None:
            raise OSError("no more disk")

    with pytest.raises(KeyError):
        async with open_with_timeout(ClosesBadly()):
            raise KeyError("within")


def test_a_cancelled_call_that_goes_on_forever_is_told_as_such() -> None:
    target = find_target("tests.mutants.cancelling:NeverGivesUp")
    check = [check for check in CHECKS if check.name == "cancelled calls"]
    report = verify(target, profile="quick", checks=check, deadline=0.5)
    (finding,) = report.findings
    assert finding.message.endswith("; then it did not end within 1.5 s")


@with_deadline(0.05)
def test_a_task_that_cannot_be_cancelled_is_left_behind() -> None:
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async def start() -> None:
        tasks.append(asyncio.create_task(stubborn()))

    tasks: list[asyncio.Task[None]] = []
    with OpenStore(InMemoryCollectionJobRepository()) as store:
        store.run(start())
    assert not tasks[0].done()


# Workers


def test_a_worker_works_on_a_store_and_tells_what_it_did(tmp_path: Path) -> None:
    with Worker.start(SQLITE) as worker:
        worker.ask(Open(tmp_path, 1, 5))
        done = worker.ask(Work((Client("A", (Step("save", (example_job("a"),)),)),)))
        worker.ask(Close())
    (event,) = done.events
    assert event.call == Call("save", (example_job("a"),))
    assert event.outcome is not None
    assert event.outcome.error is None


def test_a_worker_tells_what_the_adapter_raised(tmp_path: Path) -> None:
    with Worker.start(SQLITE) as worker:
        with pytest.raises(WorkerFailed) as caught:
            worker.ask(Open(tmp_path / "missing", 1, 5))
        assert caught.value.ours
        worker.ask(Open(tmp_path, 1, 5))


def test_a_worker_that_cannot_import_its_target_says_why() -> None:
    target = Target("nowhere", FileStore, spec="no_such_module:factory")
    with Worker.start(target) as worker, pytest.raises(TargetError, match="no_such_module"):
        worker.ask(Close())


def test_a_fork_server_whose_target_cannot_be_imported_says_why() -> None:
    target = Target("nowhere", FileStore, spec="no_such_module:factory")
    with ForkServer(target) as fork_server, pytest.raises(TargetError, match="no_such_module"):
        fork_server.worker(counting=False)


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    with ForkServer(SQLITE) as fork_server:
        yield fork_server


def test_workers_are_gone_when_they_are_not_needed_any_more(fork_server: ForkServer) -> None:
    with fork_server.workers(2) as team:
        for worker in team:
            worker.ask(Close())
    for worker in team:
        with pytest.raises(WorkerDied, match=f"code {-signal.SIGKILL}"):
            worker.tell(0.1)


def test_a_fork_server_that_has_ended_is_replaced(tmp_path: Path) -> None:
    stores = Stores(SQLITE, tmp_path, lambda: False)
    first = stores.fork_server()
    with first.worker(counting=False) as worker:
        worker.ask(Close())
    assert stores.fork_server() is first
    first.close()
    with stores.fork_server().worker(counting=False) as worker:
        worker.ask(Close())
    assert stores.fork_server() is not first
    stores.end_fork_server()


def test_a_forked_worker_that_is_killed_is_gone(fork_server: ForkServer, tmp_path: Path) -> None:
    with fork_server.worker(counting=False) as worker:
        worker.ask(Open(tmp_path, 1, 5))
        worker.kill()
        with pytest.raises(WorkerDied, match=f"code {-signal.SIGKILL}"):
            worker.ask(Close())


def test_a_worker_dies_at_the_site_that_it_is_told(fork_server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    save = Work((Client("A", (Step("save", (example_job("a"),)),)),))
    with fork_server.worker(counting=True) as worker:
        worker.ask(Open(tmp_path / "first", 1, 5))
        sites = worker.ask(save).sites
    ours = ("clients.py", "runner.py", "worker.py")
    assert not [site for site in sites if any(name in site for name in ours)]
    begin = min(site for site in sites if site.startswith("after execute at group_commit.py"))
    with fork_server.worker(counting=True) as worker:
        worker.ask(Open(tmp_path, 1, 5))
        dying = Work(save.clients, told=True, die_at=(begin, 1))
        worker.order(dying)
        worker.tell()  # that the call begins
        with pytest.raises(WorkerDied, match=f"code {-signal.SIGKILL}"):
            worker.tell()


def test_what_cannot_be_sent_to_another_process_has_a_stand_in() -> None:
    class LocalError(Exception):
        pass

    sent = portable(answered(error=LocalError("boom")))
    assert isinstance(sent.error, ForeignError)
    assert str(sent.error) == "LocalError: boom"
    assert portable(answered(value=lambda: None)).value != answered().value
    assert portable(answered(value=True)) == answered(value=True)


# The checker


def checker_of(*calls: tuple[Call, Outcome | None]) -> DurabilityChecker:
    checker = DurabilityChecker(["a"])
    for number, (call, outcome) in enumerate(calls):
        checker.began(number, call)
        if outcome is not None:
            assert checker.ended(number, outcome, first_life=False) is None
    return checker


SAVE = Call("save", (example_job("a"),))
GET = Call("get_by_id", ("a",))
CLAIM = Call("update_status", ("a", JobStatus.RUNNING))
STORED = example_job("a").with_revision(1)


def shown(value: object) -> list[Event]:
    now = datetime.now(UTC)
    return [Event("kit", GET, 1, 2, Outcome(now, now, value))]


def test_what_was_acknowledged_must_be_there() -> None:
    saved = (SAVE, answered()), (GET, answered(STORED))
    assert list(checker_of(*saved).reopened(shown(STORED))) == []
    (finding,) = checker_of(*saved).reopened(shown(None))
    assert finding.law == "DURABLE-1"
    assert any("killed" in line for line in finding.history)


def test_what_was_acknowledged_and_not_looked_at_must_be_there_too() -> None:
    (finding,) = checker_of((SAVE, answered())).reopened(shown(None))
    assert finding.law == "DURABLE-1"


@pytest.mark.parametrize("happened", [False, True])
def test_what_was_under_way_may_be_there_wholly_or_not_at_all(happened: bool) -> None:
    # Made here: the adapter's clock may not be minutes behind, as a time from the import would be.
    running = STORED.with_status(JobStatus.RUNNING, at=datetime.now(UTC)).with_revision(2)
    begun = (SAVE, answered()), (GET, answered(STORED)), (CLAIM, None)
    assert list(checker_of(*begun).reopened(shown(running if happened else STORED))) == []


def test_of_many_that_were_being_saved_all_may_be_there_or_none() -> None:
    for revisions in ((1, 2), (3, 4)):
        assert list(many_under_way().reopened(both(revisions))) == []
    for revisions in ((1, 4), (3, 2)):
        (finding,) = many_under_way().reopened(both(revisions))
        assert finding.law == "DURABLE-1"
        assert "had taken effect on" in finding.message


def many_under_way() -> DurabilityChecker:
    """Two jobs that were saved and seen, and are being saved again together."""
    checker = DurabilityChecker(["a", "b"])
    for number, job in enumerate((example_job("a"), example_job("b")), 1):
        for at, call, outcome in (
            (10 * number, Call("save", (job,)), answered()),
            (11 * number, Call("get_by_id", (job.id,)), answered(job.with_revision(number))),
        ):
            checker.began(at, call)
            assert checker.ended(at, outcome, first_life=True) is None
    again = tuple(example_job(name, source="other") for name in "ab")
    checker.began(99, Call("save_many", (again,)))
    return checker


def both(revisions: tuple[int, int]) -> list[Event]:
    """What reads show of both jobs: at a revision above 2, as they were being saved."""
    jobs = (
        example_job(name, source="other" if revision > 2 else "binance").with_revision(revision)
        for name, revision in zip("ab", revisions, strict=True)
    )
    now = datetime.now(UTC)
    return [
        Event("kit", Call("get_by_id", (job.id,)), 1, 2, Outcome(now, now, job)) for job in jobs
    ]


def test_what_was_under_way_may_not_be_there_by_halves() -> None:
    begun = (SAVE, answered()), (GET, answered(STORED)), (CLAIM, None)
    half = example_job("a", status=JobStatus.RUNNING).with_revision(2)
    (finding,) = checker_of(*begun).reopened(shown(half))
    assert finding.law == "DURABLE-1"
    assert any("was under way" in line for line in finding.history)


def test_a_store_that_kept_something_else_from_the_start_has_lost_nothing() -> None:
    other = example_job("a", source="other").with_revision(1)
    kept = (SAVE, answered()), (GET, answered(other))
    checker = DurabilityChecker(["a"])
    for number, (call, outcome) in enumerate(kept):
        checker.began(number, call)
        checker.ended(number, outcome, first_life=True)
    assert list(checker.reopened(shown(other))) == []


def test_revisions_that_start_again_are_seen_when_the_store_is_changed() -> None:
    checker = checker_of((SAVE, answered()), (GET, answered(STORED.with_revision(7))))
    assert list(checker.reopened(shown(STORED.with_revision(7)))) == []
    checker.began(10, CLAIM)
    assert checker.ended(10, answered(True), first_life=False) is None
    checker.began(11, GET)
    now = datetime.now(UTC)
    running = STORED.with_status(JobStatus.RUNNING, at=now).with_revision(1)
    finding = checker.ended(11, Outcome(now, now, running), first_life=False)
    assert finding is not None
    assert finding.law == "SAVE-4"


# Growth


async def test_a_filled_store_has_many_jobs_of_which_three_are_rare() -> None:
    repository = InMemoryCollectionJobRepository()
    assert await fill(repository, 500, 10) == 500
    assert len(await repository.list_recent(1_000)) == 500
    assert len(await repository.list_by_status(RARE)) == 3


async def test_the_filling_ends_when_its_time_is_over() -> None:
    class Slow(InMemoryCollectionJobRepository):
        async def save(self, job: object) -> None:
            await asyncio.sleep(0.01)

    assert 0 < await fill(Slow(), 1_000_000, 0.05) < 10_000


def test_a_store_that_cannot_be_filled_is_not_judged() -> None:
    target = target_of(InMemoryCollectionJobRepository)
    growing = [check for check in CHECKS if check.name == "growing stores"]
    report = verify(target, profile=replace(PROFILES["quick"], filling=0), checks=growing)
    scale = next(law for law in report.laws if law.id == "SCALE-1")
    assert (scale.verdict, scale.finding) == ("not checked", None)
    assert "jobs could be saved" in (scale.reason or "")
    assert {claim.verdict for claim in report.claims if claim.capability == "scales"} == {
        "declared, not tried"
    }
