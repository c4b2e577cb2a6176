"""Each public name stands in one module: who looks for it finds it, and nobody finds another."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import collection_jobs

PACKAGE = Path(collection_jobs.__file__).parent

# Modules that give names of others again, each with the reason; an __init__ does so anyway.
GIVES_AGAIN = {
    "conformance/prelude.py": "the names that a history uses, to import all at once",
}


def public_names(source: str) -> set[str]:
    """The names that a module has without an underscore, and those that it lists as its own."""
    names: set[str] = set()
    for node in _statements(ast.parse(source).body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=targets):
                names |= {name for target in targets for name in _bound(target)}
            case ast.AnnAssign(target=target):
                names |= set(_bound(target))
            case ast.ImportFrom(names=aliases):  # "as" the same name gives it again
                names |= {alias.name for alias in aliases if alias.asname == alias.name}
            case _:
                pass
        names |= _listed(node)
    return {name for name in names if not name.startswith("_")}


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The statements of a module, also those under a condition."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _statements(ast.iter_child_nodes(node))


def _listed(node: ast.AST) -> set[str]:
    """What a statement puts into ``__all__``."""
    match node:
        case (
            ast.Assign(targets=[ast.Name(id="__all__")], value=ast.expr() as value)
            | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
            | ast.AugAssign(target=ast.Name(id="__all__"), value=value)
        ):
            return set(ast.literal_eval(value))
        case _:
            return set()


def _bound(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _modules() -> Iterator[tuple[str, str]]:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if path.name != "__init__.py" and name not in GIVES_AGAIN:
            yield name, path.read_text()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from m import B, C\n__all__ = ['B']", {"B"}),
        ("X = 1\nY, _Z = 2, 3\nW: int", {"X", "Y", "W"}),
        ("def f(): g = 1\nclass C: h = 1\nasync def i(): ...", {"f", "C", "i"}),
        ("if x:\n    def f(): ...\nelse:\n    Y = 1", {"f", "Y"}),
        ("try:\n    X = 1\nexcept E:\n    Y = 1\nfinally:\n    class C: ...", {"X", "Y", "C"}),
        ("with w:\n    for _i in j:\n        X = 1", {"X"}),
        ("from m import B as B, C as D", {"B"}),
        ("__all__: list[str] = ['B']\n__all__ += ['C']", {"B", "C"}),
    ],
)
def test_what_a_module_defines_and_lists_is_public(source: str, names: set[str]) -> None:
    assert public_names(source) == names


def test_each_public_name_stands_in_one_module() -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for module, source in _modules():
        for name in public_names(source):
            homes[name].add(module)
    assert len(homes) > 500
    assert {name: sorted(where) for name, where in homes.items() if len(where) > 1} == {}
