"""The benchmark works: it measures every method, and its tables have a figure in every cell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.power.cases import LEFT_OUT, bugs, right_ones

ROOT = Path(__file__).parents[1]
METHODS = {
    *("save", "get_by_id", "delete", "list_by_status", "list_recent", "get_running_jobs"),
    *("update_status", "add_failed_symbol", "get_stats"),
    *("add_completed_symbol", "save_many", "list_after"),
}
WRITES = {
    *("save", "delete", "update_status", "add_failed_symbol", "add_completed_symbol", "save_many"),
}


def tables(output: str) -> dict[str, list[list[str]]]:
    """The cells of each table's lines, by the heading that it stands under."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in output.splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("|") and not line.startswith("|---"):
            found.setdefault(heading, []).append([it.strip() for it in line.strip("|").split("|")])
    return found


@pytest.mark.release
def test_a_quick_run_fills_every_cell(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.speed", "--quick", "--results", str(results)]
    engines = ["--only", "sqlite", "sqlite_normal", "memory", "figures"]
    run = subprocess.run([*command, *engines], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = tables(run.stdout)
    assert found.keys() == {
        *("SQLite, synchronous=FULL", "SQLite, synchronous=NORMAL", "In memory")
    }
    for engine, (head, *lines) in found.items():
        wanted = WRITES if "NORMAL" in engine else METHODS
        assert sorted(line[0].strip("`") for line in lines) == sorted(wanted)
        for line in lines:
            assert len(line) == len(head)
            for cell in line[1:]:
                figures = [float(it.replace(",", "")) for it in cell.split(" / ")]
                assert len(figures) == 2, f"{engine}: {line}"  # at 1 and 16 callers
                assert all(it >= 0 for it in figures)
    again = subprocess.run(
        [*command, "--render"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert again.stdout == run.stdout


@pytest.mark.release
def test_a_former_state_is_measured_against_this_one() -> None:
    command = [sys.executable, "-m", "benchmarks.regression", "HEAD", "--engines", "memory"]
    brief = ["--rounds", "1", "--size", "200", "--callers", "1", "--most", "1000"]
    run = subprocess.run([*command, *brief], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    _, _, head, *lines = run.stdout.splitlines()
    measured = {line.split()[0] for line in lines if line and line.split()[0] in METHODS}
    assert head.split() == ["callers", "1"]
    assert measured == METHODS
    assert lines[-1] == "nothing"


def test_every_module_of_mutants_is_on_trial_or_is_left_out_for_a_reason() -> None:
    tried = {case.name.partition(".")[0] for case in (*bugs(), *right_ones())}
    modules = {path.stem for path in (ROOT / "tests" / "mutants").glob("*.py")}
    tables = {"__init__", "origins", "race_table", "real", "table", "tried"}
    bases = {"rows", "stores", "unleased"}
    assert modules - tried - tables - bases == LEFT_OUT.keys()


def test_a_bug_is_convicted_by_all_of_its_laws_or_where_chance_decides_by_one() -> None:
    planted = list(bugs())
    assert len({case.name for case in planted}) == len(planted)
    for case in planted:
        assert case.is_convicted(case.laws)
        assert not case.is_convicted(frozenset())
        some = frozenset(sorted(case.laws)[1:])
        assert case.is_convicted(some) is (case.one_is_enough and bool(some))
