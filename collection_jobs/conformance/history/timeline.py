"""Timelines: what concurrent calls did to one job, drawn so that a person sees why they clash."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.history.attribution import Attribution
from collection_jobs.conformance.history.sequential_spec import JobOperation, why
from collection_jobs.conformance.spec.findings import Bar
from collection_jobs.conformance.spec.model import Facts
from collection_jobs.validation import shown

__all__ = ["bars", "draw", "rows"]

_LINES, _BARS = 14, 30
"""Calls of a history in text, as many as there are in one pair with the looks at it; and in a
page, where they take less room."""
_ORDERS = 3


def draw(found: Attribution) -> tuple[str, ...]:
    """Draw the calls that matter, each with its span of time; then how far the orders go.

    A bar shows from when to when each call lasted: bars that lie over each other are calls that
    overlapped, and may have taken effect in either order.
    """
    shown = found.operations[-_LINES:]
    numbers = {id(one): number for number, one in enumerate(shown, 1)}
    return (*rows(found.operations), *_orders(found, numbers))


def rows(operations: Sequence[JobOperation]) -> tuple[str, ...]:
    """Draw the last of some calls, one a line."""
    shown = operations[-_LINES:]
    lines: list[str] = []
    if len(shown) < len(operations):
        lines.append(f"({len(operations) - len(shown)} earlier calls)")
    width = max(len(one.event.client) for one in shown)
    for number, (one, bar) in enumerate(zip(shown, _draw_bars(shown), strict=True), 1):
        who = one.event.client.ljust(width)
        lines.append(f"{number:>2} {who} {bar} {one.event.call} {_answer(one)}")
    return tuple(lines)


def bars(operations: Sequence[JobOperation]) -> tuple[Bar, ...]:
    """Return the same calls as data, for a report that draws them by itself."""
    return tuple(
        Bar(
            one.event.client,
            str(one.event.call),
            _answer(one),
            one.began,
            one.ended,
        )
        for one in operations[-_BARS:]
    )


def _answer(one: JobOperation) -> str:
    outcome = one.event.outcome
    if outcome is None:
        return "never returned"
    if one.facts is not None and one.shown is not None and one.shown is outcome.value:
        return f"returned {_job(one.facts, one.shown.revision)}"
    return str(outcome)


def _job(facts: Facts, revision: object) -> str:
    """Return a job with what calls change of it."""
    parts = [f"revision {revision}", str(facts.status)]
    if facts.error_message is not None:
        parts.append(shown(facts.error_message))
    for word, outcomes in (
        ("completed", facts.completed_symbols),
        ("failed", facts.failed_symbols),
        ("metadata", facts.metadata),
        ("failures counted", facts.failure_counts),
        ("cursors", facts.cursors),
    ):
        if outcomes:
            parts.append(f"{word} {shown(dict(sorted(outcomes, key=_name)))}")
    if facts.permanent_failures:
        parts.append(f"permanent {shown(sorted(facts.permanent_failures, key=str))}")
    return f"the job {facts.id!a} ({', '.join(parts)})"


def _name(item: tuple[object, object]) -> str:
    """Return what an outcome is sorted by; an adapter may have put anything in a name's place."""
    return str(item[0])


def _draw_bars(operations: Sequence[JobOperation]) -> list[str]:
    """Draw the spans of time, on an axis with a column for each instant that matters."""
    instants = {one.began for one in operations}
    instants |= {one.ended for one in operations if one.ended is not None}
    columns = {instant: column for column, instant in enumerate(sorted(instants))}
    return [
        _bar(columns[one.began], columns.get(one.ended or -1), len(columns)) for one in operations
    ]


def _bar(first: int, last: int | None, width: int) -> str:
    if last is None:
        return f"{' ' * first}|{'.' * (width - first - 1)}"
    if first == last:
        return f"{' ' * first}|{' ' * (width - first - 1)}"
    return f"{' ' * first}|{'-' * (last - first - 1)}|{' ' * (width - last - 1)}"


def _orders(found: Attribution, numbers: dict[int, int]) -> list[str]:
    """Tell which orders go furthest, and what speaks against the call that would be next."""
    lines = ["No order of these calls is possible:"]
    culprit = found.stuck.open[0]
    for order, state in zip(found.stuck.orders, found.stuck.states, strict=True):
        placed = ", ".join(str(numbers[id(one)]) for one in order if id(one) in numbers)
        against = why(culprit, state)
        reason = against[0].message if against else "it does not fit"
        after = f"follow {placed}" if placed else "come first"
        line = f"{numbers.get(id(culprit), 0)} cannot {after}: {reason}"
        if line not in lines:
            lines.append(line)
    return lines[: 1 + _ORDERS]
