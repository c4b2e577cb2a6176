"""Where a class and its methods were written: the file and line of each, from the source."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from collection_jobs.conformance.static.runtime_signature import FoundMethod

__all__ = ["Location", "class_location", "method_decorators", "method_location"]


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        """Write the location as editors link it: relative to here where it is below."""
        path, here = Path(self.file), Path.cwd()
        return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{self.line}"


def class_location(cls: type) -> Location | None:
    """Return the line of the class statement; None when there is no source."""
    file = _source_file(cls)
    if file is None:
        return None
    node = _class_node(file, cls.__qualname__)
    return Location(str(file), 1 if node is None else node.lineno)


def method_location(cls: type, name: str, found: FoundMethod | None) -> Location | None:
    """Return the line of the method's ``def``, or of whatever else gives it its name.

    What the class does not have is located where the class declares it, or else at the class
    statement: there it is to be added.
    """
    if found is None or getattr(found.value, "__isabstractmethod__", False):
        return _declaration(cls, name) or class_location(cls)
    file = _source_file(found.owner)
    node = None if file is None else _class_node(file, found.owner.__qualname__)
    written = list(_bindings(node.body, found.name)) if node is not None else []
    code = _code(found)
    if code is not None and not (written and _comes_from(code, written[-1])):
        return Location(code.co_filename, code.co_firstlineno)
    return Location(str(file), written[-1].lineno) if written else class_location(cls)


def method_decorators(cls: type, name: str, found: FoundMethod | None) -> list[str]:
    """Return the decorators of a method as its source names them, the outermost first."""
    owner = cls if found is None else found.owner
    file = _source_file(owner)
    node = None if file is None else _class_node(file, owner.__qualname__)
    written = [] if node is None else list(_bindings(node.body, name))
    if not written or not isinstance(written[-1], ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    return [ast.unparse(decorator).partition("(")[0] for decorator in written[-1].decorator_list]


def _declaration(cls: type, name: str) -> Location | None:
    file = _source_file(cls)
    node = None if file is None else _class_node(file, cls.__qualname__)
    written = [] if node is None else list(_bindings(node.body, name))
    return Location(str(file), written[-1].lineno) if written else None


def _code(found: FoundMethod) -> CodeType | None:
    function = inspect.unwrap(found.function) if callable(found.function) else None
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _comes_from(code: CodeType, written: ast.stmt) -> bool:
    """Whether a statement of the class gave the function, by itself or through a decorator."""
    if isinstance(written, ast.FunctionDef | ast.AsyncFunctionDef) and not written.decorator_list:
        return code.co_firstlineno == written.lineno  # else it was replaced afterwards
    return True


def _source_file(cls: type) -> Path | None:
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None or not file.endswith(".py"):
        return None
    path = Path(file)
    return path if path.is_file() else None


@functools.lru_cache(maxsize=64)
def _tree(file: Path, changed_at: int) -> ast.Module:
    return ast.parse(file.read_bytes())


def _class_node(file: Path, qualname: str) -> ast.ClassDef | None:
    body: list[ast.stmt] = _tree(file, file.stat().st_mtime_ns).body
    node: ast.ClassDef | None = None
    for name in qualname.split("."):
        classes = [item for item in _flat(body) if isinstance(item, ast.ClassDef)]
        node = next((item for item in reversed(classes) if item.name == name), None)
        if node is None:
            return None
        body = node.body
    return node


def _bindings(body: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Yield the statements that give a name to something, in the order of the source."""
    for item in _flat(body):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if item.name == name:
                yield item
        elif isinstance(item, ast.Assign | ast.AnnAssign):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield item


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a body runs, those in if, try and with included."""
    for item in body:
        if isinstance(item, ast.If):
            yield from [] if _is_type_checking(item.test) else _flat(item.body)
            yield from _flat(item.orelse)
        elif isinstance(item, ast.Try):
            for handler in item.handlers:
                yield from _flat(handler.body)
            yield from _flat([*item.body, *item.orelse, *item.finalbody])
        elif isinstance(item, ast.With):
            yield from _flat(item.body)
        else:
            yield item


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
