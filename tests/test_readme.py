"""The README keeps its word: its programs run, and print what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.readme import README, programs, rendered, steady


def test_every_program_and_command_prints_what_the_readme_shows() -> None:
    text = README.read_text()
    assert steady(rendered(text)) == steady(text)


def test_the_readmes_test_module_finds_the_bug_that_it_shows(tmp_path: Path) -> None:
    for name, program in programs(README.read_text()).items():
        (tmp_path / name).write_text(program)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_my_stores.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FAILED test_my_stores.py::TestMyRepository::test_law[SAVE-1]" in ran.stdout
    assert "test_law[SAVE-2]" not in ran.stdout
