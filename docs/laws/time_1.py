"""A server that is gone resets its connections, and that is mapped. But a switch that restarts, a
firewall that forgets or a machine that swaps says nothing at all: the call waits for an answer that
never comes, everyone queues behind it, and nobody is told.

Give each call a time-out that begins with the call, queueing included. Drop the connection when it
fires, for the late answer would be taken for that to the next call, and say of a write that it may
have happened. Opening, closing and the cleaning up after a cancelled call need a time-out, too.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from collection_jobs import RepositoryClosedError, RepositoryError
from docs.laws.served import Served


class Breach(Served):
    @override
    async def ask(self, method: str, *arguments: object) -> Any:
        if not self.is_open:
            raise RepositoryClosedError("the repository is not open")
        try:
            async with self.lock:
                good, value = await self.exchange(method, arguments)
        except (OSError, EOFError) as error:
            raise RepositoryError("the server is gone") from error
        if not good:
            raise value
        return value


FIX = (Served.ask,)
