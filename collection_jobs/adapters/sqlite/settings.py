"""SQLiteSettings: what one repository is opened with, checked, and read from a URL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Self, cast
from urllib.parse import unquote

from collection_jobs.urls import option_pairs, shown_option, shown_url, shown_value
from collection_jobs.validation import shown, type_name

__all__ = ["SQLiteSettings", "Synchronous"]

Synchronous = Literal["FULL", "NORMAL"]

_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class SQLiteSettings:
    """What one repository is opened with.

    Attributes:
        path: The file, as the caller gave it.
        synchronous: SQLite's ``PRAGMA synchronous``.
        busy_timeout: Seconds to wait for another connection's lock.
        create: Whether to make the file and its schema where there is none.
    """

    path: str
    synchronous: Synchronous
    busy_timeout: float
    create: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        if not self.path or "\0" in self.path:
            raise ValueError(f"path must name a file: {shown(self.path)}")
        try:
            os.fsencode(self.path)
        except UnicodeEncodeError:
            raise ValueError(
                f"path must be one that the file system can encode: {shown(self.path)}"
            ) from None
        if self.path == ":memory:":
            raise ValueError(
                "path must name a file, not ':memory:'; for a repository in memory open memory:"
            )
        if self.synchronous not in ("FULL", "NORMAL"):
            raise ValueError(f"synchronous must be FULL or NORMAL: {shown(self.synchronous)}")
        if not 0 <= self.busy_timeout <= _LONGEST_WAIT:  # also false for NaN
            raise ValueError(
                f"busy_timeout must be 0 to {_LONGEST_WAIT:.0f} seconds: {shown(self.busy_timeout)}"
            )

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        synchronous: Synchronous,
        busy_timeout: float,
        create: bool = True,
    ) -> Self:
        """Return the settings as a caller without a type checker may give them."""
        text = path if issubclass(type(path), str) else _path_of(path)
        if not issubclass(type(text), str):
            raise TypeError(f"path must be a str or a path of str: {shown(path)}")
        if not issubclass(type(synchronous), str):
            raise TypeError(f"synchronous must be a str, FULL or NORMAL: {shown(synchronous)}")
        kind = type(busy_timeout)
        if not issubclass(kind, int | float) or kind is bool:
            raise TypeError(f"busy_timeout must be a number of seconds: {shown(busy_timeout)}")
        if type(create) is not bool:
            raise TypeError(f"create must be a bool, not {type_name(create)}: {shown(create)}")
        try:
            seconds = float(busy_timeout)
        except OverflowError:  # an int that no float holds
            seconds = float("inf")
        spelt = cast("Synchronous", str.__str__(synchronous))
        return cls(str.__str__(cast("str", text)), spelt, seconds, create)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read ``sqlite:///relative.db?synchronous=NORMAL`` or ``sqlite:////absolute.db``."""
        place, _, query = url.partition("?")
        scheme, _, rest = place.partition(":")
        if scheme.lower() != "sqlite" or not rest.startswith("///"):
            raise ValueError(
                "a SQLite URL reads sqlite:///relative.db or sqlite:////absolute/path.db: "
                f"{shown_url(url)!r}"
            )
        # Such a path would stand in every message, and what is mistyped here has a password.
        if shown_url(place) == f"{scheme}:***":
            raise ValueError(
                "a SQLite URL names a file, without a user, password or host; give a relative"
                " path with a ':' before an '@' as an absolute path: {shown_url(url)!r}"
            )
        options = _options(url, query)
        return cls.of(
            _decoded(url, rest.removeprefix("///")),
            cast("Synchronous", options.get("synchronous", "FULL")),
            _seconds(options.get("busy_timeout", "5.0")),
        )


def _path_of(path: object) -> object:
    try:
        return os.fspath(cast("os.PathLike[str]", path))
    except TypeError:
        return None  # no path at all


def _decoded(url: str, text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        pass  # raised below, where the text is not in the error's context
    raise ValueError(f"the path in a SQLite URL must be UTF-8: {shown_url(url)!r}")


def _options(url: str, query: str) -> dict[str, str]:
    pairs = option_pairs(query)
    if pairs is None:
        raise ValueError(f"the options in a SQLite URL read name=value: {shown_url(url)!r}")
    options = dict(pairs)
    for name in options.keys() - {"synchronous", "busy_timeout"}:
        raise ValueError(
            "a SQLite URL takes the options synchronous and busy_timeout, not"
            f" {shown_option(url, name)}: {shown_url(url)!r}"
        )
    if len(options) < len(pairs):
        raise ValueError(f"an option in a SQLite URL is given once: {shown_url(url)!r}")
    return options


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass  # raised below, where the text is not in the error's context
    raise ValueError(f"busy_timeout must be a number of seconds: {shown_value(text)}")
