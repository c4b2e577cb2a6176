"""The words behind a command of `jobs`: which is the URL of the store, and which are jobs' ids."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import click

from collection_jobs.cli.escape import escaped
from collection_jobs.cli.failure import URL_VARIABLE, Failure
from collection_jobs.opening import looks_like_url
from collection_jobs.urls import scheme_of_url

__all__ = ["Words", "read_words", "since"]


class Words(NamedTuple):
    """What the words of a command line name.

    Attributes:
        url: The store.
        ids: The jobs, each once.
    """

    url: str
    ids: tuple[str, ...] = ()

    @property
    def job_id(self) -> str:
        """The job; empty where none is named."""
        return self.ids[0] if self.ids else ""


def read_words(words: Sequence[str], command: str, job: str, commands: Sequence[str]) -> Words:
    """Read ``[URL] [ID]...``; the URL may come from the environment instead.

    Args:
        words: The words.
        command: What is done with the job.
        job: Whether it takes a job: ``none``, ``one``, ``maybe``, or ``many`` (one or more).
        commands: All the commands, to tell a misspelt one.

    Raises:
        Failure: A word is missing or one too many.
    """
    usual = os.environ.get(URL_VARIABLE, "")
    form = f"collection-jobs jobs {command} [URL]{_FORMS[job]}"
    if job == "none" and words and scheme_of_url(words[0]) is None:
        raise Failure(_no_url(words[0], commands))
    if job != "many" and len(words) > (1 if job == "none" else 2):
        raise Failure(_too_many(words, form, commands))
    urls, ids = _parted(words, job, usual)
    if not urls:
        raise Failure(
            f"which store? Set {URL_VARIABLE}, or name it: {_EXAMPLES[job]}".format(command)
        )
    if job == "one" and not ids:
        raise Failure(f"which job? {_EXAMPLES[job]}".format(command))
    if job == "many" and not ids:
        raise Failure(f"which jobs? Name them, or use --all: {_EXAMPLES[job]}".format(command))
    url = urls[0]
    if scheme_of_url(url) is None:
        if any(map(looks_like_url, ids)):
            raise Failure(f"put the URL first: {form}")
        raise Failure(_no_url(url, commands))
    return Words(url, tuple(dict.fromkeys(ids)))


_FORMS = {"none": "", "one": " ID", "maybe": " [ID]", "many": " [ID]..."}
_EXAMPLES = {
    "none": "collection-jobs jobs {} sqlite:///jobs.db",
    "one": "collection-jobs jobs {} sqlite:///jobs.db ID",
    "maybe": "collection-jobs jobs {} sqlite:///jobs.db",
    "many": "collection-jobs jobs {} sqlite:///jobs.db ID",
}


def _parted(words: Sequence[str], job: str, usual: str) -> tuple[list[str], list[str]]:
    """Return the URL and the ids, as far as there are such."""
    given = [usual] if usual else []
    if not words:
        return given, []
    if job == "many" and len(words) > 1:
        # With a usual store, the first word is another one only where it looks like one.
        if usual and not looks_like_url(words[0]):
            return given, list(words)
        return [words[0]], list(words[1:])
    if len(words) == 2:
        return [words[0]], [words[1]]
    (word,) = words
    if job == "none" or (looks_like_url(word) and (job == "maybe" or not usual)):
        return [word], []
    return given, [word]


def _too_many(words: Sequence[str], form: str, commands: Sequence[str]) -> str:
    late = next((word for word in words[1:] if word in commands), None)
    if late is not None and looks_like_url(words[0]):
        more = " ID" if len(words) > 2 else ""
        return f"put the command first: collection-jobs jobs {late} URL{more}"
    return f"too many arguments: {form}"


def _no_url(word: str, commands: Sequence[str]) -> str:
    if Path(word).is_file():
        return f"{escaped(word)!r} is a file; its URL is sqlite:///{escaped(quote(word))}"
    # What is no word of a shell might be a URL without its scheme, with a password in it.
    shown = repr(word) if re.fullmatch(r"[\w.-]{1,40}", word) else "the argument"
    near = get_close_matches(word, commands, n=1)
    hint = (
        f"; did you mean {near[0]}?" if near else ", which begins with a scheme: sqlite:///jobs.db"
    )
    return f"{shown} is neither a command ({', '.join(commands)}) nor the URL of a store{hint}"


_AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Read an option: how long ago (90m, 3d), or an ISO date or instant, in UTC if bare."""
    if value is None:
        return None
    try:
        if ago := _AGO.fullmatch(value.strip()):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{escaped(value)!r} is not a time: give an age (90m, 12h, 3d, 2w), or a date or"
            " instant in UTC (2026-01-31, 2026-01-31T09:30)",
            ctx,
            param,
        ) from None
