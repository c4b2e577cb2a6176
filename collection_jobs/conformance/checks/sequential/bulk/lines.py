"""Lines: a long program as the Python that makes it, with loops for what differs by a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collection_jobs.conformance.checks.sequential.bulk.stages import HANDLE, HERE, REOPEN
from collection_jobs.conformance.spec.calls import Program, Step
from collection_jobs.conformance.spec.plain_code import numbered_template

__all__ = ["lines_of", "shows_reopening"]

_AGAIN = ", and opened again"
_LONGEST = 400
_MOST = 12


def lines_of(program: Program) -> tuple[str, ...]:
    """Return a program as at most twelve lines of Python."""
    steps = [step for step in program if step.method != HANDLE]
    lines = list(_looped([_line(step, first=at == 0) for at, step in enumerate(steps)]))
    if len(lines) > _MOST:
        left = len(lines) - _MOST + 1
        head, tail = lines[: _MOST // 2], lines[len(lines) - (_MOST - 1 - _MOST // 2) :]
        lines = [*head, f"# and {left:,} more lines, which the token makes again", *tail]
    return tuple(lines)


def _line(step: Step, *, first: bool) -> str:
    if step.method != REOPEN:
        line = str(step)
        return (
            line if len(line) <= _LONGEST else f"{line[:_LONGEST]}...  # {len(line):,} characters"
        )
    place, ended, *pauses = step.arguments
    if first:
        return f"# In a process with TZ={place}:"
    how = "Its process is killed" if ended == "killed" else "The store is closed"
    where = "" if place == HERE else f", in a process with TZ={place}"
    later = "".join(f" {pause.total_seconds():g} s later" for pause in pauses)
    return f"# {how}{_AGAIN}{later}{where}:"


def shows_reopening(lines: Sequence[str]) -> bool:
    """Whether a history, as it is printed, opens the store again."""
    return any(line.startswith("#") and _AGAIN in line for line in lines)


def _looped(lines: Sequence[str]) -> Iterator[str]:
    """Yield lines, with a loop for runs of lines, or pairs of lines, that count."""
    at = 0
    while at < len(lines):
        for width in (1, 2):
            count, loop = _run(lines[at:], width)
            if count > 2:
                yield from loop
                at += count * width
                break
        else:
            yield lines[at]
            at += 1


def _run(lines: Sequence[str], width: int) -> tuple[int, list[str]]:
    """Find how often the first lines are repeated with other numbers, and the loop for it."""
    texts = ["\n".join(lines[at : at + width]) for at in range(0, len(lines), width)]
    best, loop = 1, list[str]()
    low, high = 2, len(texts)
    while low <= high:  # the longest run that counts
        middle = (low + high) // 2
        body, numbers = _loop(texts[:middle])
        if body is None:
            high = middle - 1
            continue
        best, low = middle, middle + 1
        loop = [f"for number in {numbers}:", *(f"    {line}" for line in body.split("\n"))]
    return best, loop


def _loop(texts: Sequence[str]) -> tuple[str | None, str]:
    if len(set(texts)) == 1:
        return texts[0], f"range({len(texts)})"
    template = numbered_template(texts)
    if template is None:
        return None, ""
    text, first, step = template
    last = first + step * len(texts)
    numbers = f"range({last})" if (first, step) == (0, 1) else f"range({first}, {last}, {step})"
    return text, numbers.replace(", 1)", ")")
