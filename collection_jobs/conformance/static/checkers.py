"""The six type checkers: how each is called on some files, away from the user's own settings."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import user_cache_path

from collection_jobs.conformance.static.diagnostics import (
    Diagnostic,
    read_mypy,
    read_pyrefly,
    read_pyright,
    read_ty,
    read_zuban,
)

__all__ = ["CHECKERS", "Checker", "CheckerError", "Job", "installed_program", "run_mypy"]

_TIMEOUT = 120.0


class CheckerError(Exception):
    """A type checker gave no verdict; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """Some files to check.

    Attributes:
        directory: A directory of its own, where the checker's settings are written.
        files: The files, by their names in that directory.
        roots: Where else modules are imported from.
        python: The interpreter whose installed packages are seen.
        cache: Where mypy keeps what it knows.
    """

    directory: Path
    files: tuple[str, ...]
    roots: tuple[Path, ...] = ()
    python: str = sys.executable
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Checker:
    """One type checker.

    Attributes:
        name: Its name, which is also its distribution's and its program's.
        arguments: The arguments for a job; writes the settings that take a file.
        read: What reads its output.
    """

    name: str
    arguments: Callable[[Job], list[str]]
    read: Callable[[str], list[Diagnostic]]

    def run(self, job: Job, *, program: Path | None = None) -> list[Diagnostic]:
        """Check some files in a process of its own.

        Args:
            job: The files.
            program: The checker's executable; default: the one beside this interpreter, or
                the first on the PATH.

        Raises:
            CheckerError: It is not installed, or it came to no verdict.
        """
        program = program or installed_program(self.name)
        if program is None:
            raise CheckerError(f"{self.name} is not installed: pip install {self.name}")
        command = [str(program), *self.arguments(job), *job.files]
        environment = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, job.roots))}
        try:
            done = subprocess.run(  # noqa: S603 - the program is one of CHECKERS, the files are ours
                command,
                cwd=job.directory,
                env=environment,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CheckerError(f"{self.name} took longer than {_TIMEOUT:.0f} s") from None
        return self.verdict(done.returncode, done.stdout, done.stderr)

    def verdict(self, status: int, output: str, errors: str) -> list[Diagnostic]:
        """Read what a run left.

        Raises:
            CheckerError: It left no verdict.
        """
        try:
            found = self.read(output)
        except (ValueError, KeyError, TypeError):
            found = []
        if status not in (0, 1) or (status == 1 and not found):
            said = str(found[0]) if found else _last_line(errors) or _last_line(output)
            said = said or "it said nothing"
            raise CheckerError(f"{self.name} ended with status {status}: {said[:200]}")
        return found


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def installed_program(name: str) -> Path | None:
    """Find a program beside this interpreter, or else on the PATH; None when there is none."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    found = beside or shutil.which(name)
    return None if found is None else Path(found)


def _mypy(job: Job) -> list[str]:
    cache = [] if job.cache is None else [f"--cache-dir={job.cache}"]
    return [
        *cache,
        "--config-file=",
        f"--python-executable={job.python}",
        "--follow-imports=silent",
        "--follow-untyped-imports",
        "--output=json",
        "--no-error-summary",
    ]


def _pyright(job: Job) -> list[str]:
    settings = {
        "include": list(job.files),
        "extraPaths": [str(root) for root in job.roots],
        "typeCheckingMode": "standard",
    }
    _write(job, "pyrightconfig.json", json.dumps(settings))
    # Files named beside a project are an error: the settings include them.
    return ["--outputjson", "--pythonpath", job.python, "--project", "."]


def _ty(job: Job) -> list[str]:
    _write(job, "ty.toml", "")
    roots = [f"--extra-search-path={root}" for root in job.roots]
    return [
        "check",
        "--exit-zero",  # it ends with 1 after warnings, too; errors are read from its output
        "--output-format=gitlab",
        "--config-file=ty.toml",
        f"--python={job.python}",
        *roots,
    ]


def _pyrefly(job: Job) -> list[str]:
    settings = (
        f"search-path = {json.dumps(['.', *map(str, job.roots)])}\n"
        f"python-interpreter-path = {json.dumps(job.python)}\n"
    )
    _write(job, "pyrefly.toml", settings)
    return ["check", "--output-format=json", "--summary=none", "--config=pyrefly.toml"]


def _zuban(job: Job) -> list[str]:
    _write(job, "mypy.ini", "[mypy]\nfollow_untyped_imports = True\n")
    roots = [f"--extra-search-path={root}" for root in job.roots]
    return [
        "check",
        "--config-file=mypy.ini",
        f"--python-executable={job.python}",
        # It does not ask that interpreter which branch of `sys.version_info >= ...` it takes.
        f"--python-version={sys.version_info.major}.{sys.version_info.minor}",
        *roots,
    ]


def _write(job: Job, name: str, text: str) -> None:
    (job.directory / name).write_text(text, encoding="utf-8")


_ALL = (
    Checker("mypy", _mypy, read_mypy),
    Checker("pyright", _pyright, read_pyright),
    Checker("basedpyright", _pyright, read_pyright),
    Checker("ty", _ty, read_ty),
    Checker("pyrefly", _pyrefly, read_pyrefly),
    Checker("zuban", _zuban, read_zuban),
)

CHECKERS: Mapping[str, Checker] = {checker.name: checker for checker in _ALL}
"""The type checkers by name."""


def run_mypy(text: str, roots: tuple[Path, ...]) -> list[Diagnostic]:
    """Check the text of a module.

    Args:
        text: The module.
        roots: Where else modules are imported from.

    Raises:
        CheckerError: mypy is not installed, or it came to no verdict.
    """
    try:
        from mypy import api
    except ImportError:
        raise CheckerError("mypy is not installed: pip install 'collection-jobs[check]'") from None
    mypy = CHECKERS["mypy"]
    cache = user_cache_path("collection-jobs", appauthor=False) / "mypy"
    job = Job(Path(), (), roots, cache=cache)
    with _environment({"MYPYPATH": os.pathsep.join(map(str, roots))}):
        try:
            answer = api.run([*mypy.arguments(job), "-c", text])
        except (OSError, sqlite3.Error):  # the cache cannot be written, as where HOME is another's
            without = replace(job, cache=Path(os.devnull))
            answer = api.run([*mypy.arguments(without), "-c", text])
    output, errors, status = answer
    return mypy.verdict(status, output, errors)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Generator[None]:
    """Set environment variables for a while: mypy takes its search path from nowhere else."""
    former = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
