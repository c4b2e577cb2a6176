"""What ends an examination early: a call that passes its deadline, or an exit of the adapter's."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.report.tokens import pack
from collection_jobs.conformance.running.deadline import CLOSING_STORE, OPENING_STORE, deadline
from collection_jobs.conformance.spec.calls import Call, Step
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["Abandoned", "Escaped", "Interrupted", "Overdue"]

# They are no Exception: an adapter, a check or Hypothesis that handles those must not keep them.


class Interrupted(BaseException):
    """The user has asked for the end of the run."""


class Abandoned(BaseException):
    """Nobody waits any more for what this thread does."""


class Escaped(BaseException):
    """The adapter raised SystemExit or KeyboardInterrupt where no call of the kit could see it.

    asyncio lets these two end the event loop, so nothing more can be asked of the store.
    """

    def __init__(self, error: BaseException) -> None:
        """Remember what was raised."""
        super().__init__(error)
        self.error = error

    def finding(self) -> Finding:
        """Return the finding: no exception but the contract's comes out of an adapter."""
        said = f"{type(self.error).__name__}({', '.join(map(repr, self.error.args))})"
        text = f"a task or a callback of the adapter raised {said}, which ends the event loop"
        return Finding("ERROR-1", text, (f"# {text}",))


class Overdue(BaseException):
    """A call did not return before its deadline.

    Attributes:
        method: The name of the method; `OPENING_STORE` or `CLOSING_STORE` where it is none.
    """

    def __init__(
        self,
        call: Call | str,
        place: str | None,
        *,
        how: str = "",
        program: Sequence[Step] = (),
    ) -> None:
        """Remember the call.

        Args:
            call: The call, or `OPENING_STORE` or `CLOSING_STORE`.
            place: The line of the adapter at which it stood.
            how: What it does meanwhile, as the end of the sentence "it ...".
            program: The steps that were made, this call included, where one caller made them.
        """
        super().__init__(str(call))
        self.method: str = call if isinstance(call, str) else call.method
        self._call = call
        self._place = place
        self._how = how
        self._program = tuple(program)

    @property
    def ends_all(self) -> bool:
        """Whether no store can be worked on, because it does not open or does not close."""
        return self.method in (OPENING_STORE, CLOSING_STORE)

    @property
    def reason(self) -> str:
        """Why a law that needs the method was not examined."""
        return f"waits for {self.method}, which gave no answer within {deadline():g} s"

    def finding(self, before: Sequence[Step] = ()) -> Finding:
        """Return the finding: every call returns.

        Args:
            before: The steps that were made before the call, where the call does not know them.
        """
        verb = "gave no answer" if isinstance(self._call, str) else "did not return"
        text = f"{self._call} {verb} within {deadline():g} s"
        text += f"; it {self._how}" if self._how else ""
        text += f"; it stood at {self._place}" if self._place else ""
        if isinstance(self._call, str):
            return Finding("ATOMIC-1", text, ("async with opening as repository:", "    ..."))
        own = Step(self._call.method, self._call.arguments)
        program = self._program or (*before, own)
        token = pack({"check": "one caller", "steps": program, "muted": ()})
        return Finding("ATOMIC-1", text, tuple(map(str, program)), token=token)
