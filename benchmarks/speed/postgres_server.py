"""A PostgreSQL server with durable commits: the one that the environment names, or a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "COLLECTION_JOBS_POSTGRES_URL"
# The tests' own server does without fsync, and with the least memory.
_SETTINGS = "fsync = on\nshared_buffers = 512MB\nmax_wal_size = 4GB\n"


@contextmanager
def a_durable_server() -> Iterator[str]:
    """Give the URL of a server on which databases can be made."""
    url = os.environ.get(_VARIABLE)
    if url:
        yield url
        return
    from tests.adapters.postgres_server import a_server

    with a_server() as server:
        with (server.data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        server.restart()
        yield server.url
