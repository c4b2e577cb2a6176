"""The command `new-adapter`: a small project, red until its adapter keeps the contract."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click
from jinja2 import Environment, PackageLoader, StrictUndefined

from collection_jobs.cli.failure import Failure
from collection_jobs.cli.names import Names, find_names
from collection_jobs.conformance.capabilities import PROTOCOLS
from collection_jobs.conformance.laws import LAWS
from collection_jobs.repository import ICollectionJobRepository

__all__ = ["Step", "contract_methods", "new_adapter_command", "steps", "write_project"]

# What each file of the project is made of.
_FILES = {
    "README.md": "README.md.jinja",
    "pyproject.toml": "pyproject.toml.jinja",
    "noxfile.py": "noxfile.py.jinja",
    ".gitignore": "gitignore.jinja",
    "{module}/__init__.py": "package/__init__.py.jinja",
    "{module}/repository.py": "package/repository.py.jinja",
    "{module}/py.typed": "package/py.typed",
    "tests/test_conformance.py": "tests/test_conformance.py.jinja",
}


@click.command("new-adapter")
@click.argument("name")
def new_adapter_command(name: str) -> None:
    """Begin an adapter: a small project, red until it keeps the contract.

    NAME is that of the package, as in redis-jobs: a folder of that name is made here. In it are
    the nine methods with their contracts, a test for each law, strict type checks, and a README
    that tells the way. Nothing that is there already is touched.

    Exits with 0 (written) or 2 (not written).
    """
    try:
        names = find_names(name)
    except ValueError as error:
        raise Failure(str(error)) from error
    folder = Path(names.distribution)
    write_project(folder, names)
    click.echo(f"{folder}/ is written: a repository in {names.module}/, a test for each law.")
    click.echo("Next:")
    click.echo(f"    cd {folder}")
    click.echo("    python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'")
    click.echo("    .venv/bin/pytest")
    click.echo("The tests say what to write first; README.md tells the whole way.")


def write_project(folder: Path, names: Names) -> None:
    """Write the project into a folder that is not there yet.

    Raises:
        Failure: It is there, or cannot be written; then nothing of it is left.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        raise Failure(
            f"{str(folder)!r} is there already, and nothing was touched: take another name"
        ) from None
    except OSError as error:
        raise Failure(f"{str(folder)!r} cannot be made here: {error.strerror}") from error
    try:
        for path, text in _rendered(names):
            target = folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Failure(f"{str(folder)!r} cannot be written: {error.strerror}") from error


def _rendered(names: Names) -> Iterator[tuple[str, str]]:
    templates = Environment(
        loader=PackageLoader("collection_jobs", "cli/adapter_project"),
        autoescape=False,  # noqa: S701 - these are programs and plain text, and names are checked
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for path, template in _FILES.items():
        text = templates.get_template(template).render(
            names=names,
            version=version("collection-jobs"),
            methods=contract_methods(),
            steps=steps(),
        )
        yield path.format(module=names.module), text


def contract_methods() -> list[str]:
    """The source of the nine methods, taken from the contract itself: only the bodies are new."""
    methods: list[str] = []
    for name in vars(ICollectionJobRepository):
        method = getattr(ICollectionJobRepository, name)
        if getattr(method, "__isabstractmethod__", False):
            source = inspect.getsource(method).rstrip()
            source = source.replace("@abstractmethod", "@override", 1)
            methods.append(f"{source}\n        raise NotImplementedError")
    return methods


class Step(NamedTuple):
    """One step of the way.

    Attributes:
        methods: What is written in it.
        laws: The laws that can be examined after it.
    """

    methods: tuple[str, ...]
    laws: tuple[str, ...]


def steps() -> list[Step]:
    """The way: as few methods at a time, in the contract's order, as free some law.

    The laws beyond the nine methods are not on it: the project has none of those methods.
    """
    found: list[Step] = []
    rest = [name for name in vars(ICollectionJobRepository) if not name.startswith("_")]
    waiting = {law.id: law for law in LAWS.values() if law.capability not in PROTOCOLS}
    written: list[str] = []
    while rest:
        written.append(rest.pop(0))
        free = tuple(law.id for law in waiting.values() if not law.waits_for(rest))
        if free:
            found.append(Step(tuple(written), free))
            waiting = {law.id: law for law in waiting.values() if law.id not in free}
            written = []
    return found
