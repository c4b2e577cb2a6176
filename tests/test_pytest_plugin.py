"""The pytest plugin: one test per law, and nothing loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from collection_jobs.conformance import LAWS

pytest_plugins = ["pytester"]

# A run of pytest within this process forgets the modules that it has loaded, but not those that
# were there: half of the kit of one run, with half of another's, cannot read its own messages.
import_module("collection_jobs.conformance.run")

MODULE = """
from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.pytest_plugin import RepositoryConformance
from tests.mutants.sequential import DropsMicroseconds

class TestRight(RepositoryConformance):
    profile = "quick"

    def open_repository(self, directory):
        return InMemoryCollectionJobRepository()

class TestPlanted(RepositoryConformance):
    profile = "quick"

    def open_repository(self, directory):
        return DropsMicroseconds()
"""


@pytest.fixture(autouse=True)
def quiet(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")


def test_a_class_gives_one_test_per_law(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODULE)
    result = pytester.runpytest("-v")
    lines = result.outlines
    assert sum("::TestRight::test_law[" in line and "PASSED" in line for line in lines) >= 21
    failed = [line for line in lines if "FAILED" in line and "::TestPlanted::" in line]
    assert any("test_law[SAVE-1]" in line for line in failed)
    result.stdout.fnmatch_lines(["SAVE-1: repository.get_by_id('a') returned a job whose *"])
    result.stdout.fnmatch_lines(["await repository.get_by_id('a')"])
    result.stdout.no_fnmatch_line("*findings.py*")


def test_the_option_gives_one_test_per_law_of_a_target(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        "--collection-jobs", "memory:", "--collection-jobs-profile", "quick", "-v"
    )
    result.stdout.fnmatch_lines([f"collection-jobs::{law} *" for law in LAWS])
    result.stdout.fnmatch_lines(["*SAVE-1 PASSED*", "*DURABLE-1 SKIPPED*not applicable*"])


def test_a_law_that_applies_and_went_unchecked_is_not_green(
    pytester: pytest.Pytester,
) -> None:
    # A class made inside a function cannot be found by the processes that would be killed.
    pytester.makepyfile(
        "from collection_jobs import open_repository\n"
        "from collection_jobs.pytest_plugin import RepositoryConformance\n"
        "def make():\n"
        "    class TestHidden(RepositoryConformance):\n"
        "        profile = 'quick'\n"
        "        def open_repository(self, directory):\n"
        "            return open_repository(f'sqlite:///{directory}/jobs.db')\n"
        "    return TestHidden\n"
        "TestFound = make()\n"
    )
    result = pytester.runpytest("-k", "DURABLE or SAVE")
    result.assert_outcomes(passed=5, failed=1, deselected=len(LAWS) - 6)
    result.stdout.fnmatch_lines(["DURABLE-1 applies and went unchecked: *"])


UNFINISHED = """
from collection_jobs import InMemoryCollectionJobRepository
from collection_jobs.pytest_plugin import RepositoryConformance

class Unfinished(InMemoryCollectionJobRepository):
    async def get_stats(self, job_id):
        raise NotImplementedError

class TestUnfinished(RepositoryConformance):
    profile = "quick"

    def open_repository(self, directory):
        return Unfinished()
"""


def test_an_unfinished_adapter_fails_once_and_the_other_laws_wait(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(UNFINISHED)
    result = pytester.runpytest("-ra", "-k", "STATS or DELETE or ERROR")
    result.assert_outcomes(passed=1, failed=1, xfailed=2, deselected=len(LAWS) - 4)
    result.stdout.fnmatch_lines(["ERROR-1: get_stats is not written yet: *"])
    result.stdout.fnmatch_lines(["*test_law[[]STATS-1] - waits for get_stats"])


@pytest.mark.parametrize("options", [("-k", "STATS"), ("-k", "STATS or ERROR", "--runxfail")])
def test_a_law_that_waits_is_red_where_nothing_else_tells(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(UNFINISHED)
    result = pytester.runpytest(*options)
    assert result.parseoutcomes().keys() <= {"failed", "deselected", "warnings"}
    result.stdout.fnmatch_lines(["STATS-1 applies and went unchecked: waits for get_stats"])


@pytest.mark.release
def test_a_class_that_processes_share_is_judged_by_processes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_shared="from collection_jobs import open_repository\n"
        "from collection_jobs.pytest_plugin import RepositoryConformance\n"
        "class TestShared(RepositoryConformance):\n"
        "    profile = 'quick'\n"
        "    def open_repository(self, directory):\n"
        "        return open_repository(f'sqlite:///{directory}/jobs.db')\n"
    )
    # In a process of its own: pytester forgets modules, and answers of workers name their classes.
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=len(LAWS) - 1, skipped=1)  # a file has no server: TIME-1


def test_a_target_that_cannot_be_judged_ends_the_run_in_one_sentence(
    pytester: pytest.Pytester,
) -> None:
    result = pytester.runpytest("--collection-jobs", "nonsense")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.str() + result.stderr.str()
    assert "--collection-jobs: 'nonsense' is not a target" in output


def test_without_its_extra_the_plugin_names_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> None:
        return None

    monkeypatch.setattr("collection_jobs.pytest_plugin.find_spec", nothing)
    result = pytester.runpytest("--collection-jobs", "memory:")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.str() + result.stderr.str()
    assert "pip install 'collection-jobs[verify]'" in output


def test_a_class_that_opens_nothing_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from collection_jobs.pytest_plugin import RepositoryConformance\n"
        "class TestMine(RepositoryConformance):\n"
        "    pass\n"
    )
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["*TestMine must say in open_repository how a store is opened*"])


def test_the_plugin_loads_neither_the_kit_nor_hypothesis_before_it_is_asked() -> None:
    script = "import collection_jobs.pytest_plugin, sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "pytest" in loaded
    assert not {"hypothesis", "collection_jobs.conformance", "rich"} & set(loaded)


@pytest.mark.parametrize("given", ["0", "-1", "nan"])
def test_a_deadline_that_is_none_is_refused_at_once(given: str, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        "--collection-jobs", "memory:", f"--collection-jobs-deadline={given}"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*collection_jobs_deadline is a positive number of seconds, not*"])


def test_the_deadline_of_the_configuration_counts(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\ncollection_jobs_deadline = 0.5\n"
    )
    target = "tests.mutants.leaving:never_opens"
    result = pytester.runpytest("--collection-jobs", target)
    result.stdout.fnmatch_lines(["ATOMIC-1: opening the store gave no answer within 0.5 s*"])
