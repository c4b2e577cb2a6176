"""The stubs are what the generator writes, and every trap on the way there is sprung."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.typing.stubs_gate import ROOT, STUBS, lay_out, strict, stubtest


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "stubs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = _generator()


def stub_of(text: str, tmp_path: Path) -> str:
    """The stub of a package with one module."""
    package = tmp_path / "package"
    package.mkdir(exist_ok=True)
    (package / "module.py").write_text(text, encoding="utf-8")
    stub: str = generator.generate(package)["module.pyi"]
    return stub.partition('do not edit."""\n')[2].strip()


def test_what_is_committed_is_what_the_generator_writes() -> None:
    assert generator.drift(generator.generate(generator.PACKAGE), STUBS) == []


def test_any_drift_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pyi").write_text("old", encoding="utf-8")
    (tmp_path / "b.pyi").write_text("same", encoding="utf-8")
    (tmp_path / "c.py").write_text("", encoding="utf-8")
    assert generator.drift({"a.pyi": "new", "b.pyi": "same", "d.pyi": ""}, tmp_path) == [
        "d.pyi is missing",
        "c.py has no source any more",
        "a.pyi is not what stubs/generate.py writes: run it",
    ]


def test_the_stubs_have_the_version_of_the_package() -> None:
    versions = [
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in ("", "stubs")
    ]
    assert versions[0]["version"] == versions[1]["version"]


def test_the_protocol_stays_checkable_at_run_time() -> None:
    """isinstance() is an error for a type checker otherwise, and stubgen forgets it."""
    assert "@runtime_checkable\nclass CollectionJobRepository(Protocol):" in (
        STUBS / "protocol.pyi"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "stub"),
    [
        ("LIMIT = 3", "LIMIT: int"),
        ("NAMES: tuple[str, ...] = ('a',)", "NAMES: tuple[str, ...]"),
        ("_HIDDEN = 3\nKey = tuple[int, str]", "Key = tuple[int, str]"),
        (
            "def f(a: int=3, *b: str, c: float=sum([1])) -> None: pass",
            "def f(a: int=3, *b: str, c: float=...) -> None: ...",
        ),
        (
            "import os\nimport sys\ndef f() -> os.PathLike[str]: return sys.x",
            "import os\n\ndef f() -> os.PathLike[str]: ...",
        ),
        (
            "async def f() -> int:\n    '''Say.'''\n    return 1",
            'async def f() -> int:\n    """Say."""',
        ),
        (
            "import a\nasync def f() -> a.Iterator[int]:\n    yield 1",
            "import a\n\ndef f() -> a.Iterator[int]: ...",
        ),
        (
            "async def f() -> int:\n    def g():\n        yield 1\n    return 1",
            "async def f() -> int: ...",
        ),
        ("_T = 3\ndef f(_private: int) -> int: return _T", "def f(_private: int) -> int: ..."),
        (
            "from typing import TypeVar\n_T = TypeVar('_T')\ndef f(a: _T) -> _T: return a",
            "from typing import TypeVar\n\n_T = TypeVar('_T')\n\ndef f(a: _T) -> _T: ...",
        ),
        (
            "if TYPE_CHECKING:\n    import os\ndef f() -> os.PathLike[str]: ...",
            "import os\n\ndef f() -> os.PathLike[str]: ...",
        ),
        (
            "class A:\n    __slots__ = ('x',)\n    def __init__(self, x: int) -> None: self.x = x",
            "class A:\n    x: int\n    def __init__(self, x: int) -> None: ...",
        ),
        (
            "class A:\n    x: int\n    '''Told.'''\n\n    def __init__(self) -> None: self.x = 1",
            'class A:\n    x: int\n    """Told."""\n    def __init__(self) -> None: ...',
        ),
        ("class A(Exception):\n    pass", "class A(Exception): ..."),
        (
            "@decorated\nclass A:\n    a: int = 3\n    b: str",
            "@decorated\nclass A:\n    a: int = ...\n    b: str",
        ),
        (
            "class A:\n    @_logged\n    @property\n    def p(self) -> int: return 1",
            "class A:\n    @property\n    def p(self) -> int: ...",
        ),
        (
            "class A:\n    def __init__(self) -> None: self._x = 1\n    def _hidden(self): ...",
            "class A:\n    def __init__(self) -> None: ...",
        ),
        (
            "class A:\n    __a: int = 3\n    def __b(self) -> int: ...\n    c: int",
            "class A:\n    c: int",
        ),
        (
            "__all__ = ['a']\nfrom os import path as a, sep",
            "from os import path as a\n\n__all__ = ['a']",
        ),
    ],
)
def test_a_stub_keeps_what_types_need(source: str, stub: str, tmp_path: Path) -> None:
    assert stub_of(source, tmp_path) == stub


