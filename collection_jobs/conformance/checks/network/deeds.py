"""Deeds: what a caller is about when the network fails, and how it fares until it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import TypeVar

from collection_jobs.conformance.history.history import Recording
from collection_jobs.conformance.running.runner import invoke, observe
from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.findings import Violation
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import CollectionJobError, RepositoryError
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["CLOSING", "CROWD", "OPENING", "Caller", "Deed", "calls_of", "deeds"]

_T = TypeVar("_T")
_LAW = "TIME-1"

OPENING, CLOSING = "opening the store", "closing the store"
_ALL = 1_000_000
CROWD = 8
"""Calls that are under way on a crowded handle."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to be about.

    Attributes:
        name: What it is, in a few words; the job that it is about is called so, too.
        step: The call; None: the opening or the closing.
        cancelled: Whether it is cancelled soon after it began.
        crowded: Whether other calls on the same handle are under way when it begins.
    """

    name: str
    step: Step | None
    cancelled: bool = False
    crowded: bool = False

    @property
    def what(self) -> str:
        """The opening, the closing, or the call as Python."""
        if self.step is not None:
            return str(self.step)
        return OPENING if self.name.startswith(OPENING) else CLOSING


def deeds(capabilities: frozenset[str], *, cancelled: bool) -> Iterator[Deed]:
    """Every call, the opening and the closing.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
        cancelled: Whether each of them is cancelled.
    """
    suffix = ", cancelled" if cancelled else ""
    for method in calls_of("any", capabilities):
        name = f"{method}{suffix}"
        yield Deed(name, calls_of(name, capabilities)[method], cancelled)
    for method in ("get_by_id", "save"):
        name = f"{method} behind others{suffix}"
        yield Deed(name, calls_of(name, capabilities)[method], cancelled, crowded=True)
    for name in (OPENING, CLOSING):
        yield Deed(f"{name}{suffix}", None, cancelled)


def calls_of(job_id: str, capabilities: frozenset[str]) -> dict[str, Step]:
    """Return a call of each method about a job, and about others where it lists some."""
    saved = example_job(job_id, source="kraken")
    return {
        one.name: one.step(job_id, job=saved, jobs=(saved,), limit=_ALL)
        for one in operations(capabilities)
    }


def _afterwards(job_id: str) -> Program:
    """Return what is asked when the network is back: late answers to former calls would show."""
    return (
        Step("get_stats", (job_id,)),
        Step("get_by_id", (job_id,)),
        Step("add_failed_symbol", (job_id, "ETH", "afterwards")),
        Step("get_by_id", (job_id,)),
    )


class Caller:
    """Opens the store through the proxy, is about one deed when it fails, and goes on.

    Attributes:
        deed: What it is about.
        violation: What went wrong; None: nothing so far.
        ready: Done when only the failure is waited for; the error where the store does not open.
        done: Set when the deed is done, or has taken too long.
        at_rest: Set when all is done, or something has taken too long.
        failed: To be set when the network has failed.
        back: To be set when it is back.
    """

    def __init__(
        self,
        deed: Deed,
        opening: AbstractAsyncContextManager[CollectionJobRepository],
        recording: Recording,
        limit: float,
        few: asyncio.Semaphore,
    ) -> None:
        """Prepare; `live` does it all.

        Args:
            deed: What to be about.
            opening: The store, not open yet.
            recording: Told of every call.
            limit: Seconds that anything may take; what is cancelled is so after a tenth of them.
            few: Held by those who open the store while all is well: a server takes its time.
        """
        loop = asyncio.get_running_loop()
        self.deed = deed
        self.violation: Violation | None = None
        self.ready: asyncio.Future[Exception | None] = loop.create_future()
        self.done: asyncio.Event = asyncio.Event()
        self.at_rest: asyncio.Event = asyncio.Event()
        self.failed: asyncio.Event = asyncio.Event()
        self.back: asyncio.Event = asyncio.Event()
        self._opening = opening
        self._recording = recording
        self._limit = limit
        self._few = few
        self._late = f"had not ended after {limit:g} s"
        self._after = ""

    async def live(self) -> None:
        """Do everything, one thing after another."""
        try:
            if self.deed.what == OPENING:
                self.ready.set_result(None)
                await self.failed.wait()
                repository = await self._timed(OPENING, self._opening.__aenter__())
            else:
                repository = await self._opened()
            if repository is not None:
                await self._go_on(repository)
        finally:
            self._rest()

    async def _opened(self) -> CollectionJobRepository | None:
        """Open the store while all is well, and wait until it is not."""
        try:
            async with self._few:
                repository = await self._opening.__aenter__()
                await repository.get_by_id(self.deed.name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store does not open so
            self.ready.set_result(error)
            return None
        self.ready.set_result(None)
        await self.failed.wait()
        return repository

    async def _go_on(self, repository: CollectionJobRepository) -> None:
        crowd = [
            asyncio.create_task(_forgotten(repository, self.deed.name))
            for _ in range(CROWD if self.deed.crowded else 0)
        ]
        await asyncio.sleep(0)  # each of them has begun
        if self.deed.step is not None:
            await self._call(self.deed.step, repository)
        for one in crowd:
            one.cancel()
        if self.deed.what != CLOSING:
            self.done.set()
            await self.back.wait()
            self._after = "after the network had come back, "
            for step in _afterwards(self.deed.name):
                await self._call(step, repository)
        await self._timed(CLOSING, self._opening.__aexit__(None, None, None))

    async def _call(self, step: Step, repository: CollectionJobRepository) -> None:
        """Make a call. One that raised a RepositoryError, or was cancelled, may have happened."""
        call = step.call({})
        assert call is not None  # noqa: S101 - it holds no job; this tells the type checker
        number = self._recording.begin(self.deed.name, call)
        outcome = await self._timed(str(call), observe(invoke(call, repository)))
        if outcome is None or isinstance(outcome.error, RepositoryError):
            return
        if isinstance(outcome.error, CollectionJobError | None):
            self._recording.end(number, outcome)
        else:
            self._raised(str(call), outcome.error)

    async def _timed(self, what: str, work: Awaitable[_T]) -> _T | None:
        """Do something within the limit; None where it ended without a result, as it may."""
        loop, task, cancelled = asyncio.get_running_loop(), asyncio.current_task(), False

        def cancel() -> None:
            nonlocal cancelled
            cancelled = task is not None and task.cancel()

        timers = [loop.call_later(self._limit, self._violates, f"{what} {self._late}")]
        if self.deed.cancelled and not self.back.is_set():
            timers.append(loop.call_later(self._limit / 10, cancel))
        try:
            return await work
        except asyncio.CancelledError:
            if not cancelled:
                raise
        except RepositoryError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is judged here
            self._raised(what, error)
        finally:
            for timer in timers:
                timer.cancel()
            if cancelled and task is not None:
                task.uncancel()
        return None

    def _raised(self, what: str, error: BaseException) -> None:
        self._violates(f"{what} raised {type(error).__name__}: {error}")

    def _violates(self, text: str) -> None:
        self.violation = self.violation or Violation(_LAW, f"{self._after}{text}")
        self._rest()

    def _rest(self) -> None:
        self.done.set()
        self.at_rest.set()
        if not self.ready.done():
            self.ready.set_result(None)


async def _forgotten(repository: CollectionJobRepository, job_id: str) -> None:
    """Make a call of another caller, of which nothing is asked."""
    with suppress(Exception):
        await repository.get_stats(job_id)
