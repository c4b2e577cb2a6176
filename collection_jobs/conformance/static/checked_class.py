"""What is checked: a class, where it was written, and where its package is imported from."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from collection_jobs.opening import open_repository, without_secrets
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.urls import scheme_of_url, shown_url
from collection_jobs.validation import shown

__all__ = ["CheckedClass", "CheckedClassError", "load_class"]


class CheckedClassError(Exception):
    """What was named cannot be checked; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class CheckedClass:
    """A class to check.

    Attributes:
        cls: The class itself.
        module: The module that a type checker imports it from.
        qualname: Its dotted name in that module.
    """

    cls: type
    module: str
    qualname: str

    def __str__(self) -> str:
        """Return the class as the command line takes it."""
        return f"{self.module}:{self.qualname}"

    @classmethod
    def of(cls, subject: type[Any] | str) -> CheckedClass:
        """Load what a class, or its name as ``module:Class``, stands for.

        Raises:
            CheckedClassError: The name leads nowhere, or to something that is no class.
        """
        if isinstance(subject, str):
            return load_class(subject)
        if not inspect.isclass(subject):
            raise CheckedClassError(
                f"a class is checked, not {_kind_of(subject)}: {shown(subject)}"
            )
        if subject.__module__ == "__main__":
            raise CheckedClassError(
                f"{subject.__qualname__} is defined in the main program, from which no type"
                " checker can import it: move it into a module"
            )
        if "<locals>" in subject.__qualname__:
            raise CheckedClassError(
                f"{subject.__qualname__} is defined inside a function, from which no type"
                " checker can import it: move it to the top of its module"
            )
        return cls(subject, subject.__module__, subject.__qualname__)

    def import_roots(self) -> tuple[Path, ...]:
        """Where its package and this one are imported from, unless pip installed them."""
        roots = (_import_root(name) for name in (self.module, __name__))
        return tuple(dict.fromkeys(root for root in roots if root is not None))


def load_class(name: str) -> CheckedClass:
    """Find the class that a name stands for.

    Args:
        name: ``module:Class``; ``module:function`` of a function whose annotation says which class
            it returns, be it in a context manager; or the URL of a repository, which is not opened.

    Raises:
        CheckedClassError: The name leads nowhere, or to something that is no class.
    """
    module_name, colon, qualname = name.partition(":")
    parts = f"{module_name}.{qualname}".split(".")
    if not colon or not all(map(str.isidentifier, parts)):  # it may be a URL
        return _class_of_url(name)
    found = _import(module_name, name)
    for part in qualname.split("."):
        if not hasattr(found, part):
            raise CheckedClassError(_no_attribute(found, part, module_name))
        found = getattr(found, part)
    if inspect.isroutine(found):
        return CheckedClass.of(_returned_class(found, name))
    if not inspect.isclass(found):
        raise CheckedClassError(f"{name} is not a class but {_kind_of(found)}: {shown(found)}")
    return CheckedClass(found, module_name, qualname)


def _class_of_url(url: str) -> CheckedClass:
    """Return the class of the repository that a URL names, without opening it."""
    named = f"a class is named module:Class, as in shop.jobs:RedisJobs: {_shown_name(url)!r}"
    if scheme_of_url(url) is None:
        raise CheckedClassError(named)
    try:
        opening = open_repository(url)
    except Exception as error:  # noqa: BLE001 - another package may open it, and its errors be any
        raise CheckedClassError(f"{named} ({without_secrets(str(error), url)})") from None
    if not hasattr(opening, "get_by_id"):
        raise CheckedClassError(f"{named} (it does not show its class until it is opened)")
    return CheckedClass.of(type(opening))


def _returned_class(factory: Callable[..., object], name: str) -> type[Any]:
    """Return the class that a function gives, by its annotation."""
    try:
        returned = get_type_hints(inspect.unwrap(factory)).get("return")
    except Exception:  # noqa: BLE001 - an annotation is any expression, and its names may be missing
        returned = None
    inner = get_args(returned)
    if inner and get_origin(returned) in _GIVING:
        returned = inner[0]
    if not inspect.isclass(returned) or returned in (CollectionJobRepository, object):
        raise CheckedClassError(
            f"{name} is a function, and its annotation does not say which class it returns:"
            " annotate it, or name the class, as in module:Class"
        )
    return returned


_GIVING = (AsyncIterator, AsyncGenerator, AbstractAsyncContextManager)
"""What a function is annotated with that gives a repository in an ``async with`` block."""


def _shown_name(name: str) -> str:
    return name if re.fullmatch(r"[\w.]*:?[\w.]*", name) else shown_url(name)


def _import(module_name: str, name: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and f"{module_name}.".startswith(f"{exc.name}."):
            raise CheckedClassError(
                f"there is no module {exc.name!r} to import {name} from: give the name as Python "
                f"imports it, from the directory that you are in"
            ) from exc
        raise CheckedClassError(_not_imported(module_name, exc)) from exc
    except (Exception, SystemExit) as exc:  # a module's own code may raise anything
        raise CheckedClassError(_not_imported(module_name, exc)) from exc


def _not_imported(module_name: str, exc: BaseException) -> str:
    """Return what went wrong, where: the last line of a module outside the import system."""
    place = ""
    if isinstance(exc, SyntaxError) and exc.filename is not None:
        place = f" ({exc.filename}:{exc.lineno})"
    else:
        frames = traceback.extract_tb(exc.__traceback__)
        files = [frame for frame in frames[1:] if not frame.filename.startswith("<frozen")]
        own = [frame for frame in files if frame.filename != importlib.__file__]
        place = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    reason = f"{type(exc).__name__}: {_first_line(exc)}"
    return f"{module_name} cannot be imported: {reason}{place}"


def _no_attribute(owner: object, part: str, module_name: str) -> str:
    names = [name for name, value in vars(owner).items() if inspect.isclass(value)]
    near = get_close_matches(part, names, n=3, cutoff=0.5)
    if near:
        return f"{module_name} has no {part!r}; near to it: {', '.join(near)}"
    own = [name for name in names if getattr(vars(owner)[name], "__module__", "") == module_name]
    return f"{module_name} has no {part!r}; it defines {', '.join(own) or 'no class'}"


def _kind_of(value: object) -> str:
    return f"{'an' if type(value).__name__[0].lower() in 'aeiou' else 'a'} {type(value).__name__}"


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().partition("\n")[0] or "it gave no reason"


def _import_root(module_name: str) -> Path | None:
    """Return the directory on the import path that holds a module's top package."""
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    depth = module_name.count(".") + (path.stem == "__init__")
    root = path.parents[depth]
    return None if {"site-packages", "dist-packages"} & set(root.parts) else root
