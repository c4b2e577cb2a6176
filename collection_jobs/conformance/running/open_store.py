"""OpenStore: a repository and its event loop, for callers that are not coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any, Generic, Self

from typing_extensions import TypeVar

from collection_jobs.conformance.running.deadline import (
    CLOSING_STORE,
    OPENING_STORE,
    begin_call,
    deadline,
    end_call,
)
from collection_jobs.conformance.running.early_endings import Escaped, Overdue
from collection_jobs.conformance.running.patience import Timeout, wait_for_tasks
from collection_jobs.conformance.running.places import where_raised
from collection_jobs.conformance.spec.calls import NoAnswer
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["OpenStore", "Pulse", "open_with_timeout"]

_T = TypeVar("_T")
_BEAT = 0.1
_Opened = TypeVar("_Opened")
_R = TypeVar("_R", default=CollectionJobRepository)


@asynccontextmanager
async def open_with_timeout(
    opening: AbstractAsyncContextManager[_Opened], seconds: float | None = None
) -> AsyncGenerator[_Opened]:
    """Open a repository and close it again, each with a time-out.

    All in the caller's task, for an adapter may hold a task group open in between. What goes wrong
    within the block is told rather than what the closing makes of it.

    Args:
        opening: The repository, not open yet.
        seconds: How many seconds each may take; None: the deadline.

    Raises:
        NoAnswer: It took longer.
    """
    limit = deadline() if seconds is None else seconds
    repository = await _answered(opening.__aenter__(), OPENING_STORE, limit)
    try:
        yield repository
    except BaseException as error:
        with suppress(Exception):
            leaving = opening.__aexit__(type(error), error, error.__traceback__)
            await _answered(leaving, CLOSING_STORE, limit)
        raise
    await _answered(opening.__aexit__(None, None, None), CLOSING_STORE, limit)


async def _answered(work: Awaitable[_T], what: str, seconds: float) -> _T:
    number = begin_call(what)
    timer = Timeout(seconds)
    try:
        return await work
    except (asyncio.CancelledError, Exception) as error:
        by_the_timer = not isinstance(error, asyncio.CancelledError) or timer.ended_it()
        if not (timer.is_over and by_the_timer):
            raise
        silent = NoAnswer(f"{what} gave no answer within {seconds:g} s")
        silent.what, silent.place = what, where_raised(error)
        raise silent from None
    finally:
        timer.stop()
        end_call(number)


class Pulse:
    """Beats while event loops run; where a call blocks the one that runs, it stands still."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.beats: int = 0

    def beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat, and go on doing so while this loop runs."""
        self.beats += 1
        loop.call_later(_BEAT, self.beat, loop)


class OpenStore(Generic[_R]):
    """An open repository, or several on one store, and its event loop.

    One task opens the repository, makes every call and closes it: an adapter may hold a task group
    or a cancel scope open between entering and leaving, and those belong to one task.
    """

    def __init__(
        self,
        opening: AbstractAsyncContextManager[_R],
        *directories: Path,
        pulse: Pulse | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        """Open the repository.

        Args:
            opening: The repository, not open yet.
            *directories: What to remove when it is closed.
            pulse: Beats while the event loop runs.
            loop_factory: Makes the event loop, where it is not asyncio's own.
        """
        self._directories = directories
        self._stopped = False
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._loop = self._runner.get_loop()
        self._work: asyncio.Queue[tuple[Coroutine[Any, Any, Any], asyncio.Future[Any]] | None]
        self._work = asyncio.Queue()
        if pulse is not None:
            pulse.beat(self._loop)
        opened = self._loop.create_future()
        self._task = self._loop.create_task(self._serve(opening, opened))
        try:
            self.repository: _R = self._loop.run_until_complete(opened)
        except BaseException:
            self._runner.close()
            raise

    async def _serve(
        self,
        opening: AbstractAsyncContextManager[_R],
        opened: asyncio.Future[_R],
    ) -> None:
        try:
            async with opening as repository:
                opened.set_result(repository)
                while (work := await self._work.get()) is not None:
                    coroutine, answer = work
                    try:
                        answer.set_result(await coroutine)
                    except (SystemExit, KeyboardInterrupt) as error:
                        # asyncio would not stop the loop for a future that holds one of these.
                        answer.set_exception(Escaped(error))
                    except (Exception, Overdue) as error:  # noqa: BLE001 - it is the caller's, who waits
                        answer.set_exception(error)
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end in the repository's task, and give its result."""
        answer: asyncio.Future[_T] = self._loop.create_future()
        self._work.put_nowait((coroutine, answer))
        try:
            return self._loop.run_until_complete(answer)
        finally:
            # Where SystemExit out of a callback has stopped the loop, the call is still under way.
            self._stopped = not answer.done()

    def close(self) -> None:
        """Close the repository, then the loop."""
        try:
            if not self._stopped:
                self._work.put_nowait(None)
                self._loop.run_until_complete(self._task)
        finally:
            self._end()
            for directory in self._directories:
                rmtree(directory, ignore_errors=True)

    def _end(self) -> None:
        """Close the loop; what cannot be cancelled on it is left behind, and not waited for."""
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        late = self._loop.run_until_complete(wait_for_tasks(left, deadline()))
        if late:
            self._loop.set_exception_handler(lambda loop, context: None)
            self._loop.close()
        else:
            self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What went wrong within the block is told rather than what the closing makes of it.
        with suppress(*(() if exc is None else (Exception, Overdue))):
            self.close()
