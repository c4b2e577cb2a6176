"""Tries a built wheel as users install it: `python -m tests.wheel dist/collection_jobs-....whl`.

Each trial has an environment of its own with nothing but the wheel and one of its extras, and runs
in an empty directory, so that nothing of this repository helps. The extras are those that the wheel
itself names: one without a trial is an error, so that none is forgotten.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from email import message_from_bytes
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

_USE = """
import asyncio
from datetime import UTC, datetime
from importlib.resources import files
from collection_jobs import CollectionJob, CollectionJobRepository, JobStatus, open_repository

async def main(url):
    async with open_repository(url) as repository:
        assert isinstance(repository, CollectionJobRepository)
        year = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
        await repository.save(CollectionJob(
            id="a", source="s", symbols=("X",), timeframe="1d", start=year[0], end=year[1]))
        assert await repository.update_status("a", JobStatus.RUNNING)
        assert not await repository.update_status("a", JobStatus.RUNNING)
        await repository.add_failed_symbol("a", "X", "delisted")
        assert (await repository.get_stats("a")).failed == 1

for url in ("memory:", "sqlite:///jobs.db"):
    asyncio.run(main(url))
assert (files("collection_jobs") / "py.typed").is_file(), "the wheel says nothing of its types"
"""
_ONE_DEPENDENCY = """
from importlib.metadata import distributions
found = {it.name.lower().replace("_", "-") for it in distributions()}
found -= {"pip", "setuptools"}  # what an environment itself comes with; setuptools before 3.12
assert found == {"collection-jobs", "typing-extensions"}, f"the core brings along {found}"
"""
_NAMES_THE_EXTRA = """
import subprocess, sys
ran = subprocess.run(["collection-jobs", "verify"], capture_output=True, text=True)
assert ran.returncode == 2 and "pip install 'collection-jobs[" in ran.stderr, ran
assert "Traceback" not in ran.stderr, ran.stderr
"""
_INSTRUMENTED = """
import asyncio
from collection_jobs import open_repository
from collection_jobs.observability import instrument

async def main():
    async with open_repository("memory:") as repository:
        instrument(repository)  # without an SDK, nothing is recorded
        assert await repository.list_recent() == []

asyncio.run(main())
"""
_NO_SERVER = """
import asyncio
from collection_jobs import RepositoryError, open_repository

async def main():
    try:
        async with open_repository("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"):
            raise AssertionError("there is no server")
    except RepositoryError as error:
        assert error.__cause__ is not None, "its driver tried"

asyncio.run(main())
"""
_ADAPTER = """\
from collection_jobs import InMemoryCollectionJobRepository


class Jobs(InMemoryCollectionJobRepository):
    async def delete(self, job_id: str) -> bool:
        return await super().delete(job_id)
"""

Command = tuple[str, ...]

TRIALS: Mapping[str, tuple[Command, ...]] = {
    "": (
        ("python", "-c", _USE),
        ("python", "-c", _ONE_DEPENDENCY),
        ("python", "-c", _NAMES_THE_EXTRA),
    ),
    "cli": (
        ("python", "-c", _USE),
        ("collection-jobs", "jobs", "list", "sqlite:///jobs.db"),
        ("collection-jobs", "jobs", "stats", "sqlite:///jobs.db", "a"),
    ),
    "verify": (
        ("python", "-c", _USE),
        ("collection-jobs", "--version"),
        ("collection-jobs", "verify", "memory:", "--profile", "quick", "--html", "report.html"),
    ),
    "check": (("collection-jobs", "check", "jobs:Jobs"),),
    "postgres": (("python", "-c", _USE), ("python", "-c", _NO_SERVER)),
    "otel": (("python", "-c", _INSTRUMENTED),),
}
"""For each extra, and for none of them, what must succeed where it alone is installed."""


class TrialError(Exception):
    """A wheel does not work; the message says where."""


def extras(wheel: Path) -> list[str]:
    """The extras that a wheel names."""
    with ZipFile(wheel) as content:
        (name,) = (it for it in content.namelist() if it.endswith(".dist-info/METADATA"))
        return message_from_bytes(content.read(name)).get_all("Provides-Extra", [])


def untried(names: list[str]) -> list[str]:
    """Those of the extras that have no trial, and the trials of no extra."""
    return sorted(set(names).symmetric_difference(TRIALS.keys() - {""}))


def try_wheel(wheel: Path) -> None:
    """Make every trial.

    Raises:
        TrialError: One failed, or an extra has none.
    """
    strange = untried(extras(wheel))
    if strange:
        raise TrialError(f"extras and trials in tests/wheel.py differ: {', '.join(strange)}")
    for extra, commands in TRIALS.items():
        with TemporaryDirectory(prefix="wheel-") as directory:
            _try(wheel, extra, commands, Path(directory))


def _try(wheel: Path, extra: str, commands: tuple[Command, ...], home: Path) -> None:
    sys.stdout.write(f"{wheel.name}[{extra}]\n")
    sys.stdout.flush()
    _run(home, sys.executable, "-m", "venv", "env")
    bin_ = next(path for path in (home / "env" / "bin", home / "env" / "Scripts") if path.is_dir())
    wanted = f"{wheel.resolve()}[{extra}]" if extra else str(wheel.resolve())
    _run(home, str(bin_ / "python"), "-m", "pip", "install", "-q", wanted)
    empty = home / "empty"
    empty.mkdir()
    (empty / "jobs.py").write_text(_ADAPTER, encoding="utf-8")
    for program, *arguments in commands:
        _run(empty, str(bin_ / program), *arguments, path=str(bin_))


def _run(here: Path, *command: str, path: str | None = None) -> None:
    """Run a command without anything of the surrounding environment's Python."""
    ran = subprocess.run(
        command,
        cwd=here,
        env=_environment(path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise TrialError(f"{' '.join(command)[:200]} failed:\n{ran.stdout}")


def _environment(path: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept if path is None else {**kept, "PATH": path}


if __name__ == "__main__":
    try:
        try_wheel(Path(sys.argv[1]))
    except TrialError as error:
        sys.exit(str(error))
