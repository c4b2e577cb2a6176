"""The runner of programs: steps, held jobs, time-outs, what errors hide, and what is recorded."""

from __future__ import annotations

import asyncio

import pytest

from collection_jobs import InMemoryCollectionJobRepository, RepositoryError
from collection_jobs.conformance.history.history import History, Recording
from collection_jobs.conformance.running.clients import Client, run_clients
from collection_jobs.conformance.running.deadline import with_deadline
from collection_jobs.conformance.running.runner import (
    ProgramRunner,
    invoke,
    keep,
    make,
    observe,
)
from collection_jobs.conformance.spec.calls import (
    Call,
    Change,
    Held,
    Kept,
    NoAnswer,
    Outcome,
    Step,
    example_job,
)

GET = Call("get_by_id", ("a",))


class Fails(InMemoryCollectionJobRepository):
    """Raises what it is given when a job is read."""

    def __init__(self, error: BaseException | None = None, cause: bool = False) -> None:
        super().__init__()
        self._error = error
        self._cause = cause
        self.called = asyncio.Event()

    async def get_by_id(self, job_id: str) -> None:
        self.called.set()
        if self._error is None:
            await asyncio.Event().wait()
        try:
            raise OSError("disk")
        except OSError as error:
            assert self._error is not None
            raise self._error from (error if self._cause else None)


def runner(history: History, repository: InMemoryCollectionJobRepository) -> ProgramRunner:
    return ProgramRunner("A", lambda call: make(call, repository), history)


async def test_a_step_saves_a_changed_copy_of_the_job_that_an_earlier_one_kept() -> None:
    history = History()
    async with InMemoryCollectionJobRepository() as repository:
        caller = runner(history, repository)
        changed = Held("job", (Change("replace", (), (("source", "kraken"),)),))
        assert await caller.run(
            (
                Step("save", (example_job("a"),)),
                Step("get_by_id", ("a",), keep="job"),
                Step("save", (changed,)),
                Step("get_by_id", ("a",), keep="again"),
            )
        )
    kept = {name: getattr(job, "source", None) for name, job in caller.held.items()}
    assert kept == {"job": "binance", "again": "kraken"}
    assert [event.call.method for event in history.events] == ["save", "get_by_id"] * 2


async def test_a_step_without_its_held_job_is_passed_over_and_the_next_one_made() -> None:
    history = History()
    async with InMemoryCollectionJobRepository() as repository:
        caller = runner(history, repository)
        assert await caller.step(Step("save", (Held("nobody"),))) is None
        assert await caller.run((Step("save", (Held("nobody"),)), Step("list_recent")))
    assert [event.call.method for event in history.events] == ["list_recent"]


async def test_a_call_that_nothing_makes_is_passed_over_and_not_recorded() -> None:
    history = History()
    caller = ProgramRunner("A", lambda call: None, history)
    assert await caller.run((Step("get_by_id", ("a",)),))
    assert history.events == []


async def test_after_a_call_without_an_answer_no_other_is_made() -> None:
    history = History()
    async with Fails() as repository:
        steps = (Step("get_by_id", ("a",)), Step("list_recent"))
        with with_deadline(0.01):
            assert not await runner(history, repository).run(steps)
    (event,) = history.events
    assert event.outcome is not None
    assert isinstance(event.outcome.error, NoAnswer)
    assert str(event.outcome.error) == "no answer within 0.01 s"


async def test_a_time_out_of_the_adapters_own_is_an_error_of_its_own() -> None:
    outcome = await make(GET, Fails(TimeoutError("the server's")))
    assert isinstance(outcome.error, TimeoutError)


async def test_a_cancellation_that_an_adapter_raises_by_itself_is_an_outcome() -> None:
    recording = Recording()
    async with Fails(asyncio.CancelledError()) as repository:
        clients = [Client("A", (Step("get_by_id", ("a",)), Step("list_recent")))]
        assert await run_clients(clients, [repository], recording)
    first, second = recording.events
    assert first.outcome is not None
    assert isinstance(first.outcome.error, asyncio.CancelledError)
    assert second.outcome is not None
    assert second.outcome.value == []


async def test_a_caller_that_is_cancelled_leaves_a_call_that_never_came_back() -> None:
    history = History()
    async with Fails() as repository:
        task = asyncio.create_task(runner(history, repository).ask(GET))
        await repository.called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (event,) = history.events
    assert event.outcome is None


@pytest.mark.parametrize(("cause", "hidden"), [(False, "OSError: disk"), (True, None)])
async def test_an_outcome_tells_which_error_a_repository_error_hides(
    cause: bool, hidden: str | None
) -> None:
    outcome = await observe(invoke(GET, Fails(RepositoryError("failed"), cause)))
    assert outcome.hidden == hidden


async def test_only_a_job_that_a_step_names_is_kept() -> None:
    held: dict[str, Kept] = {"job": example_job("a")}
    now = example_job().created_at
    assert not keep(held, Step("get_by_id", ("a",)), Outcome(now, now, example_job("b")))
    assert not keep(held, Step("get_by_id", ("a",), keep="job"), Outcome(now, now))
    assert held == {"job": example_job("a")}
