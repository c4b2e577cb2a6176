"""Import the package as on Windows or, with arguments, run our command with them."""

from __future__ import annotations

import importlib
import pkgutil
import sys

# They look at their system when they are imported, too.
import click
import hypothesis
import jinja2
import mypy.main
import rich.console
import rich.live
import rich.progress

from tests.windows.pretend import pretend

EARLIER = (click, hypothesis, jinja2, mypy.main, rich.console, rich.live, rich.progress)


def import_everything() -> None:
    """Import every module, and say how many there are."""
    import collection_jobs

    found = pkgutil.walk_packages(collection_jobs.__path__, "collection_jobs.")
    names = [one.name for one in found if not one.name.endswith(".__main__")]
    for name in names:
        importlib.import_module(name)
    click.echo(f"{len(names)} modules")


if __name__ == "__main__":
    # Here is `sitecustomize`, for the processes that are started: they get this path.
    assert sys.path[0].endswith("windows")
    pretend()
    if sys.argv[1:]:
        from collection_jobs.cli.entry import main

        main()
    else:
        import_everything()
