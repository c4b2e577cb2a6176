"""What a new capability costs in the kit: one with one method and one law, made up for this trial.

The package is copied, and the copy is edited as by somebody who adds the capability: its Protocol,
its method in the three adapters, and in the kit what `EDITS` lists. Then the copy judges its own
adapters; and without any one of these edits a test of `test_operations` names what is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.postgres_server import a_database, a_schema
from tests.conformance.support import ROOT

KIT = "collection_jobs/conformance"
MOST_FILES = 8
ALONE = "wrong inputs,a closed repository,one caller"


@dataclass(frozen=True)
class Edit:
    """A text that is put in front of a line of a file.

    Attributes:
        path: The file.
        before: How the line begins, as the only one.
        text: What is put there.
        names: What a test says where it is missing, the file included.
    """

    path: str
    before: str
    text: str
    names: tuple[str, ...] = ()


PROTOCOL = (
    Edit("collection_jobs/capabilities.py", '    "SavesMany",', '    "SetsSource",\n'),
    Edit(
        "collection_jobs/capabilities.py",
        "@runtime_checkable\nclass SavesMany",
        '''@runtime_checkable
class SetsSource(Protocol):
    """A repository that changes where a job is collected from."""

    @abstractmethod
    def set_source(self, job_id: str, exchange: str) -> Coroutine[Any, Any, bool]:
        """Change the source of a job. Laws: SOURCE-1."""
        ...


''',
    ),
)
EDITS = (
    Edit(
        f"{KIT}/spec/capabilities.py",
        '"""The optional Protocols by name.',
        """from collection_jobs.capabilities import SetsSource  # noqa: E402

PROTOCOLS = MappingProxyType({**PROTOCOLS, "SetsSource": SetsSource})
""",
        ("SetsSource", "spec/capabilities.py"),
    ),
    Edit(
        f"{KIT}/spec/laws.py",
        '    Law(\n        "KEY-1"',
        """    Law(
        "SOURCE-1",
        "the source is changed, and stays so",
        "True when there is such a job: its source is then the given one. No change is lost.",
        capability="SetsSource",
        methods=_SAVED,
    ),
""",
        ("SOURCE-1", "spec/laws.py"),
    ),
    Edit(
        f"{KIT}/spec/judge.py",
        "def judge_failure(",
        '''def judge_source(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge a ``set_source``."""
    if outcome.error is not None:
        return state, unexpected(call, outcome, "SOURCE-1")
    facts = state.facts
    after = state.blaming("SOURCE-1") if state.blame == "GET-1" else state
    if facts is not None:
        after = changed(state, facts._replace(source=call.arguments[1]), "SOURCE-1")
    if outcome.value is not (facts is not None):
        return after, (Violation("SOURCE-1", "{} {}, which is wrong", (call, outcome)),)
    return after, ()


''',
        ("judge_source", "spec/judge.py"),
    ),
    Edit(
        f"{KIT}/spec/operations.py",
        '    Operation("list_after"',
        """    Operation(
        "set_source",
        "writes",
        Laws("SOURCE-1", lost="SOURCE-1", losing="SOURCE-1"),
        judge_source,
        success=True,
    ),
""",
        ("set_source", "spec/operations.py"),
    ),
    Edit(
        f"{KIT}/spec/parameters.py",
        '        "symbol": _SYMBOL,',
        """        "exchange": Kind(
            "exchange", lambda job_id, number: f"no. {number}", _NAMES, few=("kraken", "coinbase")
        ),
""",
        ("exchange of set_source", "spec/parameters.py"),
    ),
    Edit(
        f"{KIT}/checks/sequential/strategies.py",
        '        "symbol": st.sampled_from(("BTC", "ETH", "XRP")),',
        '        "exchange": st.sampled_from(("kraken", "A ", "x" * 255)),\n',
        ("draws a exchange for set_source", "HOSTILE", "checks/sequential/strategies.py"),
    ),
    Edit(
        f"{KIT}/checks/registry.py",
        '        *("COMPLETED-1", "COMPLETED-3"',
        '        "SOURCE-1",\n',
        ("SOURCE-1", "one caller", "checks/registry.py"),
    ),
)
# The import stands with the entry, as one change of that file.
IMPORT = Edit(
    f"{KIT}/spec/operations.py",
    "    judge_stats,\n    judge_status,\n)",
    "    judge_source,\n",
)

RIGHT = '''    async def set_source(self, job_id: str, exchange: str) -> bool:
        """Change the source of a job, on the revision that was read."""
        from dataclasses import replace

        from collection_jobs.errors import StaleJobError
        from collection_jobs.validation import check_name

        source = check_name("exchange", exchange)
        while (job := await self.get_by_id(job_id)) is not None:
            try:
                await self.save(replace(job, source=source))
            except StaleJobError:
                continue
            return True
        return False

'''
LYING = RIGHT.replace("        return False", "        return True")
RACY = RIGHT.replace(
    "await self.save(replace(job, source=source))",
    """import asyncio

                await asyncio.sleep(0)
                await self.save(replace(job, source=source).with_revision(None))""",
)
ADAPTERS = {
    "memory": "collection_jobs/adapters/memory.py",
    "sqlite": "collection_jobs/adapters/sqlite/repository.py",
    "postgres": "collection_jobs/adapters/postgres/repository.py",
}

