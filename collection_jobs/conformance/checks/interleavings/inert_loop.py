"""What an event loop for one run without I/O does not do, and how such a run can end early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Deadlock", "InertLoop", "Livelock", "Unsupported"]


class Deadlock(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """Tasks are left, and nothing will ever wake them; the message says where each waits."""


class Livelock(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """Tasks go on for ever without coming to an end."""


class Unsupported(Exception):  # noqa: N818 - what the adapter needs, not an error of anybody's
    """Something runs under the loop that no such loop can run: the message says what."""


class InertLoop(asyncio.AbstractEventLoop):
    """The operations of an event loop that have nothing to do in a run of its own.

    Attributes:
        unsupported: What is needed that no such loop has; None as long as nothing is.
        told: Called with what happens beside the steps of tasks, and where: a timer that fires
            early, a thread that goes on.
    """

    def __init_subclass__(cls) -> None:
        """Let every operation that a derived loop does not write out be noted and refused."""
        super().__init_subclass__()
        written = vars(InertLoop).keys() | vars(cls).keys()
        for name, function in vars(asyncio.AbstractEventLoop).items():
            if callable(function) and not name.startswith("_") and name not in written:
                setattr(cls, name, _refusal(name))

    def __init__(self) -> None:
        """Start with nothing refused."""
        self.unsupported: str | None = None
        self.told: Callable[[str], None] | None = None

    def set_default_executor(self, executor: Any) -> None:
        """No executor is ever used."""

    async def shutdown_default_executor(self) -> None:
        """There is none."""

    async def shutdown_asyncgens(self) -> None:
        """They end with the loop."""

    def get_debug(self) -> bool:
        """Return False: the slow checks of asyncio are not for thousands of runs."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """There is nothing more to tell."""

    def close(self) -> None:
        """Do nothing: the loop closes itself at the end of its one run."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Do nothing: what goes wrong beside the calls shows in what they return, or not at all."""

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """As call_exception_handler."""
        self.call_exception_handler(context)

    def set_exception_handler(self, handler: Any) -> None:
        """As call_exception_handler."""

    def get_exception_handler(self) -> Any:
        """There is none."""
        return None

    def refuse(self, operation: str) -> NoReturn:
        """Note that something needs an operation that this loop does not have."""
        self.unsupported = f"it calls {operation} of the event loop"
        raise Unsupported(self.unsupported)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: InertLoop, *args: Any, **options: Any) -> NoReturn:
        self.refuse(name)

    return refuse
