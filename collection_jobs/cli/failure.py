"""Failure: how a command ends that could not do what it was asked for, in one line."""

from __future__ import annotations

from typing import IO, Any

import click
from typing_extensions import override

from collection_jobs.cli.harmless import harmless

__all__ = ["Failure", "Refused"]


class Failure(click.ClickException):
    """Nothing could be done: a wrong command line, no store behind it, something is missing."""

    exit_code = 2

    def __init__(self, message: str, *, command: str | None = None) -> None:
        """Remember what to say, and for which command: by default for the one that runs."""
        super().__init__(message)
        self._command = command or _running()

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        """Say it."""
        click.echo(f"{self._command}: {harmless(self.format_message())}", err=True)


def _running() -> str:
    """The command that runs, as its user typed it."""
    names: list[str] = []
    context = click.get_current_context(silent=True)
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(["collection-jobs", *names])


class Refused(Failure):
    """The store was read, and its answer is no."""

    exit_code = 1
