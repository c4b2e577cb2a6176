"""Timelines: what concurrent calls did to one job, drawn so that a person sees why they clash."""

from __future__ import annotations

from collections.abc import Sequence

from collection_jobs.conformance.attribution import Explanation
from collection_jobs.conformance.transitions import Operation, why

__all__ = ["draw"]

_LINES = 30


def draw(found: Explanation) -> tuple[str, ...]:
    """The calls that matter, one a line, each with its span of time; then how far an order goes.

    A bar shows from when to when each call lasted: bars that lie over each other are calls that
    overlapped, and may have taken effect in either order.
    """
    operations = found.operations[-_LINES:]
    lines: list[str] = []
    if len(operations) < len(found.operations):
        lines.append(f"({len(found.operations) - len(operations)} earlier calls)")
    bars = _bars(operations)
    width = max(len(one.event.client) for one in operations)
    numbers = {id(one): number for number, one in enumerate(operations, 1)}
    for one, bar in zip(operations, bars, strict=True):
        who = one.event.client.ljust(width)
        lines.append(f"{numbers[id(one)]:>2} {who} {bar} {_said(one)}")
    return (*lines, *_order(found, numbers))


def _said(one: Operation) -> str:
    outcome = one.event.outcome
    return f"{one.event.call} {'never came back' if outcome is None else outcome}"


def _bars(operations: Sequence[Operation]) -> list[str]:
    """The spans of time, on an axis that has a column for each instant that matters."""
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


def _order(found: Explanation, numbers: dict[int, int]) -> list[str]:
    """The longest order that fits, and what speaks against each call that would be next."""
    placed = [str(numbers[id(one)]) for one in found.stuck.placed if id(one) in numbers]
    first = f"After {', '.join(placed)}" if placed else "From the start"
    lines = [f"No order of these calls is possible. {first}, none of these can come next:"]
    for one in found.stuck.open:
        against = [breach.message for breach in why(one, found.stuck.state)]
        if against:
            lines.append(f"{numbers.get(id(one), 0):>2} {against[0]}")
    return lines
