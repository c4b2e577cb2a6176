"""CheckedRepository does what is the same for every engine, so that hooks need not."""

from __future__ import annotations

import asyncio
import os
from abc import ABC
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from collection_jobs import (
    AddsJobs,
    CheckedAddsJobs,
    CheckedLeasesJobs,
    CheckedPagesByKey,
    CheckedRepository,
    CheckedSavesMany,
    CollectionJob,
    CollectionJobRepository,
    ICollectionJobRepository,
    JobNotFoundError,
    JobStats,
    JobStatus,
    Lease,
    LeaseLostError,
    LeasesJobs,
    PagesByKey,
    RecordsCompletedSymbols,
    RepositoryClosedError,
    RepositoryError,
    SavesMany,
    UnknownSymbolError,
)
from collection_jobs.base import MOST_JOBS
from collection_jobs.conformance import verify
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.conformance.static import check_class
from collection_jobs.free_text import MAX_TEXT_BYTES
from collection_jobs.openable import run_to_end
from tests.conformance.support import target_of
from tests.dict_repository import (
    DictRepository,
    DictRepositoryWithAll,
    DictRepositoryWithLeases,
    EngineError,
)
from tests.liars import LyingDatetime, LyingInt, LyingStr, LyingTimedelta, LyingTuple

BORN = datetime(2024, 3, 1, tzinfo=UTC)
Call = Callable[[Any], Awaitable[Any]]

HOUR = timedelta(hours=1)
LEASE = Lease(
    job=example_job("a", status=JobStatus.RUNNING).with_revision(1),
    worker="w",
    token=1,
    expires_at=BORN,
    attempt=1,
)
OTHERS = replace(LEASE, job=example_job("b", status=JobStatus.RUNNING))


def leased(call: Call) -> Call:
    """The job a is RUNNING under LEASE before the call."""

    def prepared(repository: DictRepositoryWithLeases) -> Awaitable[Any]:
        repository.jobs["a"], repository.leases["a"] = LEASE.job, LEASE
        return call(repository)

    return prepared


CALLS: dict[str, Call] = {
    "save": lambda repository: repository.save(example_job("a")),
    "get_by_id": lambda repository: repository.get_by_id("a"),
    "delete": lambda repository: repository.delete("b"),
    "list_by_status": lambda repository: repository.list_by_status(JobStatus.PENDING),
    "list_by_status, none": lambda repository: repository.list_by_status(JobStatus.PENDING, 0),
    "list_recent": lambda repository: repository.list_recent(),
    "list_recent, none": lambda repository: repository.list_recent(0),
    "get_running_jobs": lambda repository: repository.get_running_jobs(),
    "update_status": lambda repository: repository.update_status("a", JobStatus.RUNNING),
    "add_failed_symbol": lambda repository: repository.add_failed_symbol("a", "BTC", "boom"),
    "get_stats": lambda repository: repository.get_stats("a"),
    "add_completed_symbol": lambda repository: repository.add_completed_symbol("a", "BTC", 1),
    "save_many": lambda repository: repository.save_many([example_job("a")]),
    "save_many, none": lambda repository: repository.save_many([]),
    "list_after": lambda repository: repository.list_after(JobStatus.PENDING),
    "list_after, none": lambda repository: repository.list_after(JobStatus.PENDING, None, 0),
    "add": lambda repository: repository.add(example_job("a")),
    "add_many": lambda repository: repository.add_many([example_job("a"), example_job("b")]),
    "add_many, none": lambda repository: repository.add_many([]),
    "claim_next": lambda repository: repository.claim_next("w", HOUR),
    "claim": lambda repository: repository.claim("a", "w", HOUR),
    "get_lease": lambda repository: repository.get_lease("a"),
    "renew": leased(lambda repository: repository.renew(LEASE, HOUR)),
    "update_status, lease": leased(
        lambda repository: repository.update_status("a", JobStatus.COMPLETED, lease=LEASE)
    ),
    "add_failed_symbol, lease": leased(
        lambda repository: repository.add_failed_symbol("a", "BTC", "boom", lease=LEASE)
    ),
    "add_completed_symbol, lease": leased(
        lambda repository: repository.add_completed_symbol("a", "BTC", 1, lease=LEASE)
    ),
}
REACHING = [name for name in CALLS if "none" not in name]

