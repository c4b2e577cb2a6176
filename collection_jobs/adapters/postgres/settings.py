"""PostgresSettings: what one repository is opened with, checked, and read from a URL."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Self, TypeVar
from urllib.parse import unquote, urlencode

from collection_jobs.adapters.postgres.identifiers import LONGEST_NAME
from collection_jobs.urls import option_pairs, shown_option, shown_url, shown_value
from collection_jobs.validation import shown

__all__ = ["DEFAULT_SCHEMA", "PostgresSettings"]

_N = TypeVar("_N", int, float)

DEFAULT_SCHEMA = "collection_jobs"
_APPLICATION = "collection_jobs"

_SCHEMES = ("postgresql", "postgres")
_MOST = 1_000  # connections, or prepared statements
_LONGEST_WAIT = 86_400.0

_OPTIONS = (
    *("schema", "connections", "connect_timeout", "command_timeout", "lock_timeout"),
    "statement_cache",
)
# What asyncpg reads from a URL by itself, as libpq does.
_DRIVER_OPTIONS = (
    *("host", "port", "user", "password", "dbname", "passfile", "target_session_attrs"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
    "application_name",
)


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """What one repository is opened with.

    Attributes:
        dsn: The server and the database, as asyncpg reads it; it may hold a password.
        schema: The schema that the tables are in.
        connections: The most connections that are held.
        connect_timeout: Seconds to wait for a connection.
        command_timeout: Seconds in which every call ends.
        lock_timeout: Seconds to wait for another transaction's lock.
        statement_cache: The most statements that a connection holds prepared; 0: none, and nothing
            else that outlives a transaction.
        create: Whether to make the tables where there are none.
    """

    dsn: str = field(repr=False)
    schema: str = DEFAULT_SCHEMA
    connections: int = 4
    connect_timeout: float = 10.0
    command_timeout: float = 30.0
    lock_timeout: float = 5.0
    statement_cache: int = 100
    create: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        put = object.__setattr__  # the one way to set a field of a frozen instance
        put(self, "dsn", _checked_dsn(self.dsn))
        put(self, "schema", _checked_schema(self.schema))
        put(self, "connections", _checked_int("connections", self.connections, 1))
        put(self, "statement_cache", _checked_int("statement_cache", self.statement_cache, 0))
        for name in ("connect_timeout", "command_timeout", "lock_timeout"):
            put(self, name, _checked_seconds(name, getattr(self, name)))
        if not isinstance(self.create, bool):
            raise TypeError(f"create must be a bool: {shown(self.create)}")

    @property
    def name(self) -> str:
        """What messages call the store: its URL without the password, and the schema."""
        return f"{shown_url(self.dsn)!r}, schema {self.schema!r}"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read ``postgresql://user:password@host:port/database?schema=name``."""
        place, options = _split(url)
        driver = {name: value for name, value in options.items() if name not in _OPTIONS}
        dsn = f"{place}?{urlencode(driver)}" if driver else place
        return cls(
            dsn,
            options.get("schema", DEFAULT_SCHEMA),
            _number("connections", options.get("connections", "4"), int),
            _number("connect_timeout", options.get("connect_timeout", "10.0"), float),
            _number("command_timeout", options.get("command_timeout", "30.0"), float),
            _number("lock_timeout", options.get("lock_timeout", "5.0"), float),
            _number("statement_cache", options.get("statement_cache", "100"), int),
        )

    @property
    def application_name(self) -> str:
        """What the server lists the sessions as."""
        _, options = _split(self.dsn)
        return options.get("application_name") or os.environ.get("PGAPPNAME") or _APPLICATION

    def with_schema(self, schema: str) -> str:
        """Return the URL that opens another schema with the same settings."""
        place, options = _split(self.dsn)
        values = {
            **options,
            "schema": schema,
            "connections": self.connections,
            "connect_timeout": self.connect_timeout,
            "command_timeout": self.command_timeout,
            "lock_timeout": self.lock_timeout,
            "statement_cache": self.statement_cache,
        }
        return f"{place}?{urlencode(values)}"


def _split(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without its options, and these."""
    place, _, query = url.partition("?")
    pairs = option_pairs(query)
    if pairs is None:
        raise ValueError(f"the options in a PostgreSQL URL read name=value: {shown_url(url)!r}")
    options = dict(pairs)
    for name in options.keys() - {*_OPTIONS, *_DRIVER_OPTIONS}:
        raise ValueError(
            f"a PostgreSQL URL has no option {shown_option(url, name)}; it takes"
            f" {', '.join(_OPTIONS)}, and of libpq's {', '.join(_DRIVER_OPTIONS)}"
        )
    if len(options) < len(pairs):
        raise ValueError(f"an option in a PostgreSQL URL is given once: {shown_url(url)!r}")
    return place, options


# What neither a name nor the packet that opens a session can hold.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# A password with a bare / or ? would be cut apart, and its pieces shown as a host or a database.
_PLACE = re.compile(r"(?:[^/?#@]*@)?(?P<hosts>[^/?#@]*)(?:/[^/?#@;]*)?")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d{0,5})?")


def _checked_dsn(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"dsn must be a str, not {type(value).__name__}")
    dsn = str.__str__(value)
    scheme, _, rest = dsn.partition("://")
    place = _PLACE.fullmatch(rest.partition("?")[0])
    if (
        scheme.lower() not in _SCHEMES
        or place is None
        or not all(_HOST.fullmatch(host) for host in place["hosts"].split(","))
    ):
        raise ValueError(
            "a PostgreSQL URL reads postgresql://user:password@host:port/database, with special"
            f" characters in the user, password or database percent-encoded: {shown_url(dsn)!r}"
        )
    if _UNSTORABLE.search(unquote(dsn)):
        raise ValueError(
            f"a PostgreSQL URL must have no NUL and no lone surrogate: {shown_url(dsn)!r}"
        )
    _split(dsn)
    return dsn


def _checked_schema(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"schema must be a str: {shown(value)}")
    schema = str.__str__(value)
    if _UNSTORABLE.search(schema):
        raise ValueError(f"schema must have no NUL and no lone surrogate: {shown(schema)}")
    if not 0 < len(schema.encode()) <= LONGEST_NAME:
        raise ValueError(f"schema must be a name of 1 to {LONGEST_NAME} bytes: {shown(schema)}")
    if schema.startswith("pg_") or schema == "information_schema":
        raise ValueError(f"schema must not be one of PostgreSQL's own: {shown(schema)}")
    return schema


def _checked_int(name: str, value: int, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int: {shown(value)}")
    number = int.__int__(value)
    if not least <= number <= _MOST:
        raise ValueError(f"{name} must be {least} to {_MOST}: {shown(number)}")
    return number


def _checked_seconds(name: str, value: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds: {shown(value)}")
    seconds = int.__int__(value) if isinstance(value, int) else float.__float__(value)
    if not 0 < seconds <= _LONGEST_WAIT:  # also false for NaN
        raise ValueError(
            f"{name} must be more than 0 and at most {_LONGEST_WAIT:.0f} seconds: {shown(seconds)}"
        )
    return float(seconds)


def _number(name: str, text: str, kind: type[_N]) -> _N:
    try:
        return kind(text)
    except ValueError:
        pass  # raised below, where the text is not in the error's context
    raise ValueError(f"{name} must be a number: {shown_value(text)}")
