"""Targets: what the kit verifies, found by a URL or by the name of a factory."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast
from urllib.parse import quote

from collection_jobs.opening import (
    BUILT_IN,
    Network,
    Scheme,
    ScratchStores,
    scheme_name,
    scheme_of,
    without_secrets,
)
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.urls import scheme_of_url, shown_url
from collection_jobs.validation import shown

__all__ = [
    "Factory",
    "Proxied",
    "Target",
    "TargetError",
    "find_target",
    "said_of_target",
    "shown_target",
]

Factory = Callable[[Path], AbstractAsyncContextManager[CollectionJobRepository]]
"""Opens a store in a directory of its own; the same directory again opens the same store again."""


class TargetError(Exception):
    """The target cannot be verified; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """How to reach stores through a proxy.

    Attributes:
        server: The host and the port that the proxy has to forward to.
        factory: Opens the store in a directory, given the proxy's host and port.
        time_out: Seconds within which every call on a store opened this way ends.
    """

    server: tuple[str, int]
    factory: Callable[[Path, str, int], AbstractAsyncContextManager[CollectionJobRepository]]
    time_out: float


@dataclass(frozen=True, slots=True)
class Target:
    """A factory of stores to verify.

    Attributes:
        name: The name that the user gave it.
        factory: Opens a store in an empty directory.
        scratch: Where the kit must create the directories, on the disk of the user's store; None if
            any place will do.
        spec: The text from which `find_target` finds the same factory, also in another process;
            None if the target was created in code, and only this process can open its stores. It
            may contain a password.
        discard: Removes what the stores of some directories have left outside of them.
        proxied: How to reach these stores through a proxy; None if there is no known server.
    """

    name: str
    factory: Factory
    scratch: Path | None = None
    spec: str | None = field(default=None, repr=False)
    discard: Callable[[Sequence[Path]], Awaitable[None]] | None = None
    proxied: Proxied | None = None

    @property
    def module(self) -> str | None:
        """The module that the user named; None where it is a URL, or was created in code."""
        named = self.spec is not None and _names_factory(self.spec)
        return self.spec.partition(":")[0] if self.spec is not None and named else None

    def without_secrets(self, text: str) -> str:
        """Return a text from an adapter, without the secrets of the URL of its stores."""
        return text if self.spec is None else said_of_target(text, self.spec)


def find_target(text: str | None) -> Target:
    """Find the target that a user names.

    Args:
        text: A repository URL, or ``module:attribute`` where the attribute is a factory; None is an
            SQLite file in a temporary directory. The jobs at a URL are never touched: the kit
            creates new stores of the same engine next to it.

    Raises:
        TargetError: There is no such target.
    """
    if text is None:
        target = _url_target(f"sqlite:///{quote(gettempdir())}/jobs.db")
        return replace(target, name="sqlite, in a temporary directory", scratch=None)
    if _names_factory(text):
        module, _, attribute = text.partition(":")
        return _factory_target(text, module, attribute)
    return _url_target(text)


def shown_target(text: str) -> str:
    """Return the name of a target as it may be shown: a URL without its secrets."""
    return text if _names_factory(text) else shown_url(text)


def said_of_target(said: str, text: str) -> str:
    """Return a text about a target, such as a traceback, without the secrets of its URL."""
    by_url = not _names_factory(text) and scheme_of_url(text) is not None
    return without_secrets(said, text) if by_url else said


def _names_factory(text: str) -> bool:
    module, colon, attribute = text.partition(":")
    return (
        module not in BUILT_IN
        and bool(colon)
        and attribute.isidentifier()
        and all(map(str.isidentifier, module.split(".")))
    )