JUDGE = """
import json, sys
from collection_jobs.conformance import verify
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.targets import find_target

names = sys.argv[2].split(",")
checks = [check for check in CHECKS if check.name in names]
report = verify(find_target(sys.argv[1]), profile="quick", checks=checks)
verdicts = {law.id: law.verdict for law in report.laws}
print(json.dumps({"verdict": verdicts["SOURCE-1"], "broken": [one.law for one in report.findings]}))
"""
INTERLEAVE = """
import json, sys
from pathlib import Path
from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.checks.interleavings.explore import explore_pairs
from collection_jobs.conformance.checks.interleavings.pairs import pairs

programs = [
    program
    for program in pairs(("pending",), frozenset({"SetsSource"}))
    if any(step.method == "set_source" for client in program.clients for step in client)
]
found = explore_pairs(
    lambda directory: InMemoryCollectionJobRepository(),
    preemptions=1,
    directory=Path(sys.argv[1]),
    programs=programs,
)
print(json.dumps({"broken": [one.law for one in found.findings]}))
"""


def copied(home: Path, edits: Iterable[Edit], method: str = RIGHT) -> Path:
    """A copy of the package with some edits, and with the method in its adapters."""
    for name in ("collection_jobs", "tests/conformance"):
        shutil.copytree(ROOT / name, home / name)
    (home / "tests/__init__.py").write_text("")
    for edit in (*edits, *(Edit(path, ADDED, method) for path in ADAPTERS.values())):
        path = home / edit.path
        text = path.read_text()
        assert text.count(edit.before) == 1, f"{edit.path} has another line than {edit.before!r}"
        path.write_text(text.replace(edit.before, edit.text + edit.before))
    return home


ADDED = "    async def add_completed_symbol("


def started(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """A Python that finds the copy, and not the package that is tested here."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    return output


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    output = said(process)
    try:
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        pytest.fail(output)
    return answer


def judging(home: Path, url: str) -> subprocess.Popen[str]:
    return started(home, "-c", JUDGE, url, ALONE)


def whole() -> tuple[Edit, ...]:
    return (*PROTOCOL, *EDITS, IMPORT)


def without(edit: Edit) -> tuple[Edit, ...]:
    """All edits but one; the import of a function goes with the entry that names it."""
    gone = {edit, IMPORT} if edit.path == IMPORT.path else {edit}
    return tuple(one for one in whole() if one not in gone)


def test_it_touches_few_files_of_the_kit() -> None:
    touched = {edit.path for edit in whole() if edit.path.startswith(KIT)}
    assert len(touched) <= MOST_FILES, sorted(touched)


def test_right_adapters_keep_its_law_and_wrong_ones_are_convicted(tmp_path: Path) -> None:
    right = copied(tmp_path / "right", whole())
    racy = copied(tmp_path / "racy", whole(), RACY)
    keeping = [judging(right, "memory:"), judging(right, f"sqlite:///{tmp_path}/jobs.db")]
    lying = judging(copied(tmp_path / "lying", whole(), LYING), "memory:")
    explored, raced = (
        started(home, "-c", INTERLEAVE, str(home / "stores")) for home in (right, racy)
    )
    for one in keeping:
        assert answer_of(one) == {"verdict": "holds", "broken": []}
    assert answer_of(lying) == {"verdict": "broken", "broken": ["SOURCE-1"]}
    assert answer_of(explored)["broken"] == []
    assert "SOURCE-1" in answer_of(raced)["broken"]


@pytest.mark.release
def test_it_holds_on_postgresql(tmp_path: Path) -> None:
    right = copied(tmp_path, whole())
    with a_database() as database, a_schema(database) as schema:
        answer = answer_of(judging(right, database.in_schema(schema)))
    assert answer == {"verdict": "holds", "broken": []}


def completeness(home: Path) -> str:
    """What the tests of the registry say of a copy."""
    module = "tests/conformance/test_operations.py"
    return said(started(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", module))


@pytest.mark.parametrize(
    "edit",
    [
        # Each is a run of pytest: before a release all, else the first and the last.
        pytest.param(edit, marks=[] if edit in (EDITS[0], EDITS[-1]) else pytest.mark.release)
        for edit in EDITS
    ],
    ids=lambda edit: edit.path,
)
def test_without_an_edit_a_test_names_what_is_missing_and_where(edit: Edit, tmp_path: Path) -> None:
    output = completeness(copied(tmp_path, without(edit)))
    lines = [line for line in output.splitlines() if line.startswith("E ")]
    assert any(all(name in line for name in edit.names) for line in lines), output


def test_with_all_edits_nothing_is_missing(tmp_path: Path) -> None:
    output = completeness(copied(tmp_path, whole()))
    assert " passed" in output, output
    assert " failed" not in output, output
