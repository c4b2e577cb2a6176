"""The kit opens no file that its process has open: closing it would drop the locks of an engine.

POSIX drops every lock of a process on a file when the process closes any descriptor of it. So
Python code that opens, copies or reads a store's file is looked for while a connection of the same
process has that file open: in the kit's process and in all of its workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# SQLite opens its files by itself, so what Python is told of are other openings only.
HOOK = """
import os, sys

log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def is_open_here(wanted):
    for number in os.listdir("/proc/self/fd"):
        try:
            found = os.stat(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False

def hook(event, arguments):
    if event != "open" or "collection-jobs-verify-" not in str(arguments[0]):
        return
    try:
        found = os.stat(arguments[0])
    except (OSError, TypeError, ValueError):
        return
    os.write(log, f"opened {arguments[0]}\\n".encode())
    if not os.path.isdir(arguments[0]) and is_open_here(found):
        os.write(log, f"while open: {arguments[0]}\\n".encode())

sys.addaudithook(hook)
"""
VERIFY = """
import sys
from dataclasses import replace
from collection_jobs.conformance import find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.configuration import PROFILES

light = replace(PROFILES["quick"], kills=4, scripts=1, sizes=(20, 200), filling=1, walks=3)
target = find_target(sys.argv[1])
checks = [check for check in CHECKS if check.name != "interleavings"]
verify(target, profile=light, checks=checks)
"""


def opened_during_a_verdict(target: str, directory: Path) -> list[str]:
    """What Python opened of the stores: by `verify`, by its workers, and by the adapter."""
    (directory / "sitecustomize.py").write_text(HOOK)
    log = directory / "opened"
    environment = {
        **os.environ,
        "OPENED": str(log),
        "PYTHONPATH": os.pathsep.join((str(directory), str(ROOT))),
    }
    subprocess.run(
        [sys.executable, "-c", VERIFY, target],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=300,
    )
    return log.read_text().splitlines()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it looks into /proc")
@pytest.mark.parametrize(
    "target",
    [
        pytest.param("tests.mutants.stores:TableStore", marks=pytest.mark.release),
        "sqlite:///jobs.db",
    ],
)
def test_no_file_of_a_store_is_opened_by_a_process_that_has_it_open(
    target: str, tmp_path: Path
) -> None:
    if target.startswith("sqlite:"):
        target = f"sqlite:///{tmp_path}/jobs.db"
    opened = opened_during_a_verdict(target, tmp_path)
    assert [line for line in opened if line.startswith("opened")], "the hook saw no file damaged"
    assert [line for line in opened if line.startswith("while open")] == []


@pytest.mark.release
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="it looks into /proc")
def test_an_adapter_that_does_is_seen(tmp_path: Path) -> None:
    opened = opened_during_a_verdict("tests.mutants.handling:ReadsTheHeader", tmp_path)
    assert [line for line in opened if line.startswith("while open")]
