"""Settings: what one repository is opened with, checked, and read from a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self, TypeVar
from urllib.parse import urlencode

from collection_jobs.urls import option_pairs, shown_option, shown_url, shown_value
from collection_jobs.validation import shown

__all__ = ["DEFAULT_SCHEMA", "Settings"]

_N = TypeVar("_N", int, float)

DEFAULT_SCHEMA = "collection_jobs"

_SCHEMES = ("postgresql", "postgres")
_LONGEST_NAME = 63  # bytes: PostgreSQL cuts a longer one without a word
_MOST_CONNECTIONS = 1_000
_LONGEST_WAIT = 86_400.0

_OPTIONS = ("schema", "connections", "connect_timeout", "lock_timeout")
# What asyncpg reads from a URL by itself, as libpq does.
_DRIVER_OPTIONS = (
    *("host", "port", "user", "password", "dbname", "passfile", "target_session_attrs"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one repository is opened with.

    Attributes:
        dsn: The server and the database, as asyncpg reads it; it may hold a password.
        schema: The schema that the tables are in.
        connections: The most connections that are held.
        connect_timeout: Seconds to wait for a connection.
        lock_timeout: Seconds to wait for another transaction's lock.
        create: Whether to make the tables where there are none.
    """

    dsn: str = field(repr=False)
    schema: str = DEFAULT_SCHEMA
    connections: int = 4
    connect_timeout: float = 10.0
    lock_timeout: float = 5.0
    create: bool = True

    def __post_init__(self) -> None:
        """Check every value."""
        if not isinstance(self.dsn, str):
            raise TypeError(f"dsn must be a str, not {type(self.dsn).__name__}")
        _check_dsn(self.dsn)
        _check_schema(self.schema)
        if not isinstance(self.connections, int) or isinstance(self.connections, bool):
            raise TypeError(f"connections must be an int: {shown(self.connections)}")
        if not 1 <= self.connections <= _MOST_CONNECTIONS:
            raise ValueError(
                f"connections must be 1 to {_MOST_CONNECTIONS}: {shown(self.connections)}"
            )
        _check_seconds("connect_timeout", self.connect_timeout)
        _check_seconds("lock_timeout", self.lock_timeout)
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
            _number("lock_timeout", options.get("lock_timeout", "5.0"), float),
        )

    def with_schema(self, schema: str) -> str:
        """The URL that opens another schema with the same settings."""
        place, options = _split(self.dsn)
        values = {
            **options,
            "schema": schema,
            "connections": self.connections,
            "connect_timeout": self.connect_timeout,
            "lock_timeout": self.lock_timeout,
        }
        return f"{place}?{urlencode(values)}"


def _split(url: str) -> tuple[str, dict[str, str]]:
    """A URL without its options, and these."""
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


# A password with a bare / or ? would be cut apart, and its pieces shown as a host or a database.
_PLACE = re.compile(r"(?:[^/?#@]*@)?(?P<hosts>[^/?#@]*)(?:/[^/?#@;]*)?")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d{0,5})?")


def _check_dsn(dsn: str) -> None:
    scheme, _, rest = dsn.partition("://")
    place = _PLACE.fullmatch(rest.partition("?")[0])
    if (
        scheme.lower() not in _SCHEMES
        or place is None
        or not all(_HOST.fullmatch(host) for host in place["hosts"].split(","))
    ):
        raise ValueError(
            "a PostgreSQL URL reads postgresql://user:password@host:port/database, with what is"
            f" special in a user, a password or a database percent-encoded: {shown_url(dsn)!r}"
        )
    _split(dsn)


def _check_schema(schema: str) -> None:
    if not isinstance(schema, str):
        raise TypeError(f"schema must be a str: {shown(schema)}")
    if not schema or "\0" in schema or len(schema.encode(errors="replace")) > _LONGEST_NAME:
        raise ValueError(f"schema must be a name of 1 to {_LONGEST_NAME} bytes: {shown(schema)}")
    if schema.startswith("pg_") or schema == "information_schema":
        raise ValueError(f"schema must not be one of PostgreSQL's own: {shown(schema)}")


def _check_seconds(name: str, value: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds: {shown(value)}")
    if not 0 < value <= _LONGEST_WAIT:  # also false for NaN
        raise ValueError(
            f"{name} must be more than 0 and at most {_LONGEST_WAIT:.0f} seconds: {shown(value)}"
        )


def _number(name: str, text: str, kind: type[_N]) -> _N:
    try:
        return kind(text)
    except ValueError:
        pass  # raised below, where the text is not in the error's context
    raise ValueError(f"{name} must be a number: {shown_value(text)}")
