"""The entry point of the command line: it loads without any extra, and names the missing one."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say in one line which extra brings what it needs."""
    missing = [name for name in ("click", "rich") if find_spec(name) is None]
    if missing:
        print(  # noqa: T201 - click, which would print it, may be what is missing
            f"collection-jobs needs {' and '.join(missing)}: pip install 'collection-jobs[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from collection_jobs.cli.app import app

    app()
