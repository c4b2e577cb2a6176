"""Failure: how a command ends that could not do what it was asked for, in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import IO, Any

import click
from typing_extensions import override

from collection_jobs.cli.escape import escaped
from collection_jobs.opening import looks_like_url
from collection_jobs.urls import shown_url

__all__ = ["URL_VARIABLE", "Failure", "Refused", "without_urls_in_errors"]

URL_VARIABLE = "COLLECTION_JOBS_URL"
"""The environment variable that names the store where the command line does not."""


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
        click.echo(f"{self._command}: {escaped(self.format_message())}", err=True)


def _running() -> str:
    """Return the command that runs, as its user typed it."""
    names: list[str] = []
    context = click.get_current_context(silent=True)
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name or "")
        context = context.parent
    return " ".join(["collection-jobs", *names])


class Refused(Failure):
    """The store was read, and its answer is no."""

    exit_code = 1


@contextmanager
def without_urls_in_errors(words: Iterable[str]) -> Generator[None]:
    """Let errors show the URLs of a command line, wherever they stand on it, without secrets.

    Args:
        words: The command line.
    """
    try:
        yield
    except click.ClickException as error:
        everything = (*words, os.environ.get(URL_VARIABLE, ""))
        urls = [url for word in everything for url in _urls_in(word)]
        # Through the dict, since click declares these attributes final.
        for name in {"message", "ui_filename"} & vars(error).keys():
            vars(error)[name] = _with_shown(str(vars(error)[name]), urls)
        error.args = (error.message,)
        raise


_LIKE_URL = re.compile(r".*@|[^:]*:(//|.*[=?])", re.DOTALL)


def _urls_in(word: str) -> list[str]:
    """Return the URLs that a word may be, longest first; click parts options at ``=``."""
    option, _, value = word.partition("=")
    given = [word.lstrip("-"), option.lstrip("-"), value] if word.startswith("-") else [word]
    return [url for url in given if _LIKE_URL.match(url) or looks_like_url(url)]


def _with_shown(text: str, urls: Iterable[str]) -> str:
    for url in urls:
        for spelling in (url, repr(url)[1:-1]):
            text = text.replace(spelling, shown_url(url))
    return text
