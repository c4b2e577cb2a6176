"""URLs that hold a secret: right ones, mistyped ones, and those of schemes of other packages."""

from __future__ import annotations

SECRET = "zq7Kx9wv"  # noqa: S105 - it opens nothing, and is no part of a word or a path
"""What no output may hold; where a URL has it in pieces, each of them has four characters."""
HALF = SECRET[:4], SECRET[4:]

_A, _B = HALF

# Each with what may be shown of it; None: nothing behind the scheme.
RIGHT: dict[str, str] = {
    f"postgresql://me:{SECRET}@127.0.0.1:1/base": "postgresql://me:***@127.0.0.1:1/base",
    f"postgres://me:{SECRET}@127.0.0.1:1/base": "postgres://me:***@127.0.0.1:1/base",
    f"POSTGRESQL://me:{SECRET}@127.0.0.1:1/base": "POSTGRESQL://me:***@127.0.0.1:1/base",
    f"postgresql://me:%20{SECRET}%40@127.0.0.1:1/base": "postgresql://me:***@127.0.0.1:1/base",
    f"postgresql://me%40server:{SECRET}@127.0.0.1:1/base": (
        "postgresql://***:***@127.0.0.1:1/base"
    ),
    f"postgresql://me%3A{SECRET}@127.0.0.1:1/base": "postgresql://***@127.0.0.1:1/base",
    f"postgresql://:{SECRET}@127.0.0.1:1/base": "postgresql://:***@127.0.0.1:1/base",
    f"postgresql://me:{SECRET}@127.0.0.1:1,localhost:1/base": (
        "postgresql://me:***@127.0.0.1:1,localhost:1/base"
    ),
    f"postgresql://me:{SECRET}@[::1]:1/base": "postgresql://me:***@[::1]:1/base",
    f"postgresql://me:{_A}&password={_B}@127.0.0.1:1/base": "postgresql://me:***@127.0.0.1:1/base",
    f"postgresql://me:{SECRET}\\@127.0.0.1:1/base": "postgresql://me:***@127.0.0.1:1/base",
    f"postgresql://127.0.0.1:1/base?user=me&password={SECRET}": (
        "postgresql://127.0.0.1:1/base?user=me&password=***"
    ),
    f"postgresql:///base?host=127.0.0.1&port=1&password={SECRET}": (
        "postgresql:///base?host=127.0.0.1&port=1&password=***"
    ),
    f"postgresql://me@127.0.0.1:1/base?sslpassword={SECRET}": (
        "postgresql://me@127.0.0.1:1/base?sslpassword=***"
    ),
    f"postgresql://me:{SECRET}@127.0.0.1:1/base?schema=mine&connect_timeout=2": (
        "postgresql://me:***@127.0.0.1:1/base?schema=mine&connect_timeout=2"
    ),
    f"postgresql://me:{SECRET}@127.0.0.1:1/base?connections=many": (
        "postgresql://me:***@127.0.0.1:1/base?connections=many"
    ),
    f"postgresql://me:{SECRET}@127.0.0.1:1/base?conections=1": (
        "postgresql://me:***@127.0.0.1:1/base?conections=***"
    ),
}
"""Of our own PostgreSQL, as its adapter reads them; behind them is no server."""

