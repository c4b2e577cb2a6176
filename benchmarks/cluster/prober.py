"""When the cluster takes writes, seen without the repository: a bare connection to each node.

    python -m benchmarks.cluster.prober FILE URL...

Each commit that a node acknowledges is a line: the node's number, and when it began and ended.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import IO

import asyncpg

__all__ = ["TABLE"]

TABLE = "CREATE TABLE IF NOT EXISTS probe (at timestamptz NOT NULL)"
_INSERT = "INSERT INTO probe VALUES (clock_timestamp())"
_FAILURES = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError),
    AttributeError,  # asyncpg's, of a connection that is dropped between two of its steps
)
_PATIENCE = 1.0
_PAUSE = 0.05


async def _probe(number: int, url: str, file: IO[str]) -> None:
    """Write again and again while the node is the primary; connect again where that fails."""
    while True:
        connection: asyncpg.Connection[asyncpg.Record] | None = None
        try:
            connection = await asyncpg.connect(url, timeout=_PATIENCE)
            while getattr(connection.get_settings(), "in_hot_standby", "off") == "off":
                began = time.monotonic()
                timer = asyncio.get_running_loop().call_later(_PATIENCE, connection.terminate)
                await connection.execute(_INSERT)
                timer.cancel()
                file.write(f"{number} {began} {time.monotonic()}\n")
                await asyncio.sleep(_PAUSE)
        except _FAILURES:
            pass  # it is tried again
        finally:
            if connection is not None:
                connection.terminate()
        await asyncio.sleep(_PAUSE)


async def _main(file: IO[str], *urls: str) -> None:
    async with asyncio.TaskGroup() as group:
        probes = [group.create_task(_probe(n, url, file)) for n, url in enumerate(urls, 1)]

        def end() -> None:
            for probe in probes:
                probe.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        print("ready", flush=True)


if __name__ == "__main__":
    with Path(sys.argv[1]).open("a") as _file:
        asyncio.run(_main(_file, *sys.argv[2:]))
