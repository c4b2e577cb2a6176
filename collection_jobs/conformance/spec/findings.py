"""Findings, and the error that carries one: a broken law with the history that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from collection_jobs.conformance.spec.calls import Step

__all__ = ["Bar", "Finding", "LawBroken"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One call on the timeline of a concurrent history.

    Attributes:
        client: Who made it.
        call: The call, as Python.
        outcome: What came of it.
        began: When it began, in steps or in nanoseconds, of a clock that all clients share.
        ended: When it ended, by the same clock; None: it never did.
    """

    client: str
    call: str
    outcome: str
    began: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken law, with the shortest history found that shows it.

    Attributes:
        law: The id of the law.
        message: What was observed and what the law asks for.
        history: The calls, line by line, as the Python that makes them on ``repository``.
        timeline: The calls of concurrent clients, in the order in which they began; empty where
            there was one caller.
        token: What makes it again, for ``collection-jobs verify TARGET --reproduce TOKEN``.
    """

    law: str
    message: str
    history: tuple[str, ...]
    timeline: tuple[Bar, ...] = ()
    token: str | None = None


class LawBroken(AssertionError):  # noqa: N818 - the kit speaks of broken laws, not of errors
    """A law was broken. The kit raises it by itself: a bare assert would vanish under -O."""

    def __init__(self, finding: Finding, program: tuple[Step, ...] = ()) -> None:
        """Carry the finding, and the steps that make it again where there are such."""
        super().__init__(finding, program)
        self.finding = finding
        self.program = program

    def __str__(self) -> str:
        """The law and what was observed, then the history."""
        found = self.finding
        return "\n".join([f"{found.law}: {found.message}", *found.history])

    @staticmethod
    def by_law(finding: Finding, program: tuple[Step, ...] = ()) -> LawBroken:
        """The error of a type of its law's own.

        Hypothesis tells failures apart by the type of their exception: with one type a law, one
        search finds and shrinks the breaches of several laws beside each other.
        """
        return _type_of(finding.law)(finding, program)


@cache
def _type_of(law: str) -> type[LawBroken]:
    return type(f"{law.replace('-', '')}Broken", (LawBroken,), {})
