"""docs/command-line.md tells every command and option, with the extra that it needs."""

from __future__ import annotations

import re

import click

from collection_jobs.cli.app import COMMANDS
from collection_jobs.cli.jobs.commands import jobs_command
from tests.documentation import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def test_every_command_and_option_of_jobs_is_told() -> None:
    told = re.findall(r"^\| `jobs (\w+) (\[URL\](?: \[?ID\]?(?:\.\.\.)?)?)`", PAGE, re.MULTILINE)
    forms: list[tuple[str, str]] = []
    for name, command in jobs_command.commands.items():
        (words,) = (it for it in command.params if isinstance(it, click.Argument))
        forms.append((name, words.make_metavar(click.Context(command))))
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"{option.opts[0]}" in PAGE, f"{name} {option.opts[0]}"
    assert told == forms


def test_every_command_is_told_with_the_extra_that_it_needs() -> None:
    extras = {"check": "check", **{n: it.extra for n, it in COMMANDS.items() if n != "check"}}
    told = re.findall(r"^\| `collection-jobs ([\w-]+).*\| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert dict(told) == extras
