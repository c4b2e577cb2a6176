"""Crash points: at which lines a worker can be told to die, and at which calls into an engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OWN = """
import sqlite3
import click

def work(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (n)")
    click.unstyle("x")
    connection.close()
"""
COUNT = """
import sys
from collection_jobs.conformance.running.crash_points import CrashPoints
points = CrashPoints(sys.argv[1] or None)
import own
points.install()
points.start(None)
own.work(sys.argv[2])
sys.settrace(None)
sys.setprofile(None)
print(*sorted(points.stop()), sep="\\n")
"""


@pytest.mark.parametrize(("module", "others"), [("own", False), ("", True)])
def test_lines_of_what_an_adapter_builds_on_are_none_of_its_sites(
    module: str, others: bool, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    command = [sys.executable, "-c", COUNT, module, str(tmp_path / "jobs.db")]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    sites = ended.stdout.splitlines()
    own = [f"own.py:{line}" for line in (6, 7, 8, 9)]
    assert set(own) <= set(sites)
    assert "after execute at own.py:7" in sites
    lines = [site for site in sites if not site.startswith(("after ", "own.py"))]
    assert bool(lines) is others, lines
