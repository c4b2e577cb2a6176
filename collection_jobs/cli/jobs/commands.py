"""The group `jobs` with all its commands."""

from __future__ import annotations

from collection_jobs.cli.jobs import read_commands, write_commands
from collection_jobs.cli.jobs.group import jobs_group

__all__ = ["jobs_command"]

jobs_command = jobs_group

# In the order in which the help shows them.
for _command in (
    read_commands.list_command,
    read_commands.show_command,
    read_commands.stats_command,
    read_commands.watch_command,
    write_commands.retry_command,
    write_commands.cancel_command,
    write_commands.release_command,
    write_commands.delete_command,
):
    jobs_group.add_command(_command)
