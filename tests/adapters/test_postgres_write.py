"""The states of one write, and which may follow which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import DeleteJob
from collection_jobs.adapters.postgres.write import PostgresWrite, Sharing, WriteState

Write = PostgresWrite[DeleteJob, bool]


class Kind:
    """A kind of writes that is never done."""

    def __init__(self, together: int = 100) -> None:
        self.together = together

    def may_share(self, first: DeleteJob, later: DeleteJob) -> bool:
        raise NotImplementedError

    async def run(self, pooled: PooledConnection, requests: Sequence[DeleteJob]) -> list[bool]:
        raise NotImplementedError


def a_write(*steps: Callable[[Write], object], together: int = 100) -> Write:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    write = PostgresWrite(Kind(together), DeleteJob("a"), future, 0.0)
    for step in steps:
        step(write)
    return write


WAYS: dict[WriteState, tuple[Callable[[Write], object], ...]] = {
    WriteState.WAITING: (),
    WriteState.SENT: (Write.send,),
    WriteState.ABANDONED: (Write.send, Write.abandon),
    WriteState.ANSWERED: (Write.send, lambda write: write.answer(True)),
}
"""How a write comes to each state."""
STEPS: dict[str, tuple[Callable[[Write], object], set[WriteState]]] = {
    "send": (Write.send, {WriteState.WAITING}),
    "wait again": (Write.wait_again, {WriteState.SENT}),
    "abandon": (Write.abandon, {WriteState.SENT, WriteState.ABANDONED}),
    "answer": (
        lambda write: write.answer(False),
        {WriteState.WAITING, WriteState.SENT, WriteState.ABANDONED},
    ),
}
"""What can be done to a write, and in which states."""


@pytest.mark.parametrize("state", WriteState)
@pytest.mark.parametrize("name", STEPS)
async def test_each_step_is_made_in_its_states_only(state: WriteState, name: str) -> None:
    write = a_write(*WAYS[state])
    assert write.state is state
    step, states = STEPS[name]
    if state in states:
        step(write)
    else:
        with pytest.raises(RuntimeError, match="this is a bug"):
            step(write)
        assert write.state is state


async def test_a_cancelled_one_is_not_sent() -> None:
    write = a_write()
    write.future.cancel()
    assert not write.send()
    assert write.state is WriteState.WAITING


async def test_an_abandoned_one_answers_whoever_waits_for_its_end() -> None:
    write = a_write(Write.send)
    write.future.cancel()
    first = write.abandon()
    first.cancel()
    second = write.abandon()
    write.answer(True)
    assert await second


async def test_one_that_never_shares_is_alone_and_a_locked_one_stays_locked() -> None:
    assert a_write(together=0).sharing is Sharing.ALONE
    write = a_write()
    write.sharing = Sharing.LOCKED
    write.go_alone()
    assert write.sharing is Sharing.LOCKED
