"""The record of a call: what was asked, when, and what the caller was told. One line of JSON each.

The clock is the machine's monotonic one, which all processes of the trial share.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from collection_jobs import LeaseLostError, RepositoryError, StaleJobError

__all__ = ["MAYBE", "Call", "Recorder", "Told", "read_calls"]

T = TypeVar("T")

MAYBE = "may have happened"
"""What the error of a call says that nobody knows of."""


class Told(Enum):
    """What the caller was told."""

    DONE = "acknowledged"
    REFUSED = "refused"  # the lease is lost, or the copy stale
    NOT_DONE = "did not happen"
    UNSURE = MAYBE
    BROKEN = "an error that no repository may raise"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        task: Who called: a process and a number in it.
        method: What was called.
        job_id: The job; empty where the call names none.
        began: When, in seconds.
        ended: When it was answered.
        told: The `Told` of its answer.
        error: What an error said.
        about: What else the judgement needs.
    """

    task: str
    method: str
    job_id: str
    began: float
    ended: float
    told: str
    error: str = ""
    about: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_done(self) -> bool:
        return self.told == Told.DONE.value

    @property
    def is_unsure(self) -> bool:
        return self.told == Told.UNSURE.value

    @property
    def is_not_done(self) -> bool:
        return self.told == Told.NOT_DONE.value

    @property
    def is_answered(self) -> bool:
        """Whether the store has answered, with yes or no."""
        return self.told in (Told.DONE.value, Told.REFUSED.value)


def _told(error: Exception | None) -> Told:
    if error is None:
        return Told.DONE
    if isinstance(error, LeaseLostError | StaleJobError):
        return Told.REFUSED
    if isinstance(error, RepositoryError):
        return Told.UNSURE if MAYBE in str(error) else Told.NOT_DONE
    return Told.BROKEN


class Recorder:
    """Writes down the calls of one process."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file = path.open("a")

    async def call(
        self,
        task: str,
        method: str,
        job_id: str,
        call: Awaitable[T],
        *,
        noting: Callable[[T], Mapping[str, object]] = lambda answer: {},
        **about: object,
    ) -> tuple[Told, T | None]:
        """Make a call, and write down what came of it.

        Args:
            task: Who calls.
            method: What is called.
            job_id: The job; empty where the call names none.
            call: The call.
            noting: What the judgement needs of the answer.
            about: What else it needs.

        Returns:
            What the caller was told, and the answer.
        """
        began = time.monotonic()
        error: Exception | None = None
        answer: T | None = None
        try:
            answer = await call
            about |= noting(answer)
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is judged
            error = raised
            if _told(raised) is Told.BROKEN:
                traceback.print_exc()
        told = _told(error)
        text = "" if error is None else f"{type(error).__name__}: {error}"
        job_id = job_id or str(about.get("claimed", ""))
        line = Call(task, method, job_id, began, time.monotonic(), told.value, text, about)
        self._file.write(json.dumps(asdict(line)) + "\n")
        return told, answer

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


def read_calls(path: Path) -> Iterator[Call]:
    """Read what a process has written down, in the order of the answers."""
    with path.open() as lines:
        for line in lines:
            yield Call(**json.loads(line))
