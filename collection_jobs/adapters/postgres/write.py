"""PostgresWrite: one write on its way, as a state machine.

======================  ===========================================  ===============================
state                   what is known                                may become
======================  ===========================================  ===============================
``WAITING``             it has surely not happened                   ``SENT``, ``ANSWERED``
``SENT``                it may have been sent, its caller waits      any other
``ABANDONED``           as ``SENT``; its caller was cancelled, and   ``ANSWERED``
                        waits for nothing but the end
``ANSWERED``            its caller knows what came of it             nothing
======================  ===========================================  ===============================

From ``SENT`` back to ``WAITING`` goes what was surely rolled back, and is to be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.requests import Request

__all__ = ["Again", "AnyWrite", "PostgresWrite", "Sharing", "WriteKind", "WriteState"]

RequestT = TypeVar("RequestT", bound=Request)
AnswerT = TypeVar("AnswerT")
_RequestT_contra = TypeVar("_RequestT_contra", bound=Request, contravariant=True)
_AnswerT_co = TypeVar("_AnswerT_co", covariant=True)


class WriteState(Enum):
    """How far a write has come."""

    WAITING = "waiting"
    SENT = "sent"
    ABANDONED = "abandoned"
    ANSWERED = "answered"


_NEXT: Mapping[WriteState, frozenset[WriteState]] = MappingProxyType(
    {
        WriteState.WAITING: frozenset({WriteState.SENT, WriteState.ANSWERED}),
        WriteState.SENT: frozenset({WriteState.WAITING, WriteState.ABANDONED, WriteState.ANSWERED}),
        WriteState.ABANDONED: frozenset({WriteState.ANSWERED}),
        WriteState.ANSWERED: frozenset(),
    }
)


class Again(Enum):
    """The answer of a kind of writes to a call that did nothing yet, and is to be made again."""

    AGAIN = "again"


class Sharing(Enum):
    """With what a write shares its statement."""

    SHARED = "shared"
    """With others of its kind."""
    ALONE = "alone"
    """With none: it never does, or it failed together with others."""
    LOCKED = "locked"
    """With none, and it waits until a statement may wait long: another transaction has its job."""


class WriteKind(Protocol[_RequestT_contra, _AnswerT_co]):
    """One kind of writes."""

    together: int
    """How many jobs in one statement are enough, counted for each call; 0: no two calls share."""

    def may_share(self, first: _RequestT_contra, later: _RequestT_contra) -> bool:
        """Say whether two calls on one job can share a statement: as if made one after another."""
        ...

    async def run(
        self, pooled: PooledConnection, requests: Sequence[_RequestT_contra]
    ) -> Sequence[_AnswerT_co | Exception | Again]:
        """Do them in one transaction.

        Returns:
            For each what its caller is told, an answer or an error; it has been committed. One that
            is to be made `Again` has surely not happened.
        """
        ...


class PostgresWrite(Generic[RequestT, AnswerT]):
    """One write on its way.

    Attributes:
        kind: How it is done.
        request: What it asks for.
        ids: The jobs that it is about.
        weight: How much it is to send.
        future: Whom to answer.
        deadline: When it is answered at the latest, by the event loop's clock.
        locks_until: How long it may wait for another transaction's lock; 0.0: it was not sent yet.
        sharing: With what it shares its statement.
        attempts: How often it was tried, and rolled back or not sent.
        state: How far it has come.
    """

    __slots__ = (
        *("attempts", "deadline", "future", "ids", "kind", "locks_until", "request", "sharing"),
        *("state", "weight"),
    )

    def __init__(
        self,
        kind: WriteKind[RequestT, AnswerT],
        request: RequestT,
        future: asyncio.Future[AnswerT],
        deadline: float,
    ) -> None:
        """Let it wait."""
        self.kind: WriteKind[RequestT, AnswerT] = kind
        self.request: RequestT = request
        self.ids: Sequence[str] = request.ids
        self.weight: int = request.weight
        self.future: asyncio.Future[AnswerT] = future
        self.deadline: float = deadline
        self.locks_until: float = 0.0
        self.sharing: Sharing = Sharing.SHARED if kind.together else Sharing.ALONE
        self.attempts: int = 0
        self.state: WriteState = WriteState.WAITING

    def __repr__(self) -> str:
        """Show the request and the state."""
        return f"<{self.request!r}, {self.state.value}>"

    @property
    def is_waiting(self) -> bool:
        """Whether it has surely not happened, and is to be sent."""
        return self.state is WriteState.WAITING

    @property
    def is_under_way(self) -> bool:
        """Whether it may have been sent, and nobody knows what came of it."""
        return self.state is WriteState.SENT or self.state is WriteState.ABANDONED

    @property
    def is_abandoned(self) -> bool:
        """Whether its caller was cancelled after it may have been sent."""
        return self.state is WriteState.ABANDONED

    def send(self) -> bool:
        """Begin; False where it must not, since its caller was cancelled while it waited."""
        if self.future.cancelled():
            return False
        self._become(WriteState.SENT)
        return True

    def abandon(self) -> asyncio.Future[AnswerT]:
        """Let its caller, who was cancelled, wait for the end; it is not repeated any more."""
        if self.state is not WriteState.ABANDONED:
            self._become(WriteState.ABANDONED)
        self.future = self.future.get_loop().create_future()
        return self.future

    def wait_again(self) -> None:
        """Let it be repeated: it was rolled back, or not sent."""
        self._become(WriteState.WAITING)

    def answer(self, answer: AnswerT | Exception) -> None:
        """Tell the caller what came of it."""
        self._become(WriteState.ANSWERED)
        if self.future.done():
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)

    def go_alone(self) -> None:
        """Let it share no statement any more."""
        if self.sharing is Sharing.SHARED:
            self.sharing = Sharing.ALONE

    def _become(self, state: WriteState) -> None:
        if state not in _NEXT[self.state]:
            raise RuntimeError(f"{self!r} cannot become {state.value}; this is a bug")
        self.state = state


AnyWrite = PostgresWrite[Any, Any]
"""A write of any kind: those that wait together are of several."""
