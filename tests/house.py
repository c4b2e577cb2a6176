"""Counts of the package's modules, functions and folders, held beside what they are meant to be.

``python -m tests.house`` prints them. They are goals for whoever changes the package, and no test:
what must hold (who imports whom, one module for each public name) is in tests of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import collection_jobs

PACKAGE = Path(collection_jobs.__file__).parent


@dataclass(frozen=True, slots=True)
class Size:
    """One module or function, and its lines."""

    name: str
    lines: int


def modules(package: Path = PACKAGE) -> list[Size]:
    """Count the lines of each module, the longest first."""
    found = (
        Size(path.relative_to(package.parent).as_posix(), len(path.read_text().splitlines()))
        for path in package.rglob("*.py")
    )
    return sorted(found, key=lambda size: -size.lines)


def functions(package: Path = PACKAGE) -> list[Size]:
    """Count the lines of each function without its docstring, the longest first."""
    found = (
        size
        for path in package.rglob("*.py")
        for size in _functions_of(path, path.relative_to(package.parent).as_posix())
    )
    return sorted(found, key=lambda size: -size.lines)


def _functions_of(path: Path, name: str) -> Iterator[Size]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                docstring = node.body[0]
                lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
            yield Size(f"{name}:{node.lineno} {node.name}", lines)


def _row(what: str, count: str, meant: str) -> None:
    print(f"{what:32}{count:>12}   {meant}")


def main() -> None:
    """Print the counts, and what exceeds what it is meant to be."""
    files, defined = modules(), functions()
    real = [size for size in files if size.lines > 1]  # an __init__ that says what a folder is
    _row("", "", "meant to be")
    _row("modules", str(len(files)), "at most 130")
    _row("lines", f"{sum(size.lines for size in files):,}", "at most 19,000")
    _row("median module", f"{median(size.lines for size in real):.0f}", "under 150")
    _row("longest module", str(files[0].lines), "at most 450")
    _row("functions", f"{len(defined):,}", "")
    _row("median function", f"{median(size.lines for size in defined):.0f}", "about 7")
    _row("longest function", str(defined[0].lines), "at most 40")
    for size in (*files, *defined):
        most = 40 if " " in size.name else 450
        if size.lines > most:
            print(f"{size.lines:>5} lines: {size.name}")


if __name__ == "__main__":
    main()
