"""Shrinking a script: the fewest lines that still show a finding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from collection_jobs.conformance.checks.handles.script import OPEN, Line
from collection_jobs.conformance.spec.calls import Step
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["shrink_script"]

_SECONDS = 8.0
"""After so long, what is found by then is told."""

Script = tuple[Line, ...]
Shows = Callable[[Script], Finding | None]


def shrink_script(lines: Script, finding: Finding, shows: Shows) -> tuple[Script, Finding]:
    """Leave lines out as long as what is left still shows the finding.

    Args:
        lines: A script that showed it.
        finding: As it was shown.
        shows: Plays a script; the finding of the same law, if it shows again.
    """
    deadline = time.monotonic() + _SECONDS
    before = len(lines) + 1
    while len(lines) < before:
        before = len(lines)
        for part in _parts(lines):
            if time.monotonic() > deadline:
                return lines, finding
            shorter = tuple(line for line in lines if line not in part)
            again = shows(shorter) if len(shorter) < len(lines) else None
            if again is not None:
                lines, finding = shorter, again
    plainer = tuple(map(_by_its_directory, lines))
    again = shows(plainer) if plainer != lines else None
    return (lines, finding) if again is None else (plainer, again)


def _parts(lines: Script) -> Iterator[Script]:
    """Yield what may be left out: whole processes, then runs of half the lines and less."""
    for process in sorted({line.process for line in lines}, reverse=True):
        yield tuple(line for line in lines if line.process == process)
    size = len(lines) // 2
    while size:
        for at in range(len(lines) - size, -size, -size):
            yield lines[max(0, at) : at + size]
        size //= 2


def _by_its_directory(line: Line) -> Line:
    """Return the line with the store opened by its own path, and by no link."""
    return replace(line, step=Step(OPEN, (0,))) if line.step.method == OPEN else line