def _url_target(url: str) -> Target:
    shown_to_user = shown_url(url)
    try:
        scheme_name(url)
    except ValueError as error:
        raise TargetError(
            f"{shown_to_user!r} is not a target: {error}, or module:factory{_hint(url)}"
        ) from None
    try:
        scheme = scheme_of(url)
    except ValueError as error:
        raise TargetError(f"{error}; or name a factory, as in module:factory") from None
    if scheme.scratch is None:
        raise TargetError(
            f"the package that opens {shown_to_user!r} cannot create stores for the kit: name a"
            " factory, as in module:factory"
        )
    try:
        stores = scheme.scratch(url)
    except (ValueError, ImportError) as error:
        why = without_secrets(str(error), url)
        raise TargetError(f"{shown_to_user!r} is not a target: {why}") from None

    def factory(directory: Path) -> AbstractAsyncContextManager[CollectionJobRepository]:
        return scheme.open(stores.url(directory))

    proxied = None if stores.network is None else _proxied(scheme, stores, stores.network)
    return Target(shown_to_user, factory, stores.parent, url, stores.discard, proxied)


def _hint(text: str) -> str:
    """Return what somebody may have meant who named a module alone, or with a dot."""
    if not all(map(str.isidentifier, text.split("."))):
        return ""
    module, _, attribute = text.rpartition(".")
    if not module and find_spec(text) is None:
        return ""
    return f"; did you mean {f'{module}:{attribute}' if module else f'{text}:open_store'}?"


def _proxied(scheme: Scheme, stores: ScratchStores, network: Network) -> Proxied:
    def factory(
        directory: Path, host: str, port: int
    ) -> AbstractAsyncContextManager[CollectionJobRepository]:
        return scheme.open(network.through(stores.url(directory), host, port))

    return Proxied((network.host, network.port), factory, network.time_out)


def _factory_target(name: str, module_name: str, attribute: str) -> Target:
    here = str(Path.cwd())
    if here not in sys.path:
        # As python -m does: a command's users name modules that lie beside them.
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except (
        BaseException
    ) as error:  # whatever the user's module raises, it is why the kit cannot run
        said = f"{type(error).__name__}: {error}" if str(error) else repr(error)
        raise TargetError(f"cannot import {module_name!r}: {said}") from error
    factory = getattr(module, attribute, None)
    if factory is None:
        near = get_close_matches(attribute, dir(module), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TargetError(f"{module_name!r} has no attribute {attribute!r}{hint}")
    if not callable(factory):
        raise TargetError(
            f"{name!r} is {shown(factory)}, not a factory: a function that takes a directory and"
            " returns an async context manager"
        )
    if isinstance(factory, type) and hasattr(factory, "open_repository"):
        # A test class, such as one derived from RepositoryConformance.
        factory = cast("Any", factory)().open_repository
    opens = _factory_of(cast("Callable[..., Any]", factory), name)
    return Target(name, opens, spec=name, proxied=_proxied_by(factory, name))


def _factory_of(named: Callable[..., Any], name: str) -> Factory:
    """Return what opens a store in a directory: a function of it, or a class that is made with it.

    A class that takes nothing can have its store only in itself. A function that takes nothing is
    refused: it may open a store that somebody has, and not a new one.
    """
    try:
        parameters = signature(named).parameters.values()
    except (TypeError, ValueError):  # a callable of C that does not say what it takes
        return cast("Factory", named)
    by_position = [one for one in parameters if one.kind not in (one.KEYWORD_ONLY, one.VAR_KEYWORD)]
    needed = [one.name for one in parameters if _is_needed(one)]
    if not by_position and not needed and isinstance(named, type):
        return lambda directory: named()
    if by_position and len(needed) <= 1 and needed in ([], [by_position[0].name]):
        return cast("Factory", named)
    what = f"takes {', '.join(needed)}" if needed else "takes no directory"
    made = f"{name.partition(':')[2]}({', '.join(needed)})"
    raise TargetError(
        f"{name!r} {what}, and the kit has a directory for each store, nothing else: name a"
        f" function such as def open_store(directory): return {made}"
    )


def _is_needed(parameter: Parameter) -> bool:
    various = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not various


def _proxied_by(factory: object, name: str) -> Proxied | None:
    """Return what a factory says by a function ``proxied``, if it has one."""
    proxied: Any = getattr(factory, "proxied", None)
    if proxied is None:
        return None
    found = proxied() if callable(proxied) else proxied
    if not isinstance(found, Proxied):
        raise TargetError(f"{name}.proxied must be a function that gives a Proxied: {shown(found)}")
    return found
