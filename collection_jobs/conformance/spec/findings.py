"""Violations and findings: a law that a judge sees broken, and one with the history that shows it.

A judge of a call or of a history gives violations. A finding is what is reported: one broken law,
with the shortest history that was found to show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, cast

from collection_jobs.conformance.spec.calls import Call, Outcome, Step, brief
from collection_jobs.validation import shown

__all__ = ["Bar", "Finding", "LawBroken", "NoMapping", "Verbatim", "Violation"]


class Verbatim(str):
    """Text that stands in a message as it is, without quotes."""

    __slots__ = ()


class NoMapping(frozenset[tuple[str, Any]]):
    """What an adapter gives where a mapping is due; it equals no mapping's items."""

    __slots__ = ()

    def __str__(self) -> str:
        """Show the value."""
        return next(iter(self))[0]


class Violation(NamedTuple):
    """One law that a judge sees broken, and what it says: a template and the values that it shows.

    Without values the template is the message, as it is.
    """

    law: str
    template: str
    values: tuple[object, ...] = ()

    @property
    def message(self) -> str:
        """The sentence that explains it."""
        if not self.values:
            return self.template
        return self.template.format(*map(_said, self.values))


def _said(value: object) -> str:
    if isinstance(value, Call | Outcome | Verbatim | NoMapping):
        return str(value)
    if hasattr(value, "_fields"):
        return str(value)  # a value of the oracle's own: no caller knows it by its repr
    if isinstance(value, frozenset):
        # Sorted: the order of a set is another in each process, and a finding is to be the same.
        if not all(isinstance(item, tuple) for item in cast("frozenset[object]", value)):
            return f"{{{', '.join(sorted(map(shown, cast('frozenset[object]', value))))}}}"
        items = sorted(cast("frozenset[tuple[str, object]]", value), key=lambda it: str(it[0]))
        if any(_is_long(item) for _, item in items):
            return f"{{{', '.join(f'{shown(name)}: {_said(item)}' for name, item in items)}}}"
        return shown(dict(items))
    if _is_long(value):  # such texts differ at their ends
        text = str(value)
        return f"{brief(text)} ({len(text):,} characters, ending in {text[-_END:]!r})"
    return brief(value)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > _LONG


_LONG = 10_000
_END = 32


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
        job_id: The job that it is about, where a history of several clients told which.
    """

    law: str
    message: str
    history: tuple[str, ...]
    timeline: tuple[Bar, ...] = ()
    token: str | None = None
    job_id: str | None = None


class LawBroken(AssertionError):  # noqa: N818 - the kit speaks of broken laws, not of errors
    """A law was broken. The kit raises it by itself: a bare assert would vanish under -O."""

    def __init__(self, finding: Finding, program: tuple[Step, ...] = ()) -> None:
        """Carry the finding, and the steps that make it again where there are such."""
        super().__init__(finding, program)
        self.finding = finding
        self.program = program

    def __str__(self) -> str:
        """Tell the law and what was observed, then the history."""
        found = self.finding
        return "\n".join([f"{found.law}: {found.message}", *found.history])

    @staticmethod
    def by_law(finding: Finding, program: tuple[Step, ...] = ()) -> LawBroken:
        """Make an error of a type of its law's own.

        Hypothesis tells failures apart by the type of their exception: with one type a law, one
        search finds and shrinks the violations of several laws beside each other.
        """
        return _type_of(finding.law)(finding, program)


@cache
def _type_of(law: str) -> type[LawBroken]:
    return type(f"{law.replace('-', '')}Broken", (LawBroken,), {})
