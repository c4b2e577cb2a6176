"""The package as Windows would have it: without what only POSIX has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collection_jobs.conformance.checks.registry import CHECKS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "what-a-verdict-proves.md"
PROGRAM = ROOT / "tests" / "windows" / "run.py"
BY_PROCESSES = ("several handles", "damaged stores", "failing resources", "killed processes")
POSIX = (
    "import fcntl",
    "import os; os.fork()",
    "import os; os.killpg(0, 0)",
    "import signal; signal.SIGKILL",
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', ''], pass_fds=(1,))",
)


def _python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _verdicts(directory: Path, *arguments: str) -> dict[str, Any]:
    """The laws of a report on an SQLite file, by their ids."""
    (directory / "store.py").write_text(
        "from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository\n\n\n"
        "def sqlite(directory):\n"
        "    return SQLiteCollectionJobRepository(directory / 'jobs.db')\n",
        encoding="utf-8",
    )
    asked = ("verify", "store:sqlite", "--profile", "quick", "--json", "-", *arguments)
    ran = _python(str(PROGRAM), *asked, cwd=directory)
    assert ran.stdout, ran.stderr
    return {law["id"]: law for law in json.loads(ran.stdout)["laws"]}


@pytest.mark.parametrize("program", POSIX)
def test_what_only_posix_has_is_not_there(program: str) -> None:
    ran = _python("-c", f"from tests.windows.pretend import pretend; pretend(); {program}")
    last = ran.stderr.splitlines()[-1]
    assert last.startswith(("ModuleNotFoundError: ", "AttributeError: ", "ValueError: pass_fds "))


def test_every_module_can_be_imported() -> None:
    modules = sorted((ROOT / "collection_jobs").rglob("*.py"))
    ran = _python(str(PROGRAM))
    # All but the package itself, and what runs when it is given to `python -m`.
    assert ran.stdout == f"{len(modules) - 2} modules\n", ran.stderr


def test_the_checks_that_start_and_kill_processes_do(tmp_path: Path) -> None:
    checks = (part for name in BY_PROCESSES for part in ("--check", name))
    laws = _verdicts(tmp_path, *checks)
    assert laws["ERROR-1"]["verdict"] == "not checked"
    assert "cannot limit any on win32" in laws["ERROR-1"]["reason"]


@pytest.mark.release
def test_every_other_law_is_examined_and_holds(tmp_path: Path) -> None:
    laws = _verdicts(tmp_path)
    unchecked = {id_ for id_, law in laws.items() if law["verdict"] == "not checked"}
    assert unchecked == {"ERROR-1"}
    others = {law["verdict"] for id_, law in laws.items() if id_ not in unchecked}
    assert others <= {"holds", "not applicable"}


def test_the_page_says_for_each_check_what_it_gets() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## On Windows and macOS\n")[2]
    rows = re.findall(r"^\| ([^|]+?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert rows[1:] == [check.name for check in CHECKS]