MISTYPED: tuple[str, ...] = (
    # A password, or a user, that should have been percent-encoded.
    f"postgresql://me@server:{SECRET}@127.0.0.1/base",
    f"postgresql://me:{_A}@{_B}@127.0.0.1/base",
    f"postgresql://us/er:{SECRET}@127.0.0.1/base",
    f"postgresql://me:{_A}/{_B}@127.0.0.1/base",
    f"postgresql://me:{_A}?{_B}@127.0.0.1/base",
    f"postgresql://me:{_A}?{_B}=x@127.0.0.1/base",
    f"postgresql://me:{_A}#{_B}@127.0.0.1/base",
    f"postgresql://me:{_A}:{_B}/@127.0.0.1/base",
    f"postgresql://me:12/{SECRET}@127.0.0.1/base",
    f"postgresql://me:12?{SECRET}@127.0.0.1/base",
    f"postgresql://me:12?connections={SECRET}@127.0.0.1/base",
    f"postgresql://me:{_A} {_B}@127.0.0.1:port/base",
    # Slashes and colons that are missing, or too many.
    f"postgresql:me:{SECRET}@127.0.0.1/base",
    f"postgresql:/me:{SECRET}@127.0.0.1/base",
    f"postgresql:///me:{SECRET}@127.0.0.1/base",
    f"postgresql//me:{SECRET}@127.0.0.1/base",
    f"postgresql//:{SECRET}@127.0.0.1/base",
    f"postgresql;//me:{SECRET}@127.0.0.1/base",
    f"postgresql://me:{SECRET}",
    f"postgresql://me:{SECRET}/base",
    f"postgresql:{SECRET}",
    f"me:{SECRET}@127.0.0.1/base",
    f"{SECRET}@127.0.0.1:5432/base",
    f"//me:{SECRET}@127.0.0.1/base",
    f":{SECRET}@127.0.0.1/base",
    f" postgresql://me:{SECRET}@127.0.0.1/base",
    # Options that are none.
    f"postgresql://127.0.0.1/base?{SECRET}",
    f"postgresql://127.0.0.1/base?token={SECRET}",
    f"postgresql://127.0.0.1/base?password={SECRET}&password={SECRET}",
    f"postgresql://127.0.0.1/base?password={SECRET}&x",
    f"postgresql://127.0.0.1/base;password={SECRET}",
    f"postgresql://127.0.0.1/base?user=me;password={SECRET}",
    f"postgresql://127.0.0.1/base#{SECRET}",
    # The schemes of our others.
    f"memory:{SECRET}",
    f"memory://me:{SECRET}@127.0.0.1/base",
    f"memory:me:{SECRET}@127.0.0.1/base",
    f"memory:?token={SECRET}",
    f"memory://{SECRET}@127.0.0.1",
    f"sqlite://me:{SECRET}@127.0.0.1/base",
    f"sqlite:me:{SECRET}@127.0.0.1/base",
    f"sqlite:{SECRET}",
    f"sqlite:///me:{SECRET}@127.0.0.1/base",
    f"SQLite:///me:{_A}/{_B}@127.0.0.1/base",
    f"sqlite:///me%3A{SECRET}%40127.0.0.1/base",
    f"sqlite:///postgresql://me:{SECRET}@127.0.0.1/base",
    f"sqlite:///jobs.db?key={SECRET}",
    f"sqlite:///jobs.db?{SECRET}",
    f"sqlite:///jobs.db?busy_timeout={SECRET}@",
    f"sqlite:///%FF?password={SECRET}",
)
"""What nobody can open: a ValueError, in one sentence."""

OTHERS: dict[str, str | None] = {
    f"pg://me:{SECRET}@host/base": "pg://me:***@host/base",
    f"pg://me:{SECRET}@host:99999/base": None,
    f"pg://{SECRET}@host/base": "pg://***@host/base",
    f"pg://{SECRET}:@host/base": "pg://***:***@host/base",
    f"pg://me@server:{SECRET}@host/base": None,
    f"pg://us/er:{SECRET}@host/base": None,
    f"pg:me:{SECRET}@host/base": None,
    f"pg:{SECRET}": None,
    f"pg:///base/{_A}:{_B}@host": None,
    f"pg://host/base?token={SECRET}": "pg://host/base?token=***",
    f"pg://host/base?auth={SECRET}": "pg://host/base?auth=***",
    f"pg://host/base?pwd={SECRET}&mode=x": "pg://host/base?pwd=***&mode=x",
    f"pg://host/base?passwd={SECRET}": "pg://host/base?passwd=***",
    f"pg://host/base?PASSWORD={SECRET}": "pg://host/base?PASSWORD=***",
    f"pg://key:{SECRET}@host/b?secret_access_key={SECRET}": (
        "pg://key:***@host/b?secret_access_key=***"
    ),
    f"pg://host/base?api_key={SECRET}&sig={SECRET}": "pg://host/base?api_key=***&sig=***",
    f"pg://host/base?credential={SECRET};x={SECRET}": "pg://host/base?credential=***;x=***",
    f"pg://host/base?{SECRET}": "pg://host/base?***",
    f"pg://host;password={SECRET}": None,
    f"pg://me:%7A%71{SECRET[2:]}@host/base": "pg://me:***@host/base",
}
"""Of a scheme that another package opens, with what is shown; None: nothing behind the scheme."""

HARMLESS: tuple[str, ...] = (
    "memory:",
    "sqlite:///jobs.db",
    "sqlite:///C:/a@b/jobs.db",
    "sqlite:///a@b/jobs.db",
    "sqlite:////var/lib/a:b@c/jobs.db",
    "sqlite:///jobs.db?synchronous=NORMAL&busy_timeout=2.5",
    "sqlite:///a%20b/%C3%BC.db",
    "postgresql://me@host:5432/base?sslmode=require",
    "postgresql:///base?host=/run/postgresql",
    "redis://localhost:6379/0",
    "files:////var/jobs",
)
"""Shown as they are."""
