"""When a server is down, connections are reset, and that error is mapped. But when a switch
restarts, a firewall drops its state or a machine swaps, nothing happens at all: the call waits for
an answer that never comes, all other calls queue behind it, and nobody gets an error.

Give each call a time-out that starts with the call and includes queueing. Drop the connection when
it expires, because a late answer would be taken for the answer to the next call, and say that a
write may have happened. Opening, closing and the clean-up after a cancelled call need a time-out,
too.
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
