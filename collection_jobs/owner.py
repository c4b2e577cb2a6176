"""Owner: the process, thread and event loop that opened a repository; every other is refused."""

from __future__ import annotations

import os
from asyncio import get_running_loop
from threading import get_ident

from collection_jobs.errors import RepositoryError

__all__ = ["Owner"]


class Owner:
    """The owner of a repository whose connections cannot be handed on to another process.

    A forked child inherits the connections' sockets, locks and memory, and another thread or event
    loop would use them at the same time as their owner. Each has to open a repository of its own.
    """

    __slots__ = ("_fork", "_loop", "_store", "_thread")

    def __init__(self, store: str) -> None:
        """Remember who is calling, within a running event loop.

        Args:
            store: The store's name in messages, without secrets.
        """
        self._store = store
        self._fork = _Forks.count
        self._thread = get_ident()
        self._loop = get_running_loop()

    @property
    def is_this_process(self) -> bool:
        """Whether this is the process that opened the repository, not a fork of it."""
        return _Forks.count == self._fork

    def check(self) -> None:
        """Refuse a caller in another process, thread or event loop.

        Raises:
            RepositoryError: The caller is not the owner; nothing was touched.
        """
        if _Forks.count != self._fork:
            raise self._refusal("process", "this process was forked from it")
        if get_ident() != self._thread:
            raise self._refusal("thread")
        try:
            loop = get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._loop:
            raise self._refusal("event loop")

    def _refusal(self, other: str, why: str = "") -> RepositoryError:
        because = f" ({why})" if why else ""
        return RepositoryError(
            f"the repository was opened in another {other}{because}; open one here: {self._store}"
        )


class _Forks:
    """How many forks lie between the first process and this one: os.getpid() is a system call."""

    count = 0

    @classmethod
    def add(cls) -> None:
        cls.count += 1


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_Forks.add)
