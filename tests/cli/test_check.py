"""collection-jobs check: its verdict, its exit status, and one line when it cannot run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collection_jobs.cli.app import app
from collection_jobs.cli.check_view import show_static_report
from collection_jobs.conformance.static import check_class
from tests.conformance.static_modules import importable

RIGHT = "collection_jobs:InMemoryCollectionJobRepository"
SHOP = (
    "print('imported')\n"
    "class Jobs:\n"
    "    async def save(self, work: CollectionJob) -> None: ...\n"
    "    async def get_running_jobs(self): ...\n"
)


@pytest.fixture(autouse=True)
def shop(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    # One cache for all tests here: it starts cold once.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])  # the command adds the directory that it is in
    with importable(tmp_path, shop=SHOP):
        yield


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments], env={"COLUMNS": "80"})


def test_a_right_adapter_conforms() -> None:
    result = check(RIGHT)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"{RIGHT}: conforms"


def test_a_wrong_one_is_shown_method_by_method() -> None:
    result = check("shop:Jobs")
    assert result.exit_code == 1
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[:6] == [
        f"save  shop.py:{_line('work: CollectionJob')}",
        "  expected     async def save(self, job: CollectionJob) -> None",
        "  found        async def save(self, work: CollectionJob) -> None",
        "  rejected by  mypy",
        "  fault        the parameter job is named work",
        "  change       rename work to job",
    ]
    assert lines[-1] == "shop:Jobs: findings in 2 of 9 methods"
    assert max(map(len, lines)) <= 80
    assert "seen by" in result.stdout
    assert "error:" not in result.stdout


def _line(text: str) -> int:
    lines = Path("shop.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_json_goes_to_standard_output_alone() -> None:
    result = check("shop:Jobs", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["target"] == "shop:Jobs"
    assert report["verdict"] == "findings"
    assert "imported" in result.stderr


def test_json_in_front_of_the_target_is_understood() -> None:
    assert json.loads(check("--json", RIGHT).stdout)["verdict"] == "conforms"


def test_json_goes_into_a_file_beside_the_text(tmp_path: Path) -> None:
    result = check(RIGHT, "--json", str(tmp_path / "report.json"))
    assert result.exit_code == 0
    assert "conforms" in result.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    # The nine, and those of the nine optional Protocols that it has.
    assert [method["verdict"] for method in report["methods"]] == ["right"] * 23


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    result = check(RIGHT, "--json", str(tmp_path / "none" / "report.json"))
    assert result.exit_code == 2
    assert result.stderr.startswith("collection-jobs check: the report cannot be written: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop:Jib"], "collection-jobs check: shop has no 'Jib'; near to it: Jobs\n"),
        (
            ["nowhere:Jobs"],
            "collection-jobs check: there is no module 'nowhere' to import nowhere:Jobs from",
        ),
        ([], "Usage: "),
        (["shop:Jobs", "--checker", "pylint"], "Usage: "),
    ],
)
def test_what_cannot_run_exits_with_two(arguments: list[str], message: str) -> None:
    result = check(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_without_mypy_the_pip_install_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(name: str) -> None: ...

    monkeypatch.setattr("collection_jobs.cli.check.find_spec", none)
    result = check(RIGHT)
    assert result.exit_code == 2
    assert result.stderr == (
        "collection-jobs check: mypy is missing: pip install 'collection-jobs[check]'\n"
    )


def test_a_checker_that_is_asked_and_absent_leaves_the_verdict_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(name: str) -> None: ...

    monkeypatch.setattr("collection_jobs.conformance.static.checkers.installed_program", none)
    result = check(RIGHT, "--checker", "ty")
    assert result.exit_code == 3
    assert "no verdict: ty is not installed: pip install ty" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{RIGHT}: incomplete"


def test_all_asks_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fake(name: str, *, checkers: tuple[str, ...], allowed: object) -> object:
        asked.extend(checkers)
        return check_class(name, checkers=("mypy",))

    def installed(name: str) -> Path | None:
        return Path(name) if name in ("ty", "zuban") else None

    monkeypatch.setattr("collection_jobs.conformance.static.check_class", fake)
    monkeypatch.setattr("collection_jobs.conformance.static.checkers.installed_program", installed)
    assert check(RIGHT, "--checker", "all", "--checker", "ty").exit_code == 0
    assert asked == ["mypy", "ty", "zuban"]


def test_the_probe_can_be_kept_among_ones_own_tests() -> None:
    result = check("shop:Jobs", "--probe")
    assert result.exit_code == 0
    assert "from shop import Jobs as Adapter0\n" in result.stdout
    assert "imported" in result.stderr
    compile(result.stdout, "probe.py", "exec")


def test_the_probe_has_the_methods_of_capabilities_too() -> None:
    probe = check(RIGHT, "--probe").stdout
    assert "adapter.save_many\n" in probe
    assert "adapter.list_after\n" in probe


def test_faults_can_be_printed_a_line_each() -> None:
    line = _line("work: CollectionJob")
    fault = "save: the parameter job is named work: rename work to job"
    concise = check("shop:Jobs", "--format", "concise").stdout.splitlines()
    assert concise[0] == f"shop.py:{line}: {fault}"
    github = check("shop:Jobs", "--format", "github").stdout.splitlines()
    assert github[0] == f"::error file=shop.py,line={line}::{fault}"
    assert len(concise) == len(github) == 2


def test_allowed_faults_are_shown_and_do_not_count() -> None:
    allowing = ("--allow", "save: the old name", "--allow", "get_running_jobs:untyped driver")
    result = check("shop:Jobs", *allowing)
    assert result.exit_code == 0, result.output
    assert "  allowed      the old name" in result.stdout
    assert result.stdout.endswith("shop:Jobs: conforms; the faults of 2 are allowed\n")
    assert check("shop:Jobs", *allowing, "--format", "concise").stdout == ""


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ("save", "--allow takes a method and the reason"),
        ("save: ", "--allow takes a method and the reason"),
        ("remove: so be it", "'remove' cannot be allowed: it is no method of the contract"),
    ],
)
def test_what_cannot_be_allowed_is_said(allowed: str, message: str) -> None:
    result = check("shop:Jobs", "--allow", allowed)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_failing_import_names_the_line_and_shows_its_traceback_on_demand() -> None:
    Path("helping.py").write_text("def f():\n    return 1 / 0\nf()\n", encoding="utf-8")
    Path("failing.py").write_text("import helping\n", encoding="utf-8")
    result = check("failing:Jobs")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "failing cannot be imported: ZeroDivisionError: division by zero (" in line
    assert line.endswith("helping.py:2)")
    traced = check("failing:Jobs", "--traceback").stderr.splitlines()
    assert traced[0].startswith("Traceback")
    assert traced[-1] == line


def test_an_import_that_comes_to_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection_jobs.cli.check._LIMIT", 0.5)
    Path("endless.py").write_text("while True: pass\n", encoding="utf-8")
    result = check("endless:Jobs")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "collection-jobs check: importing 'endless' came to no end within 0.5 s"
    ]


def test_a_module_that_hides_one_of_the_standard_library_is_named() -> None:
    Path("types.py").write_text("", encoding="utf-8")
    result = check(RIGHT)
    assert result.exit_code == 3
    assert "no verdict: mypy ended with status 2: types.py: This file shadows" in result.stdout


def test_the_library_reports_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    show_static_report(check_class(RIGHT))
    assert f"{RIGHT}: conforms" in capsys.readouterr().out


def test_the_kit_below_the_command_line_loads_no_terminal_library_and_no_checker() -> None:
    program = (
        "import sys, collection_jobs.conformance.static\n"
        "print([name for name in ('click', 'rich', 'mypy', 'pytest', 'hypothesis', 'asyncio')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_second_run_is_quick() -> None:
    """A bound that only a lost cache or a needless import breaks: ten times what is measured."""
    command = [
        sys.executable,
        "-c",
        f"from collection_jobs.cli.app import app; app(['check', '{RIGHT}'])",
    ]
    subprocess.run(command, check=True, capture_output=True)
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    assert time.perf_counter() - began < 5
