"""Who may import whom: the rooms import one way, and the core stays light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import collection_jobs

PACKAGE = Path(collection_jobs.__file__).parent
DOMAIN = {
    *("status", "job", "lease", "query", "fields", "stats", "errors", "validation", "documents"),
    *("free_text", "urls", "restoring"),
}
CONTRACT = {
    *("repository", "protocol", "capabilities", "leasing", "owner", "openable"),
    *("base", "base_capabilities", "base_leases"),
}

# For each room, the rooms and the libraries beyond the standard library that it may import.
ALLOWED: dict[str, set[str]] = {
    "domain": {"domain"},
    "contract": {"domain", "contract", "typing_extensions"},
    # Each adapter imports its own driver, as is checked below.
    "adapters": {"domain", "contract", "adapters", "typing_extensions", "asyncpg"},
    # Its imports of adapters are inside functions: a scheme loads its adapter when it is opened.
    "opening": {"domain", "contract", "adapters"},
    # The kit opens URLs, and knows no adapter, no test runner and no terminal library. The static
    # checks ask mypy, from inside a function.
    "conformance": {
        *("domain", "contract", "opening", "conformance"),
        *("typing_extensions", "hypothesis", "mypy", "platformdirs"),
    },
    "cli": {
        *("domain", "contract", "opening", "conformance", "cli"),
        *("typing_extensions", "hypothesis", "click", "rich", "jinja2", "platformdirs"),
    },
    # It observes any repository, and OpenTelemetry is imported where it is asked for.
    "observability": {"domain", "contract", "observability", "opentelemetry"},
    "__main__": {"cli"},
    "pytest_plugin": {"contract", "conformance", "pytest"},
    "top": {"domain", "contract", "adapters", "opening"},
}


# The floors of the kit, the lowest first: a room imports rooms of lower floors, and itself. What is
# right (spec) knows nothing else; the static verdict and the judging of histories build on it; a
# report names the static verdict; what runs programs records histories and says what it covered;
# the checks use all of it, and each other not at all; the run and what users import stand above.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"spec"}),
    frozenset({"static", "history"}),
    frozenset({"report"}),
    frozenset({"running"}),
    frozenset({"checks"}),
    frozenset(
        {"run", "examining", "selection", "beside", "verdicts", "isolated", "prelude", "__init__"}
    ),
)
KIT = "collection_jobs.conformance"

# Modules that may import each other in a circle, each with the reason. There are none.
CIRCLES: dict[frozenset[str], str] = {}


def room(module: str) -> str:
    """The room of one of our modules, or the name of a library."""
    first, _, rest = module.partition(".")
    if first != "collection_jobs":
        return first
    name = rest.partition(".")[0]
    if not name:
        return "top"
    if name in DOMAIN:
        return "domain"
    return "contract" if name in CONTRACT else name


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    mine = room(".".join(part for part in parts if part != "__init__"))
    for module in imports(path):
        theirs = room(module)
        if theirs not in sys.stdlib_module_names:
            assert theirs in ALLOWED[mine], f"{path}: {mine} may not import {module}"


def test_no_engine_imports_another_nor_its_driver() -> None:
    adapters = PACKAGE / "adapters"
    drivers = {"sqlite3": "sqlite", "asyncpg": "postgres"}
    for path in adapters.rglob("*.py"):
        engine = path.relative_to(adapters).parts[0].removesuffix(".py")
        shared = {"job_index", "lease_table", "sorted_keys"}
        for module in imports(path):
            if module.startswith("collection_jobs.adapters."):
                assert module.split(".")[2] in {engine, *shared}
            assert drivers.get(room(module), engine) == engine


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name; a package's name is its ``__init__``."""
    found: dict[str, Path] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imported_modules() -> dict[str, set[str]]:
    """Which of our modules each imports, also within functions and for type checkers alone."""
    every = modules()
    graph: dict[str, set[str]] = {}
    for name, path in every.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & every.keys()
            elif isinstance(node, ast.ImportFrom) and node.module in every:
                below = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= below & every.keys()
                graph[name] |= set() if below <= every.keys() else {node.module}
    return graph


def circles(graph: Mapping[str, Collection[str]]) -> set[frozenset[str]]:
    """The sets of nodes of which each leads to each other."""
    reached: dict[str, set[str]] = {}
    for node in graph:
        seen, open_ = set[str](), list(graph[node])
        while open_:
            other = open_.pop()
            if other not in seen:
                seen.add(other)
                open_ += graph.get(other, ())
        reached[node] = seen
    return {
        frozenset(one for one in reached[node] if node in reached.get(one, ()))
        for node in graph
        if node in reached[node]
    }


