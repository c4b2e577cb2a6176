"""The group `jobs` with all its commands."""

from __future__ import annotations

from collection_jobs.cli.jobs import changing, looking
from collection_jobs.cli.jobs.group import jobs_group

__all__ = ["jobs_group"]

# In the order in which the help shows them.
for _command in (
    looking.list_command,
    looking.show_command,
    looking.stats_command,
    looking.watch_command,
    changing.retry_command,
    changing.cancel_command,
    changing.delete_command,
):
    jobs_group.add_command(_command)
