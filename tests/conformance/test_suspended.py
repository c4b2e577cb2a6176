"""Whoever had no time to answer, because the process was suspended, is not taken for silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT, SUSPENDED = 1.0, 1.6
CALL = """
import asyncio
from collection_jobs.conformance.running.runner import observe

async def answer():
    print("asked", flush=True)
    await asyncio.sleep(0.3)
    return "answered"

outcome = asyncio.run(observe(answer(), LIMIT))
print(outcome.error or outcome.value)
"""
OPENING = """
import asyncio
from contextlib import asynccontextmanager
from collection_jobs.conformance.running.open_store import open_with_timeout

@asynccontextmanager
async def opening():
    print("asked", flush=True)
    await asyncio.sleep(0.3)
    yield "answered"

async def main():
    async with open_with_timeout(opening(), LIMIT) as answer:
        print(answer)

asyncio.run(main())
"""
THREAD = """
import time
from collection_jobs.conformance.running.deadline import OPENING_STORE, begin_call, with_deadline
from collection_jobs.conformance.running.watchdog import until_overdue

def work():
    begin_call(OPENING_STORE)
    print("asked", flush=True)
    time.sleep(1.3)  # longer than the deadline, and shorter than the grace of one second after it
    return "answered"

with with_deadline(LIMIT):
    print(until_overdue(work))
"""
PIPE = """
import threading
import time
from multiprocessing import Pipe
from collection_jobs.conformance.running.processes import Worker

ours, theirs = Pipe()

def answer():
    time.sleep(0.3)
    theirs.send("answered")

threading.Thread(target=answer).start()
print("asked", flush=True)
print(Worker(ours, None).tell(LIMIT))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows suspends no process by a signal")
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(CALL, id="a call"),
        pytest.param(OPENING, id="an opening"),
        pytest.param(THREAD, id="a thread"),
        pytest.param(PIPE, id="a worker"),
    ],
)
def test_what_answers_after_a_suspension_has_answered_in_time(program: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", program.replace("LIMIT", str(LIMIT))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    time.sleep(SUSPENDED)  # that it stands still for so long is what is tested
    process.send_signal(signal.SIGCONT)
    assert process.communicate()[0] == "answered\n"
