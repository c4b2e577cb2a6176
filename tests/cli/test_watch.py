"""collection-jobs jobs watch: real processes, on pipes and terminals, ended by real signals."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from collection_jobs import LeasesJobs, open_repository
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import fill, jobs, one_of_each
from tests.environment import of_a_reader

COMMAND = [sys.executable, "-m", "collection_jobs", "jobs", "watch", "--interval", "0.1"]
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Where the tests run in the background of a shell, SIGINT is ignored, and so in children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Pipe:
    """A process whose standard output is a pipe, read line by line."""

    def __init__(self, *arguments: str) -> None:
        self._rest = b""
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def next_line(self) -> str:
        # By its descriptor: what Python's own buffer held, select could not see.
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE)
            assert ready, "nothing was printed"
            data = os.read(descriptor, 65536)
            assert data, "the process ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def end(self) -> tuple[int, str, str]:
        """Its exit code, and what else it printed until it ended by itself."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, (self._rest + out).decode(), err.decode()


def test_a_pipe_gets_a_line_for_each_job_and_then_for_each_change(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Pipe(url, "--status", "running", "--status", "cancelled")) as pipe:
        first = [pipe.next_line(), pipe.next_line()]
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  cancelled  cancelled  0/2  0 c", first[0])
        assert first[1].endswith("running  running  1/2  744 candles")
        assert jobs("cancel", url, "running").exit_code == 0
        assert "running  cancelled  1/2  744 candles" in pipe.next_line()
        pipe.process.send_signal(signal.SIGINT)
        assert pipe.end() == (0, "", "")


def test_json_is_a_line_for_each_change_until_the_job_ends(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Pipe(url, "running", "--json")) as pipe:
        line = json.loads(pipe.next_line())
        assert list(line) == ["at", "job"]
        assert line["job"]["status"] == "running"
        assert jobs("cancel", url, "running").exit_code == 0
        assert json.loads(pipe.next_line())["job"]["status"] == "cancelled"
        assert pipe.end() == (0, "", "")


def test_a_job_that_is_deleted_meanwhile_ends_the_watching_of_it(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Pipe(url, "running")) as pipe:
        pipe.next_line()
        assert jobs("delete", url, "running", "--yes").exit_code == 0
        code, out, err = pipe.end()
    assert (code, out) == (1, "")
    assert err.startswith("collection-jobs jobs watch: there is no job 'running'; ")


class Terminal:
    """A process on a terminal of its own, and what it has written there."""

    def __init__(self, *arguments: str, columns: int = 80, lines: int = 24) -> None:
        self.written = ""
        # A read may end in the middle of a character.
        self._decoded = getincrementaldecoder("utf-8")()
        self._mine, theirs = pty.openpty()
        environment = of_a_reader(columns, LINES=f"{lines}", TERM="xterm")
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
            self.written += self._decoded.decode(os.read(self._mine, 65536))

    def read_to_the_end(self) -> None:
        try:
            while data := os.read(self._mine, 65536):
                self.written += self._decoded.decode(data)
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
        assert first.count("job ") == 7
        assert first.count("\n") <= 12


def test_one_job_is_watched_until_it_ends(tmp_path: Path) -> None:
    url = fill(tmp_path, one_of_each())
    with closing(Terminal(url, "running")) as terminal:
        terminal.read_until("744 candles")
        assert jobs("cancel", url, "running").exit_code == 0
        assert terminal.process.wait(PATIENCE) == 0
        terminal.read_to_the_end()
    assert "cancelled" in terminal.written


def test_a_picture_shows_the_worker_and_the_lease_and_a_renewal_is_no_change(
    tmp_path: Path,
) -> None:
    url = fill(tmp_path, [example_job("a")])

    async def claim() -> None:
        async with open_repository(url) as repository:
            assert isinstance(repository, LeasesJobs)
            lease = await repository.claim("a", "worker 7", timedelta(hours=1))
            assert lease is not None
            await repository.renew(lease, timedelta(hours=3))

    with closing(Terminal(url)) as terminal, closing(Pipe(url)) as pipe:
        assert "a  pending" in pipe.next_line()
        terminal.read_until("pending")
        asyncio.run(claim())
        terminal.read_until("worker 7")
        terminal.read_until("in 2h 59m")
        assert "a  running" in pipe.next_line()
        assert jobs("cancel", url, "a").exit_code == 0
        assert "a  cancelled" in pipe.next_line()
