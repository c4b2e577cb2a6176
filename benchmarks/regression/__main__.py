"""Measure every method of a former state of the package against this one.

    python -m benchmarks.regression REVISION [--engines NAME ...] [--rounds N] [--size N]
        [--callers N ...] [--most RATIO] [--clock wall|processor]

Each state runs in a process of its own, on a store of its own. The same calls go to the one and
right after to the other, in random order, so that whatever else the machine does slows them alike.
Printed are the medians, over the rounds, of the seconds a call now by those of the revision. The
exit status is 1 if a method takes more than ``--most`` times as long as it did (1.05).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks.speed.postgres_server import a_durable_server
from benchmarks.speed.workload import GROUPS

ROOT = Path(__file__).parents[2]
ENGINES = {
    "memory": "memory:",
    "sqlite": "sqlite:///{folder}/{name}.db",
    "sqlite_normal": "sqlite:///{folder}/{name}.db?synchronous=NORMAL",
    "postgres": "{server}{mark}schema=regression_{name}",
}
_SLICE_SECONDS = 0.2
_FEWEST_CALLS = 16

Ratios = dict[tuple[str, int], list[float]]


class Worker:
    """A process with one state of the package."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until its store is filled."""
        self._process = process
        self._answer()

    def ask(self, group: str, calls: int, callers: int) -> dict[str, float]:
        """Seconds a call of each method of a group."""
        assert self._process.stdin is not None  # noqa: S101 - it was made with one
        print(
            json.dumps({"group": group, "calls": calls, "callers": callers}),
            file=self._process.stdin,
            flush=True,
        )
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None  # noqa: S101 - it was made with one
        line = self._process.stdout.readline()
        if not line:
            sys.exit("a state of the package failed, see above")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextmanager
def a_worker(package: Path, url: str, size: int, clock: str) -> Iterator[Worker]:
    """Start a process with the package in one folder, and everything else as it is here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.regression.worker", url, str(size), clock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=package,
        env={**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"},
    )
    try:
        yield Worker(process)
    finally:
        process.communicate()


def check_out(revision: str, folder: Path) -> Path:
    """Write the package as it was at a revision into a folder."""
    archive = subprocess.run(
        ["git", "archive", revision, "collection_jobs"],  # noqa: S607 - the developer's own git
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    subprocess.run(["tar", "-x"], input=archive.stdout, cwd=folder, check=True)  # noqa: S607 - likewise
    return folder


def measure(workers: dict[str, Worker], rounds: int, all_callers: list[int]) -> Ratios:
    """Return the ratios of each round, by method and number of callers."""
    ratios: Ratios = defaultdict(list)
    random = Random(0)
    slices = [(group, callers) for group in GROUPS for callers in all_callers]
    calls = {slice_: _calls(workers["now"], *slice_) for slice_ in slices}
    for _ in range(rounds):
        for group, callers in random.sample(slices, len(slices)):
            taken = {
                name: workers[name].ask(group, calls[group, callers], callers)
                for name in random.sample(sorted(workers), len(workers))
            }
            for method, seconds in taken["now"].items():
                ratios[method, callers].append(seconds / taken["before"][method])
    return ratios


def _calls(worker: Worker, group: str, callers: int) -> int:
    calls = max(_FEWEST_CALLS, callers)
    worker.ask(group, calls, callers)
    seconds = sum(worker.ask(group, calls, callers).values())
    return max(calls, int(_SLICE_SECONDS / seconds))


def main() -> int:
    """Measure each engine, and print a table for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--callers", type=int, nargs="*", default=[1, 16, 256])
    parser.add_argument("--most", type=float, default=1.05)
    parser.add_argument(
        "--clock",
        choices=["wall", "processor"],
        default="wall",
        help="what the process gets of the processor is the same beside other work",
    )
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "before").mkdir()
        packages = {"before": check_out(arguments.revision, folder / "before"), "now": ROOT}
        server = stack.enter_context(a_durable_server()) if "postgres" in arguments.engines else ""
        places = {"folder": folder, "server": server, "mark": "&" if "?" in server else "?"}
        slower = [
            line
            for engine in arguments.engines
            for line in _on(engine, packages, places, arguments)
        ]
    print("\n".join([f"\nmore than {arguments.most} times as long:", *(slower or ["nothing"])]))
    return 1 if slower else 0


def _on(
    engine: str, packages: dict[str, Path], places: dict[str, Any], arguments: argparse.Namespace
) -> list[str]:
    # In memory nothing waits for anything but the processor.
    clock = "processor" if engine == "memory" else arguments.clock
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                a_worker(
                    package,
                    ENGINES[engine].format(name=f"{engine}_{name}", **places),
                    arguments.size,
                    clock,
                )
            )
            for name, package in packages.items()
        }
        ratios = measure(workers, arguments.rounds, arguments.callers)
    medians = {cell: median(found) for cell, found in ratios.items()}
    print(f"\n{engine}: seconds a call, by those of {arguments.revision}")
    print(f"{'callers':24}" + "".join(f"{callers:>8}" for callers in arguments.callers))
    for method in dict.fromkeys(method for method, _ in medians):
        cells = (medians[method, callers] for callers in arguments.callers)
        print(f"{method:24}" + "".join(f"{cell:8.2f}" for cell in cells), flush=True)
    return [
        f"{engine} {method}, {callers} callers: {ratio:.2f}"
        for (method, callers), ratio in medians.items()
        if ratio > arguments.most
    ]


if __name__ == "__main__":
    sys.exit(main())
