"""Causes: whether a RepositoryError carries the engine's error that it stands for (ERROR-1).

Python remembers which error was being handled when another was raised, also behind ``from None``.
Where a RepositoryError was raised like that and the other is not its cause, a caller who reads
``__cause__`` finds nothing. One that was raised while nothing was handled says nothing: an adapter
may have found by itself that a store is damaged, and then there is no driver's error.
"""

from __future__ import annotations

from asyncio import CancelledError

from collection_jobs.errors import CollectionJobError, RepositoryClosedError, RepositoryError

__all__ = ["hidden_cause"]


def hidden_cause(error: BaseException | None) -> str | None:
    """The engine's error that a RepositoryError hides, as text; None where it hides none."""
    if not isinstance(error, RepositoryError) or isinstance(error, RepositoryClosedError):
        return None
    handled = error.__context__
    if error.__cause__ is not None or handled is None:
        return None
    if isinstance(handled, CollectionJobError | CancelledError):
        return None
    return f"{type(handled).__name__}: {handled}"