def folder(module: str) -> str:
    """The folder of a module; of the modules that lie in none, the room."""
    path = modules()[module].relative_to(PACKAGE)
    return room(module) if len(path.parts) == 1 else str(path.parent)


def test_what_finds_circles_finds_them() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set[str](), "f": {"f"}}
    assert circles(graph) == {frozenset("abc"), frozenset("f")}
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set[str]()}) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = imported_modules()
    assert "collection_jobs.adapters.memory" in graph["collection_jobs.opening"]
    assert circles(graph) == set(CIRCLES)


def test_no_folders_import_each_other_in_a_circle() -> None:
    folders: dict[str, set[str]] = {}
    for module, others in imported_modules().items():
        mine = folder(module)
        folders.setdefault(mine, set()).update(folder(other) for other in others)
        folders[mine].discard(mine)
    assert "conformance/running" in folders["conformance/checks/crash"]
    assert circles(folders) == set()


def floor_of(module: str) -> tuple[int, str]:
    """The floor of a module of the kit, and its room there; each check is a room of its own."""
    parts = module.removeprefix(KIT).strip(".").split(".")
    first = parts[0] or "__init__"
    number = next(number for number, rooms in enumerate(FLOORS) if first in rooms)
    return number, ".".join(parts[:2] if first == "checks" else parts[:1])


@pytest.mark.parametrize("module", sorted(one for one in modules() if one.startswith(KIT)))
def test_a_room_of_the_kit_imports_only_lower_floors(module: str) -> None:
    floor, mine = floor_of(module)
    for other in imported_modules()[module]:
        if other.startswith(KIT):
            theirs, name = floor_of(other)
            registry = mine == "checks.registry" and name.startswith("checks.")
            above = floor == len(FLOORS) - 1 and theirs == floor
            assert theirs < floor or name == mine or registry or above, f"{module}: {other}"


def loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_no_driver_no_hypothesis_and_no_terminal_library() -> None:
    loaded = loaded_by("import collection_jobs")
    heavy = {
        "sqlite3",
        "asyncio",
        "typing_extensions",
        "hypothesis",
        "pytest",
        "click",
        "rich",
        "asyncpg",
        "mypy",
    }
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("collection_jobs.conformance")}


def test_every_public_name_is_loaded_when_it_is_asked_for() -> None:
    loaded = loaded_by(
        "import collection_jobs\n"
        "values = {name: getattr(collection_jobs, name) for name in collection_jobs.__all__}\n"
        "assert {value.__name__ for name, value in values.items() if name != 'TRANSITIONS'}"
        " == values.keys() - {'TRANSITIONS'}"
    )
    assert "collection_jobs.protocol" in loaded


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'collection_jobs' has no attribute 'CollectionJop'"):
        getattr(collection_jobs, "CollectionJop")  # noqa: B009 - type checkers know it is not there


def test_opening_memory_loads_no_driver() -> None:
    loaded = loaded_by("import collection_jobs; collection_jobs.open_repository('memory:')")
    assert "sqlite3" not in loaded


def test_every_name_of_the_kit_is_loaded_when_it_is_asked_for() -> None:
    """Also after its modules were imported: none may shadow a name of the kit."""
    loaded = loaded_by(
        "import importlib, pkgutil, collection_jobs.conformance as kit\n"
        "for module in pkgutil.iter_modules(kit.__path__):\n"
        "    importlib.import_module(f'{kit.__name__}.{module.name}')\n"
        "values = {name: getattr(kit, name) for name in kit.__all__}\n"
        "assert not [name for name, value in values.items() if type(value) is type(kit)]"
    )
    assert "hypothesis" in loaded


def test_importing_the_kit_alone_loads_none_of_it() -> None:
    assert "hypothesis" not in loaded_by("import collection_jobs.conformance")


def test_the_run_and_its_workers_load_hypothesis_only_when_they_search() -> None:
    """A worker process starts twice as fast without it."""
    kit = "collection_jobs.conformance"
    assert "hypothesis" not in loaded_by(f"import {kit}.run, {kit}.running.worker")


def test_a_name_that_the_kit_lacks_is_an_attribute_error() -> None:
    kit = importlib.import_module("collection_jobs.conformance")
    with pytest.raises(AttributeError, match="has no attribute 'verifi'"):
        kit.verifi  # noqa: B018 - reading it is the test
