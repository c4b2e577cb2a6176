"""open_repository: open the repository that a URL names, on any engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import cast

from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.urls import redacted, scheme_of_url, shown_url
from collection_jobs.validation import type_name

__all__ = [
    "ENTRY_POINT_GROUP",
    "Network",
    "Opener",
    "Scheme",
    "ScratchStores",
    "open_repository",
]

ENTRY_POINT_GROUP = "collection_jobs.repositories"
"""The group in which other packages add schemes. Each entry point is named as its scheme.

It loads a :class:`Scheme`, or just an opener: a function that takes the URL.
"""

_Opening = AbstractAsyncContextManager[CollectionJobRepository]
Opener = Callable[[str], _Opening]
"""Takes a URL and returns its repository, not open yet."""


@dataclass(frozen=True, slots=True)
class Network:
    """How the conformance kit puts its own proxy between a repository and its server.

    The kit uses it to test TIME-1: that no call waits for ever when the server does not answer.
    """

    host: str
    """The host of the server."""
    port: int
    """The TCP port of the server."""
    through: Callable[[str, str, int], str]
    """Takes the URL of a scratch store and the host and port of a proxy that forwards to the
    server; returns the URL of the same store through the proxy. The URL should set short time-outs,
    of a second or two, because the kit waits for them."""
    time_out: float
    """Seconds within which every call on a repository opened with such a URL ends, opening and
    closing included, as the adapter documents it."""


@dataclass(frozen=True, slots=True)
class ScratchStores:
    """How the conformance kit creates stores of its own next to the one that a URL names.

    Each store belongs to a directory, which the kit creates and removes. The same directory always
    means the same store, even in another process. Several stores are open at once.
    """

    url: Callable[[Path], str]
    """Takes a directory and returns the URL of its store; it must not be the user's own."""
    discard: Callable[[Sequence[Path]], Awaitable[None]] | None = None
    """Removes everything that the stores of these directories have left outside of them, which may
    be nothing; None if stores keep everything in their directory."""
    parent: Path | None = None
    """Where the kit creates the directories, for example on the disk of the user's store; None
    stands for the directory for temporary files."""
    network: Network | None = None
    """How to put a proxy between a repository and its server; None if there is no server, or no way
    to reach it through a proxy. TIME-1 is then not tested."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a URL scheme stands for."""

    open: Opener
    """Opens a URL. If it has a keyword argument ``create``, that says whether to create a store
    that does not exist."""
    scratch: Callable[[str], ScratchStores] | None = None
    """How the kit creates stores next to the one that a URL names, so that ``collection-jobs
    verify`` accepts URLs of this scheme; None if it cannot."""


def open_repository(
    url: str, *, create: bool = True
) -> AbstractAsyncContextManager[CollectionJobRepository]:
    """Open the repository that a URL names; leaving the ``async with`` block closes it.

    * ``memory:`` is a new repository in this process.
    * ``sqlite:///jobs.db`` is a file in the current directory and ``sqlite:////var/lib/jobs.db``
      one with an absolute path (SQLAlchemy's notation). ``?synchronous=NORMAL`` sets the
      durability.
    * ``postgresql://user:password@host:port/database?schema=name``, or ``postgres://``, is a schema
      of a PostgreSQL database; it needs ``pip install 'collection_jobs[postgres]'``.
    * Any other scheme comes from an installed package that adds it with the entry-point group
      ``collection_jobs.repositories``.

    Args:
        url: The URL.
        create: Whether to create a store that does not exist. With False, entering the block raises
            RepositoryError instead. The opener of another package gets ``create`` if it accepts it
            as a keyword; otherwise it opens as usual.

    Raises:
        ValueError: The URL has no scheme or an unknown one, or its engine cannot parse it.
        TypeError: The URL is no str.
        ModuleNotFoundError: The engine's driver is not installed.
    """
    opener = scheme_of(url).open
    url = str.__str__(url)
    return opener(url) if create else _without_creating(opener)(url)


