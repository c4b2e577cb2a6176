"""CONTRIBUTING.md leads to code that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ROWS = re.findall(r"^\|[^|]*\| `([\w/]+\.py)` \| `(\w+)`", PAGE, re.MULTILINE)
"""The files and names of the table that answers questions."""


def defined(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_there_are_answers() -> None:
    assert len(ROWS) >= 12


@pytest.mark.parametrize(("file", "name"), ROWS)
def test_an_answer_names_what_stands_there(file: str, name: str) -> None:
    assert name in defined(ROOT / file)


@pytest.mark.parametrize("file", re.findall(r"`((?:spec|checks)/[\w/]+\.py)`", PAGE))
def test_the_kits_files_are_there(file: str) -> None:
    assert (ROOT / "collection_jobs" / "conformance" / file).is_file()
