"""The command group: its name, its version and its commands."""

from __future__ import annotations

import click

from collection_jobs.cli.verify import verify_command

__all__ = ["app"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="collection-jobs", message="%(package)s %(version)s")
def app() -> None:
    """Repositories of collection jobs: verify that an adapter keeps the contract."""


app.add_command(verify_command)
