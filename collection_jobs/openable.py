"""Openable: opening, closing, and the checks of each call, for CheckedRepository."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from enum import Enum
from types import TracebackType
from typing import ClassVar, Self, TypeVar

from collection_jobs.errors import CollectionJobError, RepositoryClosedError, RepositoryError
from collection_jobs.owner import Owner
from collection_jobs.validation import shown

__all__ = ["Openable", "run_to_end"]

_T = TypeVar("_T")


async def run_to_end(work: Awaitable[_T]) -> _T:
    """Wait until some work has ended, even if the caller is cancelled meanwhile.

    Use it for work that must not stop half-way, such as a transaction that would keep its locks, or
    a function that runs in a thread. The work itself is never cancelled.

    Args:
        work: A coroutine, which runs in a task of its own, or a future.

    Returns:
        What the work returns.

    Raises:
        asyncio.CancelledError: The caller was cancelled. The work has ended; if it raised, that
            error is the ``__cause__``.
    """
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None or future.cancelled():
        return future.result()
    raise cancelled from future.exception()


class Openable:
    """Opening, closing, and the checks that every call in between has to pass.

    A class that derives from this one need not call ``super().__init__()``.
    """

    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions that the engine's driver raises. If a hook raises one of these, the caller
    gets a ``RepositoryError`` with the driver's error as its ``__cause__``; the contract's own
    errors, ``NotImplementedError`` and all others propagate unchanged."""

    __calls: _Calls | None = None

    def __init_subclass__(cls) -> None:
        """Refuse driver errors that would hide a cancellation, or that are not exception types."""
        super().__init_subclass__()
        errors: object = cls.driver_errors
        if not isinstance(errors, tuple) or not all(
            isinstance(kind, type) and issubclass(kind, Exception) for kind in errors
        ):
            raise TypeError(
                f"{cls.__name__}.driver_errors must be a tuple of subclasses of Exception, not"
                f" {shown(errors)}"
            )

    async def __aenter__(self) -> Self:
        """Open the store.

        If this fails or is cancelled, everything that was opened is closed before it raises, and
        opening can be tried again.

        Raises:
            RepositoryError: The store is already open, or is being opened or closed; or the engine
                failed.
        """
        if self.__calls is not None:
            self.__calls.owner.check()
            raise RepositoryError(f"{self._describe_store()} is {self.__calls.phase.value} already")
        self.__calls = calls = _Calls(Owner(self._describe_store()), self.__translated)
        try:
            with calls:
                await self._open()
        except BaseException as error:
            try:
                await run_to_end(self._close())
            except Exception as second:  # noqa: BLE001 - the first error is why it is not open
                error.add_note(f"What was open could not be closed: {type(second).__name__}")
            finally:
                self.__calls = None
            raise
        calls.phase = _Phase.OPEN
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store, as `close` does."""
        await self.close()

    async def close(self) -> None:
        """Close the store once the calls in progress have ended; closing it again does nothing.

        Later calls raise ``RepositoryClosedError``. A cancelled call still closes the store before
        it raises. The store can be opened again.

        Raises:
            RepositoryError: The caller is in another process, thread or event loop than the one
                that opened the store, or the store is still being opened, and nothing was done; or
                the engine failed, and the store is closed.
        """
        calls = self.__calls
        if calls is None:
            return
        calls.owner.check()
        if calls.phase is _Phase.OPENING:
            raise RepositoryError(
                f"{self._describe_store()} is being opened: close it when it is open"
            )
        if calls.closing is None:
            calls.phase = _Phase.CLOSING
            calls.closing = asyncio.ensure_future(self.__end(calls))
        await run_to_end(calls.closing)

    async def __end(self, calls: _Calls) -> None:
        await calls.all_ended()
        try:
            with calls:
                await self._close()
        finally:
            self.__calls = None

    async def _open(self) -> None:
        """Open what the calls need. Does nothing unless it is overridden.

        If it raises or is cancelled, ``_close`` is called.
        """

    async def _close(self) -> None:
        """Close what ``_open`` has opened, even if it failed half-way.

        Does nothing unless it is overridden. No call is in progress meanwhile. It is not cancelled
        when its caller is, so it must end within a bounded time.
        """

    def _describe_store(self) -> str:
        """Name the store in messages, without secrets; by default, the name of the class."""
        return f"the {type(self).__name__}"

    def _describe_error(self, error: Exception) -> str:
        """Return the message of the RepositoryError that replaces a driver's error."""
        return f"{self._describe_store()} failed: {type(error).__name__}: {error}".rstrip(": ")

    def _call(self) -> AbstractContextManager[None]:
        """Admit one call: a context manager around a method's use of the engine.

        The nine methods use it already. Any other method of an adapter should start with ``with
        self._call():`` once it has checked its arguments.

        Raises:
            RepositoryClosedError: The store is not open.
            RepositoryError: The caller is in another process, thread or event loop than the one
                that opened the store.
        """
        calls = self.__calls
        if calls is None or calls.phase is not _Phase.OPEN:
            raise RepositoryClosedError(
                f"{self._describe_store()} is not open: use it within async with"
            )
        calls.owner.check()
        return calls

    def __translated(self, error: BaseException) -> RepositoryError | None:
        """Translate a driver's error to the contract's; return None for one that propagates."""
        if isinstance(error, (CollectionJobError, NotImplementedError)):
            return None  # also where driver_errors has LookupError, ValueError or RuntimeError
        if isinstance(error, self.driver_errors):
            return RepositoryError(self._describe_error(error))
        return None


class _Phase(Enum):
    OPENING = "being opened"
    OPEN = "open"
    CLOSING = "being closed"


class _Calls:
    """The calls of an open store: within this context each is counted, and its errors translated.

    One serves all calls, for a context manager made for each would cost as much again as all else.
    """

    __slots__ = ("_ended", "_translated", "_under_way", "closing", "owner", "phase")

    def __init__(
        self, owner: Owner, translated: Callable[[BaseException], RepositoryError | None]
    ) -> None:
        self.owner = owner
        self.phase = _Phase.OPENING
        self.closing: asyncio.Future[None] | None = None
        self._translated = translated
        self._under_way = 0
        self._ended: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._under_way += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._under_way -= 1
        if self._ended is not None and not self._under_way:
            self._ended.set()
        if error is not None:
            translated = self._translated(error)
            if translated is not None:
                raise translated from error

    async def all_ended(self) -> None:
        """Wait until no call is under way; new ones are not admitted by then."""
        if self._under_way:
            self._ended = asyncio.Event()
            await self._ended.wait()
