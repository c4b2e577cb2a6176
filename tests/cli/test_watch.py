"""collection-jobs jobs watch: real processes, on pipes and terminals, ended by real signals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from collection_jobs.conformance.calls import example_job
from tests.cli.support import fill, jobs, one_of_each

COMMAND = [sys.executable, "-m", "collection_jobs", "jobs", "watch", "--interval", "0.1"]
PATIENCE = 30.0


@contextmanager
def piped(*arguments: str) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    assert ready, "nothing was printed"
    return process.stdout.readline()


def test_a_pipe_gets_a_line_for_each_job_and_then_for_each_change(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with piped(url, "--status", "running", "--status", "cancelled") as process:
        first = [next_line(process), next_line(process)]
        assert re.match(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  cancelled  cancelled  0/2  0 can", first[0]
        )
        assert first[1].endswith("running  running  1/2  744 candles\n")
        assert jobs("cancel", url, "running").exit_code == 0
        assert "running  cancelled  1/2  744 candles" in next_line(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_json_is_a_line_for_each_change_until_the_job_ends(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with piped(url, "running", "--json") as process:
        line = json.loads(next_line(process))
        assert list(line) == ["at", "job"]
        assert line["job"]["status"] == "running"
        assert jobs("cancel", url, "running").exit_code == 0
        assert json.loads(next_line(process))["job"]["status"] == "cancelled"
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_job_that_is_deleted_meanwhile_ends_the_watching_of_it(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with piped(url, "running") as process:
        next_line(process)
        assert jobs("delete", url, "running", "--yes").exit_code == 0
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("collection-jobs jobs watch: there is no job 'running'; ")


class Terminal:
    """A process on a terminal of its own, and what it has written there."""

    def __init__(self, *arguments: str, columns: int = 80, lines: int = 24) -> None:
        self.written = ""
        self._mine, theirs = pty.openpty()
        environment = {**os.environ, "COLUMNS": f"{columns}", "LINES": f"{lines}", "TERM": "xterm"}
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._mine)

    def read_until(self, text: str, *, after: int = 0) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.written[after:]:
            ready, _, _ = select.select([self._mine], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} did not come: {self.written!r}"
            self.written += os.read(self._mine, 65536).decode()

    def read_to_the_end(self) -> None:
        try:
            while data := os.read(self._mine, 65536):
                self.written += data.decode()
        except OSError:  # how Linux tells that nobody has the other end any more
            pass


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_has_one_picture_which_changes_in_place_and_stays(
    tmp_path: Path, ending: signal.Signals
) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Terminal(url)) as terminal:
        terminal.read_until("744")
        before = len(terminal.written)
        assert jobs("cancel", url, "running").exit_code == 0
        terminal.read_until("1h 30m", after=before)  # of the two jobs below, which are redrawn
        terminal.process.send_signal(ending)
        assert terminal.process.wait(PATIENCE) == 0
        terminal.read_to_the_end()
    assert "Traceback" not in terminal.written
    assert terminal.written.count("\x1b[?25l") == terminal.written.count("\x1b[?25h") == 1
    assert terminal.written.rstrip().endswith("\x1b[?25h")
    pictures = terminal.written.split("\x1b[2K")  # each line of the former picture is cleared
    assert len(pictures) > 1
    assert "\x1b[2J" not in terminal.written
    assert "\x1b[?1049h" not in terminal.written


def test_a_picture_never_outgrows_the_terminal(tmp_path: Path) -> None:
    url = fill(tmp_path, [example_job(f"job {n:03}") for n in range(100)])
    with closing(Terminal(url, lines=12)) as terminal:
        terminal.read_until("\x1b[2K")
        first = terminal.written.partition("\x1b[2K")[0]
        assert first.count("job ") == 8
        assert first.count("\n") <= 12


def test_one_job_is_watched_until_it_ends(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Terminal(url, "running")) as terminal:
        terminal.read_until("744 candles")
        assert jobs("cancel", url, "running").exit_code == 0
        assert terminal.process.wait(PATIENCE) == 0
        terminal.read_to_the_end()
    assert "cancelled" in terminal.written
