"""`collection-jobs check`: compare a class's signatures with the contract."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path
from traceback import format_exception
from typing import IO, TYPE_CHECKING, Any

import click
from typing_extensions import override

if TYPE_CHECKING:
    from collection_jobs.conformance.static import StaticReport

__all__ = ["check_command"]

_CHECKERS = ("mypy", "pyright", "basedpyright", "ty", "pyrefly", "zuban")
_EXIT_CODES = {"conforms": 0, "findings": 1, "incomplete": 3}
_STDOUT = "-"
FORMATS = ("text", "concise", "github")
"""How a report can be printed."""
_LIMIT = 60.0
"""Seconds for importing the module."""
_TRIED = 86
_IMPORT = f"""
import importlib, os, sys
try:
    importlib.import_module(sys.argv[1])
except BaseException:
    pass
os._exit({_TRIED})
"""
"""A program that ends with its own exit code, unless the module that it imports ends it."""


class _CannotRun(click.ClickException):
    """Nothing was checked; one line says why."""

    exit_code = 2

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"collection-jobs check: {self.format_message()}", err=True)


@click.command("check")
@click.argument("target", required=False)
@click.option(
    "--checker",
    "asked",
    multiple=True,
    type=click.Choice([*_CHECKERS[1:], "all"]),
    help="Run this type checker too; may be repeated. all: every installed one.",
)
@click.option(
    "--json",
    "json_file",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_STDOUT,
    help="Write the report as JSON into FILE, or to standard output in place of the text.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to print the report: for people; concise: file:line: message, for problem matchers;"
    " github: as annotations of a GitHub workflow.",
)
@click.option(
    "--allow",
    "allowed",
    metavar="METHOD:REASON",
    multiple=True,
    help="Accept the faults of this method, and show the reason in the report; may be repeated.",
)
@click.option(
    "--probe", is_flag=True, help="Only print the module that is given to the type checkers."
)
@click.option(
    "--traceback", is_flag=True, help="Print the traceback of a module that cannot be imported."
)
def check_command(
    target: str | None,
    asked: tuple[str, ...],
    json_file: str | None,
    form: str,
    allowed: tuple[str, ...],
    probe: bool,
    traceback: bool,
) -> None:
    """Check the signatures of an adapter without running it.

    TARGET is module:Class, imported as Python would import it from the current directory, as in
    shop.jobs:RedisJobs. It may also be what verify takes: module:factory, of a function whose
    annotation says what it returns, or a repository URL, which is not opened.

    mypy and every --checker check it; what they cannot see (different defaults, decorators that
    hide a method, Any) is found by inspecting the class.

    Exits with 0 (conforms), 1 (findings), 2 (could not run) or 3 (incomplete: no finding, but a
    type checker gave no verdict).
    """
    if target is None and json_file is not None:
        target, json_file = json_file, _STDOUT  # click takes what follows --json for its FILE
    if target is None:
        raise click.UsageError("name a class to check, as in: collection-jobs check shop.jobs:Jobs")
    reasons = _reasons(allowed)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the import system takes text
    _try_import(target)
    from collection_jobs.conformance.static import check_class, probe_text

    if probe:
        with _importing(target, traceback=traceback):
            text = probe_text(target)
        click.echo(text, nl=False)
        return
    if find_spec("mypy") is None:
        raise _CannotRun("mypy is missing: pip install 'collection-jobs[check]'")
    with _importing(target, traceback=traceback):
        checkers = ("mypy", *_extra_checkers(asked))
        report = check_class(target, checkers=checkers, allowed=reasons)
    if json_file is not None:
        _write_json(report, json_file)
    if json_file != _STDOUT:
        from collection_jobs.cli.check_view import show_static_report

        show_static_report(report, form)
    sys.exit(_EXIT_CODES[report.verdict])


def _reasons(allowed: tuple[str, ...]) -> dict[str, str]:
    """Return the allowed methods, each with its reason."""
    reasons: dict[str, str] = {}
    for given in allowed:
        method, _, reason = (part.strip() for part in given.partition(":"))
        if not (method and reason):
            raise click.UsageError(
                f"--allow takes a method and the reason, as in --allow 'delete:returns a row count'"
                f": {given!r}"
            )
        reasons[method] = reason
    return reasons


def _try_import(target: str) -> None:
    """Import the module in another process first, which it may end: then it would end this one.

    What it raises there it raises here, too, and is told better.
    """
    module = target.partition(":")[0]
    try:
        ran = _run_import(module)
    except subprocess.TimeoutExpired:
        raise _CannotRun(f"importing {module!r} came to no end within {_LIMIT:g} s") from None
    except OSError as exc:
        raise _CannotRun(f"no process can be started to import {module!r}: {exc}") from None
    if ran.returncode != _TRIED:
        how = f"exit code {ran.returncode}"
        if ran.returncode < 0:
            how = signal.Signals(-ran.returncode).name
        raise _CannotRun(f"importing {module!r} ended the interpreter with {how}")


def _run_import(module: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - this interpreter, and the module that is to be checked
        [sys.executable, "-c", _IMPORT, module],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        timeout=_LIMIT,
        check=False,
    )


@contextlib.contextmanager
def _importing(target: str, *, traceback: bool) -> Generator[None]:
    """Keep what a module prints when it is imported out of the output, and its failure short."""
    from collection_jobs.conformance.static import CheckedClassError

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except CheckedClassError as exc:
        if traceback and exc.__cause__ is not None:
            click.echo("".join(format_exception(exc.__cause__)), err=True, nl=False)
        raise _CannotRun(str(exc)) from exc
    except ValueError as exc:
        raise _CannotRun(str(exc)) from exc
    except BaseException as exc:
        if isinstance(exc, Exception):
            raise
        raise _CannotRun(f"importing {target!r} raised {exc!r}") from exc


def _extra_checkers(asked: tuple[str, ...]) -> tuple[str, ...]:
    from collection_jobs.conformance.static.checkers import installed_program

    if "all" not in asked:
        return asked
    installed = (name for name in _CHECKERS[1:] if installed_program(name) is not None)
    return tuple(dict.fromkeys([*(name for name in asked if name != "all"), *installed]))


def _write_json(report: StaticReport, json_file: str) -> None:
    import json

    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False)
    if json_file == _STDOUT:
        click.echo(text)
        return
    try:
        Path(json_file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as exc:
        raise _CannotRun(f"the report cannot be written: {exc}") from exc
