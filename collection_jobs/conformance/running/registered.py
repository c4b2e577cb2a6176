"""registered: a repository whose calls are known to whoever watches over the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from collection_jobs.conformance.running.deadline import begin_call, end_call
from collection_jobs.conformance.spec.calls import Call
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["registered"]


class _Registered:
    """Passes every call on, and notes when it begins and when it ends."""

    def __init__(self, repository: CollectionJobRepository) -> None:
        self._repository = repository

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        call = partial(self._call, method, getattr(self._repository, method))
        vars(self)[method] = call  # found at once the next time
        return call

    async def _call(
        self,
        method: str,
        call: Callable[..., Awaitable[Any]],
        *arguments: object,
        **by_name: object,
    ) -> object:
        number = begin_call(Call(method, arguments))
        try:
            return await call(*arguments, **by_name)
        finally:
            end_call(number)


def registered(repository: CollectionJobRepository) -> CollectionJobRepository:
    """Return a repository for checks that call its methods themselves, by position.

    A call that does not return before the deadline then ends the check, as `runner.make` has it.
    """
    return cast("CollectionJobRepository", _Registered(repository))
