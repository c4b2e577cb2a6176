"""The entry point of the command line: it loads without any extra, and names the missing one."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]

_NEEDED = ("click", "rich", "jinja2", "hypothesis")


def main() -> None:
    """Run the command line, or say in one line which extra brings what it needs."""
    missing = [
        name for name in ("click", "rich", "jinja2", "hypothesis") if find_spec(name) is None
    ]
    if missing:
        sys.exit(
            f"collection-jobs needs {', '.join(missing)}: pip install 'collection-jobs[verify]'"
        )
    from collection_jobs.cli.app import app

    app()
