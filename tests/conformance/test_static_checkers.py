"""Each type checker's output is read into the same shape, and no failure is taken for a verdict."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from collection_jobs.conformance.static.checkers import (
    CHECKERS,
    Checker,
    CheckerError,
    Job,
    installed_program,
    run_mypy,
)
from collection_jobs.conformance.static.diagnostics import (
    Diagnostic,
    read_mypy,
    read_pyrefly,
    read_pyright,
    read_ty,
    read_zuban,
)

MYPY = """\
{"file": "p.py", "line": 3, "message": "Wrong", "code": "assignment", "severity": "error"}
{"file": "p.py", "line": 4, "message": "Revealed", "code": null, "severity": "note"}
"""
PYRIGHT = """{"generalDiagnostics": [
{"file": "/d/p.py", "severity": "error", "message": "Wrong\\n  in detail", "rule": "reportX",
 "range": {"start": {"line": 2, "character": 0}, "end": {"line": 2, "character": 1}}},
{"file": "/d/p.py", "severity": "warning", "message": "Odd",
 "range": {"start": {"line": 3, "character": 0}, "end": {"line": 3, "character": 1}}},
{"file": "/d/p.py", "severity": "error", "message": "The whole file"}]}"""
TY = """[
{"check_name": "bad", "description": "bad: Wrong", "severity": "major",
 "location": {"path": "p.py", "positions": {"begin": {"line": 3, "column": 1}}}},
{"check_name": "odd", "description": "odd: Odd", "severity": "minor",
 "location": {"path": "p.py", "positions": {"begin": {"line": 4, "column": 1}}}}]"""
PYREFLY = """{"errors": [
{"path": "p.py", "line": 3, "description": "Wrong", "name": "bad", "severity": "error"},
{"path": "p.py", "line": 4, "description": "Odd", "name": "odd", "severity": "warn"}]}"""
ZUBAN = """\
p.py:3: error: Wrong (got "list[int]")  [assignment]
p.py:4: note: Revealed
p.py:5:7: error: No code
Found 2 errors in 1 file (checked 1 source file)
"""


def test_mypy_is_read() -> None:
    assert read_mypy(MYPY) == [Diagnostic("p.py", 3, "Wrong", "assignment")]


def test_pyright_is_read_from_line_one() -> None:
    assert read_pyright(PYRIGHT) == [
        Diagnostic("/d/p.py", 3, "Wrong\n  in detail", "reportX"),
        Diagnostic("/d/p.py", 0, "The whole file", ""),
    ]


def test_ty_is_read() -> None:
    assert read_ty(TY) == [Diagnostic("p.py", 3, "Wrong", "bad")]


def test_pyrefly_is_read() -> None:
    assert read_pyrefly(PYREFLY) == [Diagnostic("p.py", 3, "Wrong", "bad")]


def test_zuban_is_read() -> None:
    assert read_zuban(ZUBAN) == [
        Diagnostic("p.py", 3, 'Wrong (got "list[int]")', "assignment"),
        Diagnostic("p.py", 5, "No code", ""),
    ]


def program(directory: Path, body: str) -> Path:
    """A program that stands for a type checker."""
    path = directory / "checker"
    path.write_text(f"#!{sys.executable}\nimport sys, os\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is run by its first line")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("print('panic: no node', file=sys.stderr); sys.exit(2)", "status 2: panic: no node"),
        ("print('not json'); sys.exit(1)", "status 1: not json"),
        ("sys.exit(1)", "status 1: it said nothing"),
    ],
)
def test_a_checker_that_fails_has_given_no_verdict(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckerError, match=message):
        CHECKERS["ty"].run(Job(tmp_path, ()), program=program(tmp_path, body))


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is run by its first line")
def test_a_checker_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection_jobs.conformance.static.checkers._TIMEOUT", 0.2)
    with pytest.raises(CheckerError, match="took longer than 0 s"):
        CHECKERS["ty"].run(
            Job(tmp_path, ()), program=program(tmp_path, "import time; time.sleep(60)")
        )


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is run by its first line")
def test_a_checker_runs_in_the_directory_of_its_files_with_the_roots(tmp_path: Path) -> None:
    body = "print(os.getcwd(), os.environ['MYPYPATH'], *sys.argv[1:], sep='|')"
    told: list[str] = []

    def read(output: str) -> list[Diagnostic]:
        told.extend(output.strip().split("|"))
        return []

    checker = Checker("own", lambda job: [f"--python={job.python}"], read)
    job = Job(tmp_path, ("probe.py",), (Path("/root/of/all"),), python="py")
    assert checker.run(job, program=program(tmp_path, body)) == []
    assert told == [str(tmp_path), "/root/of/all", "--python=py", "probe.py"]


def test_a_program_beside_the_interpreter_is_found() -> None:
    found = installed_program(Path(sys.executable).name)
    assert found is not None
    assert found.parent == Path(sys.executable).parent
    assert installed_program("no-such-program-anywhere") is None


@pytest.mark.parametrize("name", CHECKERS)
def test_every_checker_sees_the_interpreter_that_was_asked_for(name: str, tmp_path: Path) -> None:
    arguments = CHECKERS[name].arguments(Job(tmp_path, ("p.py",), python="/env/bin/python"))
    settings = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert "/env/bin/python" in " ".join(arguments) + settings


def test_mypy_leaves_the_environment_and_the_directory_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MYPYPATH", "before")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "mypy.ini").write_text("[mypy]\nignore_errors = True\n", encoding="utf-8")
    found = run_mypy("number: int = ''\n", ())
    assert [(item.line, item.code) for item in found] == [(1, "assignment")]
    assert os.environ["MYPYPATH"] == "before"
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["mypy.ini"]


def test_mypy_does_without_a_cache_where_none_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("no directory", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = run_mypy("number: int = ''\n", ())
    assert [(item.line, item.code) for item in found] == [(1, "assignment")]


def test_warnings_alone_are_no_failure_of_ty_and_zuban_knows_the_version(tmp_path: Path) -> None:
    # ty ends with 1 after a warning; what it has to say stands in its output.
    assert "--exit-zero" in CHECKERS["ty"].arguments(Job(tmp_path, ("p.py",)))
    version = f"--python-version={sys.version_info.major}.{sys.version_info.minor}"
    assert version in CHECKERS["zuban"].arguments(Job(tmp_path, ("p.py",)))