def test_the_methods_that_an_adapter_overrides_are_kept() -> None:
    """`@override` of a protected method is an error for a type checker where the base lacks it."""
    stub = (STUBS / "base.pyi").read_text(encoding="utf-8")
    assert "    @abstractmethod\n    async def _save(self, job: CollectionJob) -> None:" in stub
    assert "async def _open(self) -> None:" in (STUBS / "openable.pyi").read_text(encoding="utf-8")
    assert "def _put" not in (STUBS / "adapters" / "memory.pyi").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("TABLE = {}", "TABLE needs a type"),
        ("def f(a) -> int: ...", "f's a needs a type"),
        ("def f(a: int): ...", "f needs a return type"),
        ("class A:\n    def __init__(self) -> None:\n        self.x = 3", "A.x needs a type"),
    ],
)
def test_the_generator_guesses_nothing(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(generator.StubError, match=rf"module\.py:\d: {message}"):
        stub_of(source, tmp_path)


def test_of_an_engine_only_what_its_package_shows_is_stubbed(tmp_path: Path) -> None:
    engine = tmp_path / "adapters" / "engine"
    engine.mkdir(parents=True)
    (engine / "__init__.py").write_text(
        "from collection_jobs.adapters.engine.shown import A\n__all__ = ['A']\n", encoding="utf-8"
    )
    (engine / "shown.py").write_text("class A: pass\n", encoding="utf-8")
    (engine / "inner.py").write_text("TABLE = {}\n", encoding="utf-8")
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "app.py").write_text("TABLE = {}\n", encoding="utf-8")
    assert sorted(generator.generate(tmp_path)) == [
        "adapters/engine/__init__.pyi",
        "adapters/engine/shown.pyi",
        "py.typed",
    ]


def test_stubtest_and_mypy_strict_find_nothing(tmp_path: Path) -> None:
    lay_out(STUBS, tmp_path)
    assert stubtest(tmp_path) == ""
    assert strict(tmp_path) == ""


def test_stubtest_reads_the_stubs_and_not_the_inline_code(tmp_path: Path) -> None:
    stubs = lay_out(STUBS, tmp_path)
    _plant(stubs / "repository.pyi", "job_id: str", "identity: str")
    assert "job_id" in stubtest(tmp_path)


def test_mypy_strict_finds_the_result_that_stubtest_does_not_compare(tmp_path: Path) -> None:
    memory = lay_out(STUBS, tmp_path) / "adapters" / "memory.pyi"
    _plant(
        memory,
        "async def delete(self, job_id: str) -> bool",
        "async def delete(self, job_id: str) -> int",
    )
    assert "delete" in strict(tmp_path)


def _plant(path: Path, text: str, replacement: str) -> None:
    source = path.read_text(encoding="utf-8")
    assert text in source
    path.write_text(source.replace(text, replacement), encoding="utf-8")


def test_an_adapter_typed_for_checkers_only_runs_without_the_package() -> None:
    """-I and an empty path: neither the directory nor what is installed here is seen."""
    program = (ROOT / "tests" / "typing" / "without_runtime.py").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)
