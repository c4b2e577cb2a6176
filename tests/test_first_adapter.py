"""The tutorial keeps its word: followed block by block, it ends with every law green."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from collection_jobs.cli.new_adapter import steps
from collection_jobs.conformance import LAWS
from tests.tutorial import MODULE, PAGE, PROJECT, comparable, edited, followed


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    here = tmp_path_factory.mktemp("tutorial")
    return followed(PAGE.read_text(), here), here / PROJECT


def test_every_block_does_what_the_page_shows(page: tuple[str, Path]) -> None:
    assert comparable(page[0]) == comparable(PAGE.read_text())


def greens(text: str) -> Iterator[set[str]]:
    """The laws that were green after each step."""
    for line in re.findall(r"^([.xsF]{20,}) ", text, re.MULTILINE):
        assert len(line) == len(LAWS)
        yield {law for law, mark in zip(LAWS, line, strict=True) if mark == "."}


def test_the_laws_turn_green_one_after_another(page: tuple[str, Path]) -> None:
    stages = list(greens(page[0]))
    assert len(stages) >= 6
    assert stages[0] == set()
    assert all(before < after for before, after in pairwise(stages))
    assert stages[-1] == {law.id for law in LAWS.values() if law.capability is None}


def test_the_finished_project_passes_its_own_checks(page: tuple[str, Path]) -> None:
    for check in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]):
        ran = subprocess.run(
            [sys.executable, "-m", *check], cwd=page[1], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.release
def test_method_by_method_exactly_the_laws_of_the_readme_are_freed(
    page: tuple[str, Path], tmp_path: Path
) -> None:
    """The bodies of the tutorial in the order of the README's way: each step frees its laws."""
    finished = (page[1] / MODULE / "repository.py").read_text()
    source = finished
    written: set[str] = set()
    all_methods = [method for step in steps("checked") for method in step.methods]
    for method in all_methods:
        source = edited(source, _unwritten(finished, method))
    for number, step in enumerate(steps("checked")):
        for method in step.methods:
            source = edited(source, _written(finished, method))
        written |= set(step.laws)
        module = f"stage_{number}"
        (tmp_path / f"{module}.py").write_text(source)
        green = _green(tmp_path, module)
        assert green == {law for law in written if LAWS[law].capability is None}, step


def _class_with(finished: str, method: str, body: str) -> str:
    head = re.search(rf"    async def {method}\(.*?\) -> [^\n]*:\n", finished, re.DOTALL)
    assert head is not None
    return f"class Stage:\n{head[0]}{body}\n"


def _unwritten(finished: str, method: str) -> str:
    return _class_with(finished, method, "        raise NotImplementedError")


def _written(finished: str, method: str) -> str:
    """The method with the body that it has in the end, without its docstring."""
    (repository,) = (it for it in ast.parse(finished).body if isinstance(it, ast.ClassDef))
    (found,) = (
        it for it in repository.body if isinstance(it, ast.AsyncFunctionDef) and it.name == method
    )
    lines = finished.splitlines()[found.body[1].lineno - 1 : found.end_lineno]
    return _class_with(finished, method, "\n".join(lines))


def _green(here: Path, module: str) -> set[str]:
    script = (
        "import sys; from collection_jobs.conformance import find_target, verify\n"
        f"report = verify(find_target('{module}:open_store'), profile='quick')\n"
        "print(*(law.id for law in report.laws if law.verdict == 'holds'))\n"
        "print(*(finding.law for finding in report.findings), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=True
    )
    assert ran.stderr.split() in ([], ["ERROR-1"])
    return set(ran.stdout.split())
