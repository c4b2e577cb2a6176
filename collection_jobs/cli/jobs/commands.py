"""The group `jobs` with all its commands."""

from __future__ import annotations

from collection_jobs.cli.jobs import write_commands
from collection_jobs.cli.jobs.failures_command import failures_command
from collection_jobs.cli.jobs.group import jobs_group
from collection_jobs.cli.jobs.list_command import list_command
from collection_jobs.cli.jobs.purge_command import purge_command
from collection_jobs.cli.jobs.show_command import show_command
from collection_jobs.cli.jobs.stats_command import stats_command
from collection_jobs.cli.jobs.watch_command import watch_command

__all__ = ["jobs_command"]

jobs_command = jobs_group

# In the order in which the help shows them.
for _command in (
    list_command,
    show_command,
    stats_command,
    failures_command,
    watch_command,
    write_commands.retry_command,
    write_commands.cancel_command,
    write_commands.release_command,
    write_commands.delete_command,
    purge_command,
):
    jobs_group.add_command(_command)
