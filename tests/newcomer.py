"""Follows the tutorial with the kit installed as by a newcomer: `python -m tests.newcomer PLACE`.

PLACE is a wheel or a checkout. The environment has nothing else of this repository, and no index
knows the package; the project that the tutorial creates installs the kit from the same place.
"""

from __future__ import annotations

import subprocess
import sys
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment import of_a_reader
from tests.tutorial import PAGE, PROJECT, comparable, followed


def follow(place: Path, here: Path) -> str:
    """Go the whole way; return how what was printed differs from the page, empty if it does not."""
    python = _environment(here / "env")
    _run(here, python, "-m", "pip", "install", "-q", f"{place.resolve()}[check]", "pytest", "ruff")
    page = PAGE.read_text(encoding="utf-8")
    printed = followed(page, here, python)
    own = _environment(here / "own")
    project = here / PROJECT
    _run(project, own, "-m", "pip", "install", "-q", "-e", ".[dev]")
    for check in (["pytest", "-q"], ["mypy"], ["ruff", "check", "."]):
        _run(project, own, "-m", *check)
    lines = unified_diff(
        comparable(page).splitlines(), comparable(printed).splitlines(), lineterm=""
    )
    return "\n".join(lines)


def _environment(folder: Path) -> str:
    _run(folder.parent, sys.executable, "-m", "venv", str(folder))
    programs = next(path for path in (folder / "bin", folder / "Scripts") if path.is_dir())
    return str(programs / "python")


def _run(here: Path, *command: str) -> None:
    ran = subprocess.run(
        command,
        cwd=here,
        env=of_a_reader(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    with TemporaryDirectory(prefix="newcomer-") as directory:
        sys.exit(follow(Path(sys.argv[1]), Path(directory)) or 0)
