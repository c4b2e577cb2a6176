"""What an editor shows of the contract, asked of the language servers of five type checkers.

    python -m tests.typing.hover wheel=ENV/bin/python stubs=ENV/bin/python

Each setting is an interpreter in whose environment the servers find the package, the stubs alone,
or both. What is asked for is every name of the package's top module with the attributes and methods
of its classes, and what a caller finds on what ``open_repository`` gives. The table says of how
many names the whole docstring is shown, and of how many nothing of it, as expected of that server;
each deviation is printed, and the exit status is 1 if there is any. `nox -s types` makes the
environments and runs it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import collection_jobs
from collection_jobs import CollectionJobRepository, opening
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
from collection_jobs.conformance.spec.capabilities import NINE, PROTOCOLS, REDECLARING
from tests.typing.language_server import SERVERS, LanguageServer

__all__ = ["Target", "deviations", "main", "targets", "unshown"]

_ADAPTERS = (
    collection_jobs.InMemoryCollectionJobRepository,
    SQLiteCollectionJobRepository,
    PostgresCollectionJobRepository,
)
_URLS = ("memory:", "sqlite:///jobs.db", "postgresql://localhost/jobs")
_LIMITS = {
    "ty": {"inherited"},
    "pyrefly": {"inherited"},
    "zuban": {"inherited", "field"},
}
"""What servers show no docstring of (ty 0.0.107, pyrefly 1.4.1, zuban 0.10.2): a method without one
that overrides one with a docstring, where the variable is of the class of an adapter, and not what
``open_repository`` gives; and a field of a dataclass. One that shows it after all
is a deviation, too: then the limit goes."""
# ty shows these as headings of its own.
_HEADING = re.compile(r"^(Args|Returns|Raises|Attributes|Yields):$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """A line of the document, and what is to be shown for the name that it ends in.

    Attributes:
        line: The line.
        documentation: The docstring; None where nothing is asked.
        kind: What may be a limit of a server; empty where every server has to show it.
    """

    line: str
    documentation: str | None = None
    kind: Literal["", "inherited", "field"] = ""


def targets() -> list[Target]:
    """The lines of the document: together a module that is right."""
    found = [*_of_the_top_module()]
    for url in _URLS:
        found += _of_opened(url)
    for adapter in _ADAPTERS:
        found += _of_adapter(adapter)
    names = sorted(set(re.findall(r"\b[A-Z]\w+|open_repository", "\n".join(t.line for t in found))))
    homes = (collection_jobs, opening)
    imports = [
        f"from {home.__name__} import {name}"
        for home in homes
        for name in names
        if name in home.__all__
    ]
    return [*map(Target, imports), *found]


def _of_the_top_module() -> Iterator[Target]:
    for home in (collection_jobs, opening):
        for name in home.__all__:
            value = getattr(home, name)
            if inspect.isfunction(value):
                yield Target(name, inspect.getdoc(value))
            elif inspect.isclass(value):
                yield Target(name, inspect.getdoc(value))
                yield from _of_class(value)


def _of_class(cls: type) -> Iterator[Target]:
    """What an instance of a class has: attributes, properties and methods of its own."""
    attributes = _attributes(cls)
    methods = {name: _doc(cls, name) for name in _public(cls) if name not in attributes}
    yield Target(f"def of_{cls.__name__}(value: {cls.__name__}) -> None:")
    yield Target("    assert value")
    for name, text in attributes.items():
        kind: Literal["", "field"] = "field" if hasattr(cls, "__dataclass_fields__") else ""
        yield Target(f"    value.{name}", text, kind)
    for name, text in methods.items():
        own = inspect.getattr_static(cls, name).__doc__
        yield Target(f"    value.{name}", text, "" if own else "inherited")


def _of_opened(url: str) -> Iterator[Target]:
    """What a caller finds on what open_repository gives, and after asking what more it has."""
    yield Target("async def opened() -> None:")
    yield Target(f'    async with open_repository("{url}") as repository:')
    for name in NINE:
        yield Target(f"        repository.{name}", _doc(CollectionJobRepository, name))
    for protocol in dict.fromkeys((*PROTOCOLS.values(), *REDECLARING.values())):
        yield Target(f"        if isinstance(repository, {protocol.__name__}):")
        for name in _public(protocol):
            yield Target(f"            repository.{name}", _doc(protocol, name))


def _of_adapter(adapter: type) -> Iterator[Target]:
    """The nine methods of an adapter, which has no docstrings of its own for them."""
    yield Target(f"from {adapter.__module__} import {adapter.__name__}")
    yield Target(f"def adapter(repository: {adapter.__name__}) -> None:")
    yield Target("    assert repository")
    for name in NINE:
        yield Target(f"    repository.{name}", _doc(CollectionJobRepository, name), "inherited")


def _public(cls: type) -> list[str]:
    return [name for name in vars(cls) if not name.startswith("_")]


def _doc(cls: type, name: str) -> str:
    return inspect.getdoc(inspect.getattr_static(cls, name)) or ""


def _attributes(cls: type) -> dict[str, str]:
    """The public attributes that a class declares, each with the text behind it."""
    (node,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    behind = ""
    for item in node.body:
        if behind and isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
            found[behind] = str(item.value.value)
        declared = (
            item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
        )
        behind = declared.id if isinstance(declared, ast.Name) else ""
        if behind and not behind.startswith("_"):
            found[behind] = ""
    return found


def words(text: str) -> list[str]:
    """The words of a text, whatever marks them up."""
    return re.findall(r"\w+", re.sub(r"&nbsp;|\\", "", text))


def unshown(documentation: str, shown: str) -> str | None:
    """The first word of a docstring that is not shown, with what is before it; None: all are."""
    left = iter(words(shown))
    wanted = words(_HEADING.sub("", documentation))
    for number, word in enumerate(wanted):
        if word not in left:  # which goes on behind the word before
            return " ".join(wanted[max(0, number - 3) : number + 1])
    return None if wanted else "it has no docstring"


def deviations(
    server: LanguageServer, asked: Iterable[tuple[int, Target]], limits: Collection[str]
) -> Iterator[str]:
    """Say for each name in the document how an editor shows something else than expected.

    Args:
        server: The server, with the document open.
        asked: The names, each with the number of its line.
        limits: The kinds of names of which the server shows no docstring.
    """
    for number, target in asked:
        shown = server.hover(number, len(target.line) - 1)
        what = unshown(target.documentation or "", shown)
        where = f"line {number + 1}, {target.line.strip()}"
        if target.kind in limits:
            if what is None:
                yield f"{where}: shown after all, so it is no limit any more"
        elif what is not None:
            yield f"{where}: {what!r} is not in {shown[:300]!r}"


def main(arguments: list[str] | None = None) -> int:
    """Ask every server in every setting; the exit status."""
    parser = argparse.ArgumentParser(description="Ask language servers what an editor shows.")
    parser.add_argument("settings", nargs="+", metavar="NAME=PYTHON")
    given: list[str] = parser.parse_args(arguments).settings
    pythons: Mapping[str, str] = dict(_setting(item) for item in given)
    lines = targets()
    asked = [(number, one) for number, one in enumerate(lines) if one.documentation is not None]
    problems = 0
    say = sys.stdout.write
    say(f"{'':14}{'setting':10}{'shown in full':>16}{'limits':>8}{'seconds':>10}\n")
    with tempfile.TemporaryDirectory() as directory:
        document = Path(directory).resolve() / "document.py"
        document.write_text("\n".join(one.line for one in lines) + "\n", encoding="utf-8")
        for name in SERVERS:
            for setting, python in pythons.items():
                began = time.perf_counter()
                limits = _LIMITS.get(name, ())
                with LanguageServer(name, document, python) as server:
                    found = list(deviations(server, asked, limits))
                seconds = time.perf_counter() - began
                limited = sum(one.kind in limits for _, one in asked)
                count = f"{len(asked) - len(found) - limited} of {len(asked)}"
                say(f"{name:14}{setting:10}{count:>16}{limited:>8}{seconds:>10.2f}\n")
                say("".join(f"  {line}\n" for line in found))
                problems += len(found)
    return 1 if problems else 0


def _setting(item: str) -> tuple[str, str]:
    name, _, python = item.partition("=")
    return name, str(Path(python).absolute())


if __name__ == "__main__":
    sys.exit(main())
