"""Runs command lines as a user without privileges: `python -m tests.cli.unprivileged`.

It reads JSON, two lists of command lines. The first are run as they are, so that what the others
need is loaded while it may still be read; the second as nobody where this is root, for whom no file
is read-only. It prints their exit codes and what they say on standard error, as JSON.
"""

from __future__ import annotations

import json
import os
import pwd
import sys

from click.testing import CliRunner

from collection_jobs.cli.app import app


def become_nobody() -> None:
    """Give up root, for good."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def main() -> None:
    """Run what is read, and print what came of it."""
    loading, lines = json.load(sys.stdin)
    for line in loading:
        CliRunner().invoke(app, line)
    if os.geteuid() == 0:
        become_nobody()
    results = [CliRunner().invoke(app, line) for line in lines]
    json.dump([(one.exit_code, one.stderr) for one in results], sys.stdout)


if __name__ == "__main__":
    main()
