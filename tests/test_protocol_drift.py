"""The Protocol is the mirror of the ABC, and a test would see any difference between them."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from collection_jobs import CollectionJobRepository, ICollectionJobRepository, protocol, repository
from tests.contract_drift import drift

# Each difference is planted into the source of one of the two: (module, text, what replaces it).
PLANTED = {
    "method renamed": (protocol, "def delete(", "def remove("),
    "method private": (protocol, "def get_stats(", "def _get_stats("),
    "method added to the Protocol": (
        protocol,
        "    @abstractmethod\n    def delete(",
        "    def count(self) -> int: ...\n\n    @abstractmethod\n    def delete(",
    ),
    "method added to the ABC": (
        repository,
        "    @abstractmethod\n    async def delete(",
        "    def count(self) -> int: ...\n\n    @abstractmethod\n    async def delete(",
    ),
    "parameter renamed": (protocol, "def save(self, job:", "def save(self, work:"),
    "parameter renamed in the ABC": (repository, "symbol: str, error", "ticker: str, error"),
    "parameters swapped": (protocol, "symbol: str, error: str", "error: str, symbol: str"),
    "parameter removed": (protocol, ", offset: int = 0", ""),
    "parameter added": (protocol, "def get_running_jobs(self", "def get_running_jobs(self, n=1"),
    "positional only": (
        protocol,
        "def save(self, job: CollectionJob",
        "def save(self, job: CollectionJob, /",
    ),
    "keyword only": (protocol, "status: JobStatus, limit", "status: JobStatus, *, limit"),
    "variadic": (protocol, "get_by_id(self, job_id: str", "get_by_id(self, *job_id: str"),
    "another default": (protocol, "self, limit: int = 100, since", "self, limit: int = 50, since"),
    "another default in the ABC": (repository, "offset: int = 0", "offset: int = 1"),
    "no default": (protocol, "error_message: str | None = None", "error_message: str | None"),
    "a default of another type": (protocol, "offset: int = 0", "offset: int = False"),
    "parameter of another type": (
        protocol,
        "get_stats(self, job_id: str",
        "get_stats(self, job_id: int",
    ),
    "parameter never None": (protocol, "error_message: str | None", "error_message: str"),
    "parameter not annotated": (protocol, "save(self, job: CollectionJob", "save(self, job"),
    "another result": (protocol, "Coroutine[Any, Any, bool]", "Coroutine[Any, Any, int]"),
    "result never None": (protocol, "[Any, Any, JobStats | None]", "[Any, Any, JobStats]"),
    "result of another kind": (
        repository,
        "-> list[CollectionJob]",
        "-> tuple[CollectionJob, ...]",
    ),
    "no coroutine": (protocol, "Coroutine[Any, Any, CollectionJob | None]", "CollectionJob | None"),
    "a coroutine that is sent something": (
        protocol,
        "Coroutine[Any, Any, None]",
        "Coroutine[Any, int, None]",
    ),
    "async def in the Protocol": (
        protocol,
        "def delete(self, job_id: str) -> Coroutine[Any, Any, bool]",
        "async def delete(self, job_id: str) -> bool",
    ),
    "plain def in the ABC": (repository, "async def delete(", "def delete("),
    "not abstract in the Protocol": (protocol, "@abstractmethod\n    def save(", "def save("),
    "not abstract in the ABC": (
        repository,
        "@abstractmethod\n    async def save(",
        "async def save(",
    ),
    "a static method": (
        protocol,
        "@abstractmethod\n    def delete(self, ",
        "@staticmethod\n    def delete(",
    ),
    "not checkable at run time": (protocol, "@runtime_checkable\n", ""),
    "no Protocol": (
        protocol,
        "@runtime_checkable\nclass CollectionJobRepository(Protocol)",
        "class CollectionJobRepository",
    ),
    "a law not mirrored": (protocol, "SAVE-4, ", ""),
    "a law of another number": (protocol, "GET-2", "GET-3"),
    "a law of the whole not mirrored": (
        protocol,
        "CANCEL-1, INPUT-1 and ERROR-1 apply",
        "CANCEL-1 and ERROR-1 apply",
    ),
    "a docstring not mirrored": (protocol, "Remove one job and its outcomes", "Remove one job"),
    "a docstring changed in the ABC": (repository, "nothing of the former job", "nothing of it"),
    "a law not in the ABC": (repository, "Laws: STATS-1.", "Laws: none."),
    "a new law in the ABC": (repository, "Laws: RUNNING-1.", "Laws: RUNNING-1, RUNNING-2."),
}


def test_the_protocol_mirrors_the_abc() -> None:
    assert drift(ICollectionJobRepository, CollectionJobRepository) == []


def test_the_contract_is_nine_methods() -> None:
    assert len(ICollectionJobRepository.__abstractmethods__) == 9


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_difference_is_found(name: str, tmp_path: Path) -> None:
    module, text, replacement = PLANTED[name]
    abc, mirror = _with_planted(module, text, replacement, tmp_path)
    assert drift(abc, mirror)


@pytest.mark.parametrize("module", [protocol, repository], ids=["protocol", "repository"])
def test_a_copy_without_a_difference_is_acquitted(module: ModuleType, tmp_path: Path) -> None:
    abc, mirror = _with_planted(module, "import annotations", "import annotations", tmp_path)
    assert drift(abc, mirror) == []


def _with_planted(
    module: ModuleType, text: str, replacement: str, directory: Path
) -> tuple[type, type]:
    """The two classes, one of them from a copy of its module with some text replaced."""
    source = inspect.getsource(module)
    assert text in source, f"{text!r} is not in {module.__name__}: plant something else"
    copy = directory / "planted.py"
    # Beyond the nine, a Protocol may derive from theirs: it is made by itself.
    source = source.replace(text, replacement)
    source = source.replace(
        "(CollectionJobRepository, RecordsCompletedSymbols, Protocol)", "(Protocol)"
    )
    copy.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("planted", copy)
    assert spec is not None
    assert spec.loader is not None
    planted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planted)
    if module is protocol:
        return ICollectionJobRepository, planted.CollectionJobRepository
    return planted.ICollectionJobRepository, CollectionJobRepository