LONG = "x" * 256
WRONG: dict[str, tuple[Call, type[Exception], str]] = {
    "no job": (lambda it: it.save({}), TypeError, "job must be a CollectionJob, not dict: {}"),
    "empty id": (lambda it: it.get_by_id(""), ValueError, "job_id must have 1 to 255"),
    "no id": (lambda it: it.get_by_id(3), TypeError, "job_id must be a str, not int: 3"),
    "deleted": (lambda it: it.delete(LONG), ValueError, "not 256: 'xxx"),
    "status": (lambda it: it.list_by_status("pending"), TypeError, "JobStatus, not str: 'pending'"),
    "limit": (lambda it: it.list_by_status(JobStatus.PENDING, -1), ValueError, "limit .*: -1"),
    "offset": (lambda it: it.list_by_status(JobStatus.PENDING, 0, -2), ValueError, "offset .*: -2"),
    "recent": (lambda it: it.list_recent(True), TypeError, "limit must be an int, not bool: True"),
    "naive": (
        lambda it: it.list_recent(0, datetime(2024, 3, 1)),  # noqa: DTZ001 - that is what is wrong
        ValueError,
        "since must be an aware datetime",
    ),
    "updated": (lambda it: it.update_status("a", "running"), TypeError, "status must be"),
    "updated id": (lambda it: it.update_status("a\0", JobStatus.RUNNING), ValueError, "no NUL"),
    "message": (lambda it: it.update_status("a", JobStatus.RUNNING, 5), TypeError, "not int: 5"),
    "failed id": (lambda it: it.add_failed_symbol("", "BTC", "x"), ValueError, "job_id must"),
    "failed symbol": (lambda it: it.add_failed_symbol("a", "", "x"), ValueError, "symbol must"),
    "error": (lambda it: it.add_failed_symbol("a", "BTC", None), TypeError, "error must be a str"),
    "stats": (lambda it: it.get_stats(b"a"), TypeError, "job_id must be a str, not bytes"),
    "completed": (lambda it: it.add_completed_symbol("", "B", 1), ValueError, "job_id must"),
    "completed symbol": (lambda it: it.add_completed_symbol("a", "", 1), ValueError, "symbol must"),
    "candles": (lambda it: it.add_completed_symbol("a", "B", 2**63), ValueError, "below 2"),
    "jobs": (lambda it: it.save_many(7), TypeError, "jobs must be an iterable"),
    "among jobs": (lambda it: it.save_many([example_job("a"), 1]), TypeError, "not int: 1"),
    "page": (lambda it: it.list_after("pending"), TypeError, "status must be"),
    "key": (lambda it: it.list_after(JobStatus.PENDING, ("a",)), TypeError, "after must be a tup"),
    "added": (lambda it: it.add({}), TypeError, "job must be a CollectionJob"),
    "many added": (lambda it: it.add_many(7), TypeError, "jobs must be an iterable"),
    "worker": (lambda it: it.claim_next("", HOUR), ValueError, "worker must have 1 to 255"),
    "ttl": (lambda it: it.claim_next("w", 5), TypeError, "ttl must be a timedelta, not int: 5"),
    "short ttl": (lambda it: it.claim("a", "w", HOUR * 0), ValueError, "ttl must be 50 millisec"),
    "long ttl": (lambda it: it.renew(LEASE, HOUR * 169), ValueError, "ttl must be 50 milliseconds"),
    "source": (lambda it: it.claim_next("w", HOUR, source=1), TypeError, "source must be a str"),
    "no running": (
        lambda it: it.claim_next("w", HOUR, most_running=0),
        ValueError,
        "most_running must be 1 or more: 0",
    ),
    "claimed id": (lambda it: it.claim(7, "w", HOUR), TypeError, "job_id must be a str, not int"),
    "leased id": (lambda it: it.get_lease(""), ValueError, "job_id must have 1 to 255"),
    "no lease": (lambda it: it.renew("a", HOUR), TypeError, "lease must be a Lease, not str: 'a'"),
    "status without lease": (
        lambda it: it.update_status("a", JobStatus.FAILED, lease=1),
        TypeError,
        "lease must be a Lease, not int: 1",
    ),
    "status of another": (
        lambda it: it.update_status("a", JobStatus.FAILED, lease=OTHERS),
        ValueError,
        "lease must be one of job 'a', not of job 'b'",
    ),
    "failure of another": (
        lambda it: it.add_failed_symbol("a", "BTC", "x", lease=OTHERS),
        ValueError,
        "lease must be one of job 'a', not of job 'b'",
    ),
    "completion of another": (
        lambda it: it.add_completed_symbol("a", "BTC", 1, lease=OTHERS),
        ValueError,
        "lease must be one of job 'a', not of job 'b'",
    ),
    "page limit": (lambda it: it.list_after(JobStatus.PENDING, None, -1), ValueError, "limit"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_argument_is_refused_before_any_hook_is_called(name: str) -> None:
    call, kind, message = WRONG[name]
    async with DictRepositoryWithLeases() as repository:
        repository.called.clear()
        with pytest.raises(kind, match=message):
            await call(repository)
        assert repository.called == []


async def test_hooks_are_given_what_the_checks_return() -> None:
    name, huge = LyingStr("a"), LyingInt(10**30)
    east = datetime(2024, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    long = "é" * MAX_TEXT_BYTES
    async with DictRepositoryWithLeases() as repository:
        await repository.save(example_job("a", symbols=("BTC",)))
        repository.called.clear()
        await repository.get_by_id(name)
        await repository.get_stats(name)
        await repository.list_by_status(JobStatus.PENDING, huge, huge)
        await repository.get_running_jobs()
        await repository.list_recent(huge, east)
        await repository.list_recent(1, LyingDatetime(2024, 3, 1, tzinfo=UTC))
        await repository.list_after(JobStatus.PENDING, LyingTuple((east, LyingStr("b"))), huge)
        await repository.update_status(name, JobStatus.PENDING, LyingStr("why\0"))
        await repository.add_failed_symbol(name, LyingStr("BTC"), long)
        await repository.add_completed_symbol(name, LyingStr("BTC"), LyingInt(3))
        await repository.delete(name)
        await repository.add(example_job("b"))
        hour = LyingTimedelta(hours=1)
        lease = await repository.claim_next(name, hour, source=LyingStr("x"), most_running=huge)
        assert lease is None
        lease = await repository.claim(LyingStr("b"), name, hour)
        assert lease is not None
        await repository.renew(lease, hour)
    *called, (failed, failed_id, failed_symbol, error), completed, deleted = repository.called[:-5]
    assert repository.called[-5:] == [
        ("_add_many", example_job("b")),
        ("_claim_next", "a", HOUR, "x", MOST_JOBS),
        ("_claim", "b", "a", HOUR),
        ("_renew", lease, HOUR),
        ("_close",),
    ]
    assert called == [
        ("_get", "a"),
        ("_get", "a"),
        ("_list_by_status", JobStatus.PENDING, MOST_JOBS, MOST_JOBS),
        ("_list_by_status", JobStatus.RUNNING, MOST_JOBS, 0),
        ("_list_recent", MOST_JOBS, BORN),
        ("_list_recent", 1, BORN),
        ("_list_after", JobStatus.PENDING, (BORN, "b"), MOST_JOBS),
        (
            *("_update_status", "a", JobStatus.PENDING, "why\ufffd"),
            frozenset({JobStatus.RUNNING, JobStatus.FAILED}),
        ),
    ]
    assert (failed, failed_id, failed_symbol) == ("_add_failed_symbol", "a", "BTC")
    assert isinstance(error, str)
    assert len(error.encode()) <= MAX_TEXT_BYTES
    assert completed == ("_add_completed_symbol", "a", "BTC", 3)
    assert deleted == ("_delete", "a")
    plain = {str, int, datetime, timedelta, tuple, frozenset, JobStatus, CollectionJob, Lease}
    assert {type(value) for _, *values in repository.called for value in values} <= plain


async def test_former_is_for_every_status_what_the_lifecycle_permits_and_never_empty() -> None:
    async with DictRepository() as repository:
        for status in JobStatus:
            await repository.update_status("a", status)
            *_, former = repository.called[-1]
            assert former == {it for it in JobStatus if it.can_become(status)} != set()


async def test_a_limit_of_0_and_no_jobs_at_all_ask_nothing_of_the_engine() -> None:
    """0 is no limit at all to some engines, and an empty list of values an error to others."""
    async with DictRepositoryWithLeases() as repository:
        repository.called.clear()
        for name in CALLS:
            if "none" in name:
                assert await CALLS[name](repository) in ([], None)
        assert repository.called == []


async def test_hooks_are_given_the_lease_and_refuse_one_that_was_lost() -> None:
    calls: list[Call] = [
        lambda it: it.update_status("a", JobStatus.FAILED, lease=LEASE),
        lambda it: it.add_failed_symbol("a", "BTC", "x", lease=LEASE),
        lambda it: it.add_completed_symbol("a", "BTC", 1, lease=LEASE),
        lambda it: it.renew(LEASE, HOUR),
    ]
    async with DictRepositoryWithLeases() as repository:
        for call in calls:
            repository.jobs["a"], repository.leases["a"] = LEASE.job, replace(LEASE, token=2)
            with pytest.raises(LeaseLostError, match="'w' no longer has job 'a'"):
                await call(repository)
            assert repository.jobs == {"a": LEASE.job}


@pytest.mark.parametrize("name", CALLS)
async def test_a_repository_that_is_not_open_says_so_and_calls_no_hook(name: str) -> None:
    repository = DictRepositoryWithLeases()
    for _ in range(2):
        repository.called.clear()
        with pytest.raises(RepositoryClosedError, match="the DictRepositoryWithLeases is not open"):
            await CALLS[name](repository)
        assert repository.called == []
        async with repository:
            await CALLS["save"](repository)
            await CALLS[name](repository)


async def _refusals(repository: DictRepositoryWithLeases) -> set[str]:
    said: set[str] = set()
    closing: Call = lambda it: it.close()  # noqa: E731 - a call as those of the table
    opening: Call = lambda it: it.__aenter__()  # noqa: E731 - likewise
    for call in (*CALLS.values(), closing, opening):
        with pytest.raises(RepositoryError) as caught:
            await call(repository)
        said.add(str(caught.value).partition(";")[0])
    return said


async def test_another_thread_is_refused_and_calls_no_hook() -> None:
    async with DictRepositoryWithLeases() as repository:
        said = await asyncio.to_thread(lambda: asyncio.run(_refusals(repository)))
        assert said == {"the repository was opened in another thread"}
        assert repository.called == [("_open",)]


def test_another_event_loop_is_refused_and_calls_no_hook() -> None:
    with asyncio.Runner() as owner, asyncio.Runner() as other:
        repository = owner.run(DictRepositoryWithLeases().__aenter__())
        assert other.run(_refusals(repository)) == {
            "the repository was opened in another event loop"
        }
        assert repository.called == [("_open",)]
        owner.run(repository.close())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_is_refused_and_calls_no_hook() -> None:
    with asyncio.Runner() as owner:
        repository = owner.run(DictRepositoryWithLeases().__aenter__())
        child = os.fork()
        if not child:
            try:
                said = asyncio.run(_refusals(repository))
                due = "the repository was opened in another process (this process was forked from"
                right = all(text.startswith(due) for text in said)
                os._exit(0 if right and repository.called == [("_open",)] else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        owner.run(repository.close())


@pytest.mark.parametrize("name", REACHING)
@pytest.mark.parametrize("error", [EngineError("boom"), KeyError("boom")])
async def test_the_drivers_error_becomes_the_contracts_with_its_cause(
    name: str, error: Exception
) -> None:
    async with DictRepositoryWithLeases() as repository:
        repository.fail = error
        with pytest.raises(RepositoryError) as caught:
            await CALLS[name](repository)
        repository.fail = None
        assert type(caught.value) is RepositoryError
        assert caught.value.__cause__ is error
        assert (
            str(caught.value)
            == f"the DictRepositoryWithLeases failed: {type(error).__name__}: {error}"
        )
        await CALLS["save"](repository)


@pytest.mark.parametrize(
    "error",
    [
        JobNotFoundError("a"),  # a LookupError, as some of the driver's are
        UnknownSymbolError("a", "BTC"),
        LeaseLostError("a", "w"),
        RepositoryError("the store is damaged"),
        ZeroDivisionError("a bug of the adapter"),
    ],
)
@pytest.mark.parametrize("name", REACHING)
async def test_any_other_error_passes_as_it_is(name: str, error: Exception) -> None:
    async with DictRepositoryWithLeases() as repository:
        repository.fail = error
        with pytest.raises(type(error)) as caught:
            await CALLS[name](repository)
        repository.fail = None
        assert caught.value is error


class Silent(DictRepository):
    @override
    def _describe_store(self) -> str:
        return "the store of x"

    @override
    def _describe_error(self, error: Exception) -> str:
        return f"{super()._describe_error(error)} ({len(self.jobs)} jobs)"


async def test_an_adapter_words_its_messages() -> None:
    async with Silent() as repository:
        repository.fail = EngineError()  # without a text, as a time-out of asyncio is
        with pytest.raises(
            RepositoryError, match=r"^the store of x failed: EngineError \(0 jobs\)$"
        ):
            await repository.list_recent()
        repository.fail = None
    with pytest.raises(RepositoryClosedError, match=r"^the store of x is not open"):
        await repository.list_recent()


@pytest.mark.parametrize(
    "wrong", [EngineError, (asyncio.CancelledError,), (EngineError, BaseException), ("x",), None]
)
def test_driver_errors_that_would_hide_a_cancellation_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^Wrong\.driver_errors must be a tuple of subcl"):
        type("Wrong", (DictRepository,), {"driver_errors": wrong})


class Forgetful(DictRepository):
    """Has names of its own for what the base keeps, and does not ask the base to be built."""

    def __init__(self) -> None:
        self._calls = self._phase = self._closed = self._owner = self.jobs = {}
        self.called = []
        self.hold = self.fail = None
        self._changes = 0


async def test_the_base_needs_no_init_and_takes_no_name() -> None:
    async with Forgetful() as repository:
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")


async def test_a_repository_that_is_open_is_not_opened_again() -> None:
    async with DictRepository() as repository:
        with pytest.raises(RepositoryError, match=r"^the DictRepository is open already$"):
            await repository.__aenter__()
        await repository.save(example_job("a"))
    assert [name for name, *_ in repository.called] == ["_open", "_save", "_close"]
    await repository.close()
    assert len(repository.called) == 3
    async with repository:
        assert await repository.get_by_id("a") == example_job("a")


async def test_while_it_is_being_opened_it_is_neither_open_nor_closed_nor_opened_twice() -> None:
    repository = DictRepository()
    repository.hold = asyncio.Event()
    opening = asyncio.create_task(repository.__aenter__())
    await repository.held.wait()
    with pytest.raises(RepositoryClosedError):
        await repository.list_recent()
    with pytest.raises(RepositoryError, match="is being opened already"):
        await repository.__aenter__()
    with pytest.raises(RepositoryError, match="is being opened: close it when it is open"):
        await repository.close()
    repository.hold.set()
    await opening
    await repository.save(example_job("a"))
    await repository.close()
    assert [name for name, *_ in repository.called] == ["_open", "_save", "_close"]


@pytest.mark.parametrize("error", [EngineError("down"), RepositoryError("a newer layout")])
async def test_an_opening_that_fails_leaves_it_closed_and_can_be_repeated(error: Exception) -> None:
    class Failing(DictRepository):
        @override
        async def _open(self) -> None:
            await super()._open()
            if len(self.called) == 1:
                raise error

    repository = Failing()
    with pytest.raises(RepositoryError) as caught:
        await repository.__aenter__()
    assert error in (caught.value, caught.value.__cause__)
    assert repository.called == [("_open",), ("_close",)]
    with pytest.raises(RepositoryClosedError):
        await repository.list_recent()
    async with repository:
        await repository.save(example_job("a"))


async def test_the_error_of_an_opening_is_not_hidden_by_that_of_the_closing() -> None:
    repository = DictRepository()
    repository.fail = EngineError("down")
    with pytest.raises(RepositoryError, match="EngineError: down") as caught:
        await repository.__aenter__()
    assert caught.value.__notes__ == ["What was open could not be closed: EngineError"]
    repository.fail = None
    async with repository:
        pass


class SlowToClose(DictRepository):
    """Closes when it is told to, and says when it has."""

    def __init__(self) -> None:
        super().__init__()
        self.may_close = asyncio.Event()
        self.closing = asyncio.Event()
        self.closed = False
        self.times = 0

    @override
    async def _close(self) -> None:
        self.times += 1
        self.closing.set()
        await self.may_close.wait()
        self.closed = True


async def _cancelled(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("again", [False, True])
async def test_an_opening_that_is_cancelled_has_closed_what_it_opened(again: bool) -> None:
    repository = SlowToClose()
    repository.hold = asyncio.Event()
    opening = asyncio.create_task(repository.__aenter__())
    await repository.held.wait()
    opening.cancel()
    await repository.closing.wait()
    if again:
        opening.cancel()
    repository.may_close.set()
    await _cancelled(opening)
    assert repository.closed
    repository.hold = None
    async with repository:
        await repository.save(example_job("a"))


@pytest.mark.parametrize("again", [False, True])
async def test_a_closing_that_is_cancelled_has_closed_it(again: bool) -> None:
    repository = await SlowToClose().__aenter__()
    closing = asyncio.create_task(repository.close())
    await repository.closing.wait()
    closing.cancel()
    if again:
        await asyncio.sleep(0)  # so that the first is heard
        closing.cancel()
    with pytest.raises(RepositoryClosedError):
        await repository.list_recent()
    with pytest.raises(RepositoryError, match="is being closed already"):
        await repository.__aenter__()
    other = asyncio.create_task(repository.close())
    await asyncio.sleep(0)  # so that it begins
    repository.may_close.set()
    await _cancelled(closing)
    await other
    assert (repository.closed, repository.times) == (True, 1)
    async with repository:
        pass


async def test_closing_waits_for_the_calls_under_way_and_refuses_later_ones() -> None:
    repository = await DictRepository().__aenter__()
    repository.hold = asyncio.Event()
    calls = [asyncio.create_task(repository.save(example_job(name))) for name in "ab"]
    await repository.held.wait()
    closing = asyncio.create_task(repository.close())
    await asyncio.sleep(0)
    with pytest.raises(RepositoryClosedError):
        await repository.list_recent()
    calls[0].cancel()
    await _cancelled(calls[0])
    assert ("_close",) not in repository.called
    repository.hold.set()
    await asyncio.gather(calls[1], closing)
    assert list(repository.jobs) == ["b"]
    assert [name for name, *_ in repository.called] == ["_open", "_save", "_save", "_close"]


async def test_a_closing_that_fails_is_the_contracts_error_and_it_is_closed() -> None:
    repository = await DictRepository().__aenter__()
    repository.fail = EngineError("gone")
    with pytest.raises(RepositoryError, match="gone") as caught:
        await repository.close()
    assert type(caught.value.__cause__) is EngineError
    repository.fail = None
    await repository.close()
    with pytest.raises(RepositoryClosedError):
        await repository.list_recent()
    async with repository:
        pass


async def test_a_call_that_is_cancelled_is_cancelled_in_its_hook() -> None:
    async with DictRepository() as repository:
        repository.hold = asyncio.Event()
        call = asyncio.create_task(repository.save(example_job("a")))
        await repository.held.wait()
        call.cancel()
        await _cancelled(call)
        repository.hold = None
        assert await repository.list_recent() == []


class _Ended:
    def __init__(self, error: Exception | None = None) -> None:
        self.may_end, self.has_ended, self._error = asyncio.Event(), False, error

    async def work(self) -> str:
        await self.may_end.wait()
        self.has_ended = True
        if self._error is not None:
            raise self._error
        return "done"


async def test_work_runs_to_its_end_before_its_caller_hears_of_a_cancellation() -> None:
    for error in (None, EngineError("boom")):
        ended = _Ended(error)
        caller = asyncio.create_task(run_to_end(ended.work()))
        for _ in range(3):
            await asyncio.sleep(0)
            caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
        ended.may_end.set()
        with pytest.raises(asyncio.CancelledError) as caught:
            await caller
        assert ended.has_ended
        assert caught.value.__cause__ is error


async def test_work_that_nobody_cancels_gives_its_value_or_its_error() -> None:
    ended = _Ended()
    ended.may_end.set()
    assert await run_to_end(ended.work()) == "done"
    failing = _Ended(EngineError("boom"))
    failing.may_end.set()
    with pytest.raises(EngineError, match="boom"):
        await run_to_end(failing.work())


def test_it_has_what_lies_beyond_the_nine_exactly_where_it_derives_from_it() -> None:
    class Pages(DictRepository, CheckedPagesByKey):
        @override
        async def _list_after(
            self, status: JobStatus, after: tuple[datetime, str] | None, limit: int
        ) -> list[CollectionJob]:
            return []

    beyond = (RecordsCompletedSymbols, SavesMany, PagesByKey, AddsJobs, LeasesJobs)
    for kind, has in (
        (DictRepository, ()),
        (Pages, (PagesByKey,)),
        (DictRepositoryWithAll, beyond[:3]),
        (DictRepositoryWithLeases, beyond),
    ):
        repository = kind()
        assert isinstance(repository, CollectionJobRepository)
        assert isinstance(repository, ICollectionJobRepository)
        assert tuple(it for it in beyond if isinstance(repository, it)) == has


def _abstract() -> Generator[tuple[type[ABC], set[str]]]:
    seven = {"_save", "_get", "_delete", "_list_by_status", "_list_recent", "_update_status"}
    yield CheckedRepository, {*seven, "_add_failed_symbol"}
    yield type("Many", (DictRepository, CheckedSavesMany), {}), {"_save_many"}
    yield type("Turned", (CheckedSavesMany, DictRepository), {}), {"_save_many"}
    yield type("Adding", (DictRepository, CheckedAddsJobs), {}), {"_add_many"}
    leasing = {"_claim_next", "_claim", "_renew", "_get_lease", "_add_completed_symbol"}
    yield type("Leasing", (DictRepository, CheckedLeasesJobs), {}), leasing


def test_an_adapter_without_a_hook_cannot_be_built() -> None:
    for kind, hooks in _abstract():
        assert kind.__abstractmethods__ == hooks
        with pytest.raises(TypeError, match="abstract"):
            kind()


async def _unwritten(*_: object) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("hook", "methods"),
    [
        ("_save", "save is"),
        ("_get", "get_by_id and get_stats are"),
        ("_list_by_status", "list_by_status and get_running_jobs are"),
        ("_add_failed_symbol", "add_failed_symbol is"),
    ],
)
def test_a_hook_that_raises_not_implemented_error_is_a_method_that_is_not_written(
    hook: str, methods: str
) -> None:
    kind = type(
        "Unfinished",
        (DictRepository,),
        {hook: _unwritten, "driver_errors": (RuntimeError,)},  # NotImplementedError is one
    )
    report = verify(target_of(kind), profile="quick")
    (finding,) = report.findings
    assert finding.law == "ERROR-1"
    assert f"{methods} not written yet" in finding.message


class Fine(DictRepositoryWithAll):
    capabilities: ClassVar[frozenset[str]] = frozenset()


def test_a_short_adapter_keeps_every_law() -> None:
    report = verify(target_of(Fine), profile="quick")
    assert [str(finding) for finding in report.findings] == []
    assert report.verdict == "conforms"
    held = {law.id for law in report.laws if law.verdict == "holds"}
    assert {"INPUT-1", "ERROR-1", "CANCEL-1", "COMPLETED-1", "MANY-1", "KEY-1"} <= held


@pytest.mark.parametrize("name", ["DictRepositoryWithAll", "DictRepositoryWithLeases"])
def test_type_checkers_find_the_contracts_signatures_in_it(name: str) -> None:
    report = check_class(f"tests.dict_repository:{name}")
    assert report.conforms, report


async def test_stats_and_running_jobs_come_from_the_hooks_that_are_there() -> None:
    async with DictRepository() as repository:
        for name in "ba":
            await repository.save(example_job(name).start_running())
        assert [job.id for job in await repository.get_running_jobs()] == ["a", "b"]
        assert await repository.get_stats("a") == JobStats.from_job(example_job("a"))
        assert await repository.get_stats("c") is None
