"""The command group: its name, its version and its commands."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import click
from typing_extensions import override

from collection_jobs.cli.failure import Failure, without_urls_in_errors
from collection_jobs.urls import scheme_of_url

__all__ = ["COMMANDS", "app"]


_WORDS = "collection_jobs.words"
"""Where a context holds the command line."""


class Entry(NamedTuple):
    """A command that is not loaded yet.

    Attributes:
        module: Where it is.
        name: What it is called there.
        summary: What it does, in a few words.
        needs: The libraries that it cannot do without, beyond click and rich.
        extra: Which extra of the package brings them.
    """

    module: str
    name: str
    summary: str
    needs: tuple[str, ...] = ()
    extra: str = "cli"


COMMANDS = {
    "check": Entry(
        "collection_jobs.cli.check",
        "check_command",
        "Check the signatures of an adapter without running it.",
    ),
    "jobs": Entry(
        "collection_jobs.cli.jobs.commands",
        "jobs_command",
        "List and inspect the jobs of a store; retry, cancel, release, delete or purge them.",
    ),
    "new-adapter": Entry(
        "collection_jobs.cli.new_adapter",
        "new_adapter_command",
        "Create an adapter project with a failing test for each law.",
        needs=("jinja2",),
        extra="verify",
    ),
    "verify": Entry(
        "collection_jobs.cli.verify",
        "verify_command",
        "Verify a repository against every law of the contract.",
        needs=("hypothesis", "jinja2"),
        extra="verify",
    ),
}


class _Lazy(click.Command):
    """A command that is imported when it is made: what one needs is no other's start-up time."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, short_help=entry.summary)
        self._entry = entry

    @override
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        missing = [name for name in self._entry.needs if find_spec(name) is None]
        if not missing:
            command: click.Command = getattr(import_module(self._entry.module), self._entry.name)
            return command.make_context(info_name, args, parent=parent, **extra)
        if extra.get("resilient_parsing"):  # a shell asks what may follow: no place for an error
            return super().make_context(info_name, [], parent=parent, **extra)
        raise Failure(
            f"needs {' and '.join(missing)}: pip install 'collection-jobs[{self._entry.extra}]'",
            command=f"collection-jobs {self.name}",
        )


class _Commands(click.Group):
    """Knows its commands by their names alone."""

    @override
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        words = tuple(args)  # what is parsed is taken out of the list
        with without_urls_in_errors(words):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_WORDS] = words
        return context

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with without_urls_in_errors(ctx.meta[_WORDS]):
            return super().invoke(ctx)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word not in COMMANDS and scheme_of_url(word) is not None:
            ctx.fail("a URL follows a command, as in: collection-jobs jobs URL")
        if word not in COMMANDS:
            near = get_close_matches(word, [*COMMANDS, *_of_jobs()], n=1)
            if near:
                name = near[0] if near[0] in COMMANDS else f"jobs {near[0]}"
                ctx.fail(f"No such command {word!r}. Did you mean {name!r}?")
        return super().resolve_command(ctx, args)

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _Lazy(cmd_name, COMMANDS[cmd_name]) if cmd_name in COMMANDS else None


def _of_jobs() -> Iterable[str]:
    """Return the names of the commands behind `jobs`, which are loaded for a mistake alone."""
    entry = COMMANDS["jobs"]
    group: click.Group = getattr(import_module(entry.module), entry.name)
    return group.commands


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="collection-jobs", message="%(package)s %(version)s")
def app() -> None:
    """Repositories of collection jobs: write an adapter, verify it, inspect its jobs."""
