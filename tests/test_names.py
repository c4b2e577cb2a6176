"""Each public name stands in one module: who looks for it finds it, and nobody finds another."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import collection_jobs

PACKAGE = Path(collection_jobs.__file__).parent

# Modules that give names of others again, each with the reason; an __init__ does so anyway.
GIVES_AGAIN = {
    "conformance/prelude.py": "the names that a history uses, to import all at once",
}


def public_names(source: str) -> set[str]:
    """The names that a module has without an underscore, and those that it lists as its own."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=targets):
                names |= {name for target in targets for name in _bound(target)}
                if _bound(targets[0]) == ["__all__"]:
                    names |= set(ast.literal_eval(node.value))
            case ast.AnnAssign(target=target):
                names |= set(_bound(target))
            case _:
                pass
    return {name for name in names if not name.startswith("_")}


def _bound(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _modules() -> Iterator[tuple[str, str]]:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if path.name != "__init__.py" and name not in GIVES_AGAIN:
            yield name, path.read_text()


def test_what_a_module_defines_and_lists_is_public() -> None:
    source = "from m import B, C\n__all__ = ['B']\nX = 1\nY, _Z = 2, 3\nW: int\ndef f(): g = 1\n"
    assert public_names(source) == {"B", "X", "Y", "W", "f"}


def test_each_public_name_stands_in_one_module() -> None:
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for module, source in _modules():
        for name in public_names(source):
            homes[name].add(module)
    assert len(homes) > 500
    assert {name: sorted(where) for name, where in homes.items() if len(where) > 1} == {}
