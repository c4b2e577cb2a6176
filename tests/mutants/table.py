"""The table into which the mutants of this package enter themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

S = TypeVar("S", bound=type[Any])


@dataclass(frozen=True)
class Bug:
    """One mutant.

    Attributes:
        store: It.
        check: The check that finds it.
        laws: The laws that this check must find broken.
        also: Laws that it may find broken as well, for timing decides what shows first.
    """

    store: type[Any]
    check: str
    laws: frozenset[str]
    also: frozenset[str]


BUGS: list[Bug] = []
ODD: list[type[Any]] = []


def breaks(check: str, *laws: str, also: tuple[str, ...] = ()) -> Callable[[S], S]:
    """Enter a mutant."""

    def enter(store: S) -> S:
        BUGS.append(Bug(store, check, frozenset(laws), frozenset(also)))
        return store

    return enter


def is_right(store: S) -> S:
    """Enter a store that does something unusual, and keeps every law."""
    ODD.append(store)
    return store
