"""Asking before a command changes or removes what its user did not name one by one."""

from __future__ import annotations

import sys

import click

from collection_jobs.cli.failure import Refused

__all__ = ["ask", "counted"]


def ask(question: str, verb: str, done: str, jobs: int) -> None:
    """Go on only if the user agrees.

    Args:
        question: What to ask, without markup that a terminal could take for its own.
        verb: What would be done, as in "delete".
        done: The same of what was done, as in "deleted".
        jobs: To how many jobs.

    Raises:
        Refused: The user disagreed, or cannot be asked.
    """
    if not on_a_terminal():
        raise Refused(
            f"nothing was {done}: there is no terminal to ask on; use --yes to {verb}"
            f" {counted(jobs)} without asking"
        )
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the question still stands on its line
        raise Refused(f"nothing was {done}: use --yes to {verb} without asking") from None
    if not agreed:
        raise Refused(f"nothing was {done}")


def on_a_terminal() -> bool:
    """Return whether somebody can answer: what is piped in may be meant for another command."""
    return sys.stdin is not None and sys.stdin.isatty()


def counted(jobs: int, kind: str = "") -> str:
    """Return a number of jobs of some kind."""
    return f"{jobs:,} {kind}job{'' if jobs == 1 else 's'}"
