"""The command `new-adapter`: create a project whose tests fail until the adapter is written."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import click
from jinja2 import Environment, PackageLoader, StrictUndefined

from collection_jobs.base import CheckedRepository
from collection_jobs.cli.failure import Failure
from collection_jobs.cli.installed_from import Requirement, requirement_from
from collection_jobs.cli.names import Names, find_names
from collection_jobs.conformance.spec.capabilities import PROTOCOLS
from collection_jobs.conformance.spec.laws import LAWS
from collection_jobs.repository import ICollectionJobRepository

__all__ = ["BASES", "HOOKS", "Base", "Stage", "methods_of", "new_adapter_command", "steps"]

Base = Literal["checked", "abc"]

BASES: dict[Base, type] = {
    "checked": CheckedRepository,
    "abc": ICollectionJobRepository,
}
"""What the repository derives from: its abstract methods are what there is to write."""

HOOKS: dict[str, tuple[str, ...]] = {
    "_save": ("save",),
    "_get": ("get_by_id", "get_stats"),
    "_delete": ("delete",),
    "_list_by_status": ("list_by_status", "get_running_jobs"),
    "_list_recent": ("list_recent",),
    "_update_status": ("update_status",),
    "_add_failed_symbol": ("add_failed_symbol",),
}
"""For each hook of CheckedRepository, the methods of the contract that need it."""

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
@click.option(
    "--base",
    type=click.Choice(list(BASES)),
    default="checked",
    show_default=True,
    help="What to derive from: CheckedRepository, which checks arguments and translates errors, so"
    " that seven hooks are left to write; or ICollectionJobRepository, whose nine methods are.",
)
@click.option(
    "--from",
    "place",
    metavar="PLACE",
    help="Where the project installs collection-jobs from: a directory, a wheel, a URL, or 'index',"
    " a package index. By default, where the running one was installed from.",
)
def new_adapter_command(name: str, base: Base, place: str | None) -> None:
    """Create an adapter project with a failing test for each law.

    NAME is the name of the package, as in redis-jobs, and of the directory that is created in the
    current one. The project has the methods to write, with their contracts, a test for each law,
    strict type checks, and a README that explains the steps. Existing files are never changed.

    Exits with 0 (written) or 2 (not written).
    """
    try:
        names = find_names(name)
    except ValueError as error:
        raise Failure(str(error)) from error
    try:
        requirement = requirement_from(place)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from") from error
    folder = Path(names.distribution)
    _write_project(folder, names, base, requirement)
    click.echo(f"Created {folder}/: a repository in {names.module}/, and a test for each law.")
    click.echo("Next:")
    click.echo(f"    cd {folder}")
    click.echo("    python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'")
    click.echo("    .venv/bin/pytest")
    click.echo("The tests say what to write first; README.md explains all the steps.")


def _write_project(folder: Path, names: Names, base: Base, requirement: Requirement) -> None:
    """Write the project into a folder that is not there yet.

    Raises:
        Failure: It is there, or cannot be written; then nothing of it is left.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        raise Failure(
            f"{str(folder)!r} already exists, and nothing was changed: choose another name"
        ) from None
    except OSError as error:
        raise Failure(f"{str(folder)!r} cannot be created here: {error.strerror}") from error
    try:
        for path, text in _rendered(names, base, requirement):
            target = folder / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Failure(f"{str(folder)!r} cannot be written: {error.strerror}") from error


def _rendered(names: Names, base: Base, requirement: Requirement) -> Iterator[tuple[str, str]]:
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
            requirement=requirement,
            base=base,
            base_class=BASES[base].__name__,
            methods=methods_of(base),
            hooks=HOOKS,
            steps=steps(base),
        )
        yield path.format(module=names.module), text


def methods_of(base: Base) -> list[str]:
    """Return the source of the methods to write, from the base itself: only the bodies are new."""
    methods: list[str] = []
    for name in _names_of(base):
        source = inspect.getsource(getattr(BASES[base], name)).rstrip()
        source = source.replace("@abstractmethod", "@override", 1)
        methods.append(f"{source}\n        raise NotImplementedError")
    return methods


def _names_of(base: Base) -> list[str]:
    return [
        name
        for name, method in vars(BASES[base]).items()
        if getattr(method, "__isabstractmethod__", False)
    ]


class Stage(NamedTuple):
    """One step of the way.

    Attributes:
        methods: What is written in it.
        laws: The laws that can be examined after it.
    """

    methods: tuple[str, ...]
    laws: tuple[str, ...]


def steps(base: Base) -> list[Stage]:
    """Order the methods in steps: as few at a time, in the base's order, as free some law.

    The laws beyond the nine methods are not on it: the project has none of those methods.
    """
    found: list[Stage] = []
    names = _names_of(base)
    waiting = {law.id: law for law in LAWS.values() if law.capability not in PROTOCOLS}
    written: list[str] = []
    for count, name in enumerate(names, 1):
        written.append(name)
        rest = [method for later in names[count:] for method in HOOKS.get(later, (later,))]
        free = tuple(law.id for law in waiting.values() if not law.waits_for(rest))
        if free:
            found.append(Stage(tuple(written), free))
            waiting = {law.id: law for law in waiting.values() if law.id not in free}
            written = []
    return found
