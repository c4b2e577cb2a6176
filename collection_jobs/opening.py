"""open_repository: from a URL to an open repository, whatever engine is behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from collection_jobs.protocol import CollectionJobRepository

    _Opening = AbstractAsyncContextManager[CollectionJobRepository]
    _Opener = Callable[[str], _Opening]

__all__ = ["ENTRY_POINT_GROUP", "open_repository"]

ENTRY_POINT_GROUP = "collection_jobs.repositories"
"""Where other packages add schemes: each entry point is named as its scheme and loads an opener."""


def open_repository(
    url: str, *, create: bool = True
) -> AbstractAsyncContextManager[CollectionJobRepository]:
    """Open the repository that a URL names; leaving the ``async with`` block closes it.

    * ``memory:`` is a new repository in this process.
    * ``sqlite:///jobs.db`` is a file beside you and ``sqlite:////var/lib/jobs.db`` one by its
      absolute path (SQLAlchemy's spelling). ``?synchronous=NORMAL`` sets the durability.
    * Any other scheme is one that an installed package adds under the entry-point group
      ``collection_jobs.repositories``.

    Args:
        url: The URL.
        create: Whether a store is made where there is none. False is for those who only look: the
            block is then entered with a RepositoryError instead. The opener of another package is
            told so if it takes ``create`` as a keyword; otherwise it opens as it always does.

    Raises:
        ValueError: The URL has no scheme, an unknown one, or one that its engine cannot read.
    """
    opener = _opener(scheme_of(url))
    return opener(url) if create else _without_creating(opener)(url)


def _without_creating(opener: Callable[..., _Opening]) -> _Opener:
    """The opener, told not to make a store, if it can be told."""
    from inspect import signature

    try:
        parameters = signature(opener).parameters
    except ValueError:  # a callable of C that does not say what it takes
        return opener
    return partial(opener, create=False) if "create" in parameters else opener


def scheme_of(url: str) -> str:
    """The scheme of a repository URL; never shows the rest of it, which may hold a password."""
    scheme, colon, _ = url.partition(":")
    if not colon or not scheme:
        raise ValueError(
            "a repository URL begins with its scheme, as in memory: or sqlite:///jobs.db"
        )
    return scheme.lower()


def known_schemes() -> list[str]:
    """The schemes that can be opened here, sorted: our own, and those of other packages."""
    from importlib.metadata import entry_points

    return sorted({*_BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def _opener(scheme: str) -> _Opener:
    built_in = _BUILT_IN.get(scheme)
    if built_in is not None:
        return built_in
    # Loaded only when asked for: it costs more than the rest of the package.
    from importlib.metadata import entry_points

    found = list(entry_points(group=ENTRY_POINT_GROUP, name=scheme))
    if not found:
        raise ValueError(
            f"no installed package opens the scheme {scheme!r}; known are"
            f" {', '.join(known_schemes())}"
        )
    return cast("_Opener", found[0].load())


def _open_memory(url: str) -> AbstractAsyncContextManager[CollectionJobRepository]:
    from collection_jobs.adapters.memory import InMemoryCollectionJobRepository

    if url.partition(":")[2]:
        raise ValueError(f"memory: takes nothing behind it: {url!r}")
    return InMemoryCollectionJobRepository()


def _open_sqlite(
    url: str, *, create: bool = True
) -> AbstractAsyncContextManager[CollectionJobRepository]:
    from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository

    return SQLiteCollectionJobRepository.from_url(url, create=create)


_BUILT_IN: dict[str, _Opener] = {"memory": _open_memory, "sqlite": _open_sqlite}