def _without_creating(opener: Callable[..., _Opening]) -> Opener:
    """Tell the opener not to create a store, if it accepts that argument."""
    try:
        parameters = signature(opener).parameters
    except ValueError:  # a callable of C that does not say what it takes
        return opener
    return partial(opener, create=False) if "create" in parameters else opener


def scheme_name(url: str) -> str:
    """Return the scheme of a repository URL, and never the rest, which may hold a password."""
    if not issubclass(type(url), str):
        raise TypeError(f"a repository URL must be a str, not {type_name(url)}")
    scheme = scheme_of_url(str.__str__(url))
    if scheme is None:
        raise ValueError(
            "a repository URL begins with its scheme, as in memory: or sqlite:///jobs.db"
        )
    return scheme.lower()


def known_schemes() -> list[str]:
    """Return the schemes that can be opened, of this and of other packages, sorted."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def looks_like_url(word: str) -> bool:
    """Whether a word begins with a scheme that some installed package opens."""
    scheme = scheme_of_url(word)
    return scheme is not None and scheme.lower() in known_schemes()


def without_secrets(text: str, url: str) -> str:
    """Return a text about a URL, such as an error message, without the URL's secrets.

    The adapters of this package never show secrets; others may repeat the whole URL.
    """
    return text if scheme_name(url) in BUILT_IN else redacted(text, url)


def scheme_of(url: str) -> Scheme:
    """Return what the scheme of a repository URL stands for.

    Raises:
        ValueError: The URL has no scheme, or an unknown one.
    """
    name = scheme_name(url)
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        return built_in
    # Loaded only when asked for: it costs more than the rest of the package.
    from importlib.metadata import entry_points

    found = list(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if not found:
        raise ValueError(
            f"no installed package opens the scheme {name!r}; known are"
            f" {', '.join(known_schemes())}"
        )
    loaded: object = found[0].load()
    return loaded if isinstance(loaded, Scheme) else Scheme(cast("Opener", loaded))


def _open_memory(url: str) -> AbstractAsyncContextManager[CollectionJobRepository]:
    from collection_jobs.adapters.memory import InMemoryCollectionJobRepository

    if url.partition(":")[2]:
        raise ValueError(f"memory: takes nothing after it: {shown_url(url)!r}")
    return InMemoryCollectionJobRepository()


def _open_sqlite(
    url: str, *, create: bool = True
) -> AbstractAsyncContextManager[CollectionJobRepository]:
    from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository

    return SQLiteCollectionJobRepository.from_url(url, create=create)


def _scratch_sqlite(url: str) -> ScratchStores:
    from collection_jobs.adapters.sqlite.scratch import scratch_parent, sqlite_scratch_url

    return ScratchStores(
        lambda directory: sqlite_scratch_url(url, directory), None, scratch_parent(url)
    )


def _open_postgres(
    url: str, *, create: bool = True
) -> AbstractAsyncContextManager[CollectionJobRepository]:
    _demand_asyncpg()
    from collection_jobs.adapters.postgres import PostgresCollectionJobRepository

    return PostgresCollectionJobRepository.from_url(url, create=create)


def _scratch_postgres(url: str) -> ScratchStores:
    _demand_asyncpg()
    from collection_jobs.adapters.postgres.proxying import (
        PROXIED_TIME_OUT,
        proxied_url,
        server_address,
    )
    from collection_jobs.adapters.postgres.scratch import discard, postgres_scratch_url

    address = server_address(url)
    return ScratchStores(
        lambda directory: postgres_scratch_url(url, directory),
        lambda directories: discard(url, directories),
        network=None if address is None else Network(*address, proxied_url, PROXIED_TIME_OUT),
    )


def _demand_asyncpg() -> None:
    if find_spec("asyncpg") is None:
        raise ModuleNotFoundError(
            "PostgreSQL needs asyncpg: pip install 'collection_jobs[postgres]'", name="asyncpg"
        )


_POSTGRES = Scheme(_open_postgres, _scratch_postgres)

BUILT_IN: dict[str, Scheme] = {
    "memory": Scheme(_open_memory, lambda url: ScratchStores(lambda directory: url)),
    "sqlite": Scheme(_open_sqlite, _scratch_sqlite),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
}
"""The schemes of the adapters that ship with the package."""
