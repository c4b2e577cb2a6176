"""Follows docs/first-adapter.md as a reader would: `python -m tests.tutorial` writes outputs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from tests.environment import of_a_reader

PAGE = Path(__file__).parent.parent / "docs" / "first-adapter.md"
PROJECT, MODULE = "dict-jobs", "dict_jobs"
_BLOCK = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)


def followed(text: str, here: Path, python: str = sys.executable) -> str:
    """The page with what its commands print now; the project is left in a directory.

    Args:
        text: The page.
        here: The directory that the reader is in.
        python: The interpreter of the reader's environment.
    """

    def follow(match: re.Match[str]) -> str:
        language, block = match.groups()
        if language == "python":
            source = here / PROJECT / MODULE / "repository.py"
            source.write_text(edited(source.read_text(), block))
            return match[0]
        command = block.partition("\n")[0].removeprefix("$ ")
        return f"```console\n$ {command}\n{_run(here, command, python)}```"

    return _BLOCK.sub(follow, text)


def edited(source: str, block: str) -> str:
    """The module after a reader did what a block of the page shows.

    Imports are added at the top. A method that is there gets the new body and keeps its docstring;
    one that is not comes at the end of the class.
    """
    if block.startswith("from "):
        # isort merges them, as an editor would.
        future = "from __future__ import annotations\n"
        return _sorted_imports(source.replace(future, f"{future}{block}", 1))
    added = ast.parse(block).body[0]
    assert isinstance(added, ast.ClassDef)
    lines = block.splitlines()
    for method in added.body:
        assert isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        source = _with_method(source, method, lines)
    return source


def _with_method(
    source: str, method: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]
) -> str:
    repository = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    body = lines[method.body[0].lineno - 1 : method.end_lineno]
    whole = source.splitlines()
    for node in repository.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == method.name:
            docstring = node.body[0]
            assert ast.get_docstring(node)
            whole[docstring.end_lineno or 0 : node.end_lineno] = body
            break
    else:
        new = ["", *lines[method.lineno - 1 : method.end_lineno]]
        whole[repository.end_lineno or 0 : repository.end_lineno] = new
    return "\n".join([*whole, ""])


def _sorted_imports(source: str) -> str:
    # Elsewhere than here, where the package is no third party.
    options = ["--isolated", "--line-length=100", "--select=I", "--fix", "--quiet", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *options],
        input=source,
        cwd=gettempdir(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _run(here: Path, command: str, python: str) -> str:
    project = here / PROJECT
    program, *arguments = command.split()
    module = {"pytest": "pytest", "collection-jobs": "collection_jobs"}[program]
    ran = subprocess.run(
        [python, "-m", module, *arguments],
        cwd=project if project.exists() else here,
        # pytest-asyncio, which the project does not need, warns where it is installed all the same.
        env=of_a_reader(PYTHONWARNINGS="ignore"),
        capture_output=True,
        text=True,
        check=False,
    )
    if "Traceback" in ran.stderr:
        raise AssertionError(ran.stderr)
    return "".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines())


def comparable(text: str) -> str:
    """The page without the seconds that its commands took, and without mypy's version."""
    return re.sub(r"(?<=mypy )[\d.]+|[\d.]+(?= ?s\b)", "#", text)


if __name__ == "__main__":
    with TemporaryDirectory() as directory:
        PAGE.write_text(followed(PAGE.read_text(), Path(directory)))
