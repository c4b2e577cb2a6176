"""The command group: its name, its version and its commands."""

from __future__ import annotations

from importlib import import_module

import click
from typing_extensions import override

__all__ = ["app"]

_COMMANDS = {
    "check": ("collection_jobs.cli.check", "check_command"),
    "verify": ("collection_jobs.cli.verify", "verify_command"),
}


class _Commands(click.Group):
    """Imports a command when it is asked for: what one needs is no other's start-up time."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="collection-jobs", message="%(package)s %(version)s")
def app() -> None:
    """Repositories of collection jobs: verify that an adapter keeps the contract."""
