"""Plain values as Python source: texts, instants, durations, and numbers that count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["datetime_code", "duration_code", "numbered_template", "range_code", "text_code"]

_LONG_RUNS = re.compile(r"(.)\1{40,}", re.DOTALL)
"""A character more than 40 times in a row: it is written as a product."""


def range_code(first: int, count: int, step: int) -> str:
    """Print a range of numbers as Python."""
    if step == 1:
        return f"range({count})" if first == 0 else f"range({first}, {first + count})"
    return f"range({first}, {first + count * step}, {step})"


def numbered_template(texts: Sequence[str]) -> tuple[str, int, int] | None:
    """Find what prints each of several texts from one number.

    Args:
        texts: Expressions that may differ in a number within one text, such as ``'job 7'``.

    Returns:
        The expression with ``number`` in its place, the first number and the step between them;
        None where there is no such expression.
    """
    if len(texts) < 2:
        return None
    for found in re.finditer(r"'([^'\\{}]*?)(\d+)'", texts[0]):
        start, end = found.span()
        head, tail = texts[0][:start], texts[0][end:]
        second = re.fullmatch(
            re.escape(f"{head}'{found[1]}") + r"(\d+)" + re.escape(f"'{tail}"), texts[1]
        )
        if second is None:
            continue
        first, step = int(found[2]), int(second[1]) - int(found[2])
        numbers = range(first, first + step * len(texts), step) if step > 0 else ()
        if [f"{head}'{found[1]}{number}'{tail}" for number in numbers] == list(texts):
            return f"{head}f'{found[1]}{{number}}'{tail}", first, step
    return None


def datetime_code(value: datetime) -> str:
    """Print an instant as Python, in the zone that it has."""
    zone = value.tzinfo
    if zone is None or zone is UTC:
        return _plain_datetime_code(value)
    instant = _plain_datetime_code(value.astimezone(UTC))
    if isinstance(zone, ZoneInfo):
        return f"{instant}.astimezone(ZoneInfo({zone.key!r}))"
    seconds = (value.utcoffset() or timedelta()).total_seconds()
    return f"{instant}.astimezone(timezone(timedelta(seconds={seconds:g})))"


def _plain_datetime_code(value: datetime) -> str:
    parts = [value.year, value.month, value.day, value.hour, value.minute]
    parts += [value.second, value.microsecond]
    while len(parts) > 3 and parts[-1] == 0:
        parts.pop()
    zone = "" if value.tzinfo is None else ", tzinfo=UTC"
    return f"datetime({', '.join(map(str, parts))}{zone})"


@lru_cache(maxsize=1024)  # a search prints the same calls again and again
def text_code(value: str) -> str:
    """Print a text as Python; a long run of one character, which hides the rest, by its length."""
    parts, end = list[str](), 0
    for run in _LONG_RUNS.finditer(value):
        parts += [_plain_text_code(value[end : run.start()])] if run.start() > end else []
        parts.append(f"{run[1]!a} * {len(run[0])}")
        end = run.end()
    if end < len(value) or not parts:
        parts.append(_plain_text_code(value[end:]))
    return " + ".join(parts)


def _plain_text_code(value: str) -> str:
    return repr(value) if value.isprintable() and value.isascii() else ascii(value)


def duration_code(value: timedelta) -> str:
    """Print a duration as Python, in the largest unit of which it is a whole number."""
    for unit in ("days", "hours", "minutes", "seconds", "milliseconds"):
        count, rest = divmod(value, timedelta(**{unit: 1}))
        if not rest:
            return f"timedelta({unit}={count})"
    return repr(value).removeprefix("datetime.")
