"""verify: what it says of a target, and that its word can be relied on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository
from collection_jobs.conformance import (
    LAWS,
    Report,
    Target,
    TargetError,
    find_target,
    reproduce,
    verify,
)
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.report.report import LawReport
from collection_jobs.conformance.report.tokens import pack, unpack
from collection_jobs.conformance.running.configuration import PROFILES
from collection_jobs.conformance.spec.findings import Finding
from tests.conformance.support import ROOT, command, target_of
from tests.mutants.races import LockOrder
from tests.mutants.sequential import (
    DropsMicroseconds,
    EmptyIdIsUnknown,
    LastWriterWins,
    guarded,
)

CALLER = [check for check in CHECKS if check.name == "one caller"]


@pytest.fixture(scope="module", params=["memory:", None])
def report(request: pytest.FixtureRequest) -> Report:
    return verify(find_target(request.param), profile="quick")


def test_our_own_repositories_keep_every_law_that_applies(report: Report) -> None:
    assert [law for law in report.laws if law.verdict not in ("holds", "not applicable")] == []
    assert report.verdict == "conforms"
    durable = next(law for law in report.laws if law.id == "DURABLE-1")
    assert durable.verdict == ("not applicable" if report.target == "memory:" else "holds")
    assert not any(claim.verdict == "overstated" for claim in report.claims)


def test_conforms_is_never_said_while_a_law_that_applies_went_unchecked() -> None:
    report = verify(find_target("memory:"), profile="quick", checks=CALLER)
    verdicts = {law.id: law.verdict for law in report.laws}
    assert verdicts["SAVE-1"] == "holds"
    assert verdicts["STATUS-2"] == "not checked"
    assert report.verdict == "incomplete"


def test_a_law_that_is_not_promised_is_not_applicable() -> None:
    laws = {
        law.id: law for law in verify(find_target("memory:"), profile="quick", checks=CALLER).laws
    }
    assert laws["DURABLE-1"].verdict == "not applicable"
    assert laws["DURABLE-1"].reason == "durable is not declared"
    assert laws["SCALE-1"].verdict == "not checked"


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["holds", "holds"], "conforms"),
        (["holds", "not applicable"], "conforms"),
        (["holds", "not checked"], "incomplete"),
        (["broken", "not checked"], "findings"),
    ],
)
def test_the_verdict_follows_from_the_laws(verdicts: list[Any], verdict: str) -> None:
    laws = tuple(LawReport(f"X-{number}", it) for number, it in enumerate(verdicts))
    assert Report("t", "1", "quick", 0, laws).verdict == verdict


def test_the_same_seed_gives_the_same_findings_with_the_same_histories() -> None:
    once, again = (
        verify(target_of(LastWriterWins), profile="quick", seed=7, checks=CALLER) for _ in range(2)
    )
    assert once == again
    assert once.findings


def test_one_run_reports_the_findings_of_several_laws() -> None:
    @guarded
    class Both(LastWriterWins):
        """Two bugs, one of which shows in nearly every call."""

        @override
        async def save(self, job: CollectionJob) -> None:
            await super().save(replace(job, start=job.start.replace(microsecond=0)))

    found = {
        finding.law for finding in verify(target_of(Both), profile="quick", checks=CALLER).findings
    }
    assert found == {"SAVE-1", "SAVE-3", "SAVE-5"}


def test_a_finding_is_shrunk_to_the_calls_that_matter() -> None:
    (finding,) = verify(target_of(DropsMicroseconds), profile="quick", checks=CALLER).findings
    assert finding.law == "SAVE-1"
    assert len(finding.history) == 2
    assert finding.history[1] == "await repository.get_by_id('a')"
    assert "start" in finding.history[0]
    assert "microsecond" not in finding.message


def test_the_json_has_what_its_readers_count_on() -> None:
    found = verify(target_of(DropsMicroseconds), profile="quick", seed=3, checks=CALLER).to_json()
    assert json.loads(json.dumps(found)) == found
    main = {"target", "version", "profile", "seed", "verdict", "laws"}
    others = {"capabilities", "understated", "adapter", "signatures", "less", "values"}
    assert {*found} == main | others
    assert (found["target"], found["seed"], found["verdict"]) == ("planted", 3, "findings")
    assert [law["id"] for law in found["laws"]] == list(LAWS)
    by_id = {law["id"]: law for law in found["laws"]}
    assert {*by_id["SAVE-1"]["finding"]} == {"history", "message", "reproduce"}
    assert {*by_id["STATUS-2"]} == {"id", "verdict", "reason"}


# Findings that are made again


def test_a_token_makes_the_very_finding_again() -> None:
    target = target_of(LastWriterWins)
    report = verify(target, profile="quick", checks=CALLER)
    assert report.findings
    for finding in report.findings:
        assert finding.token is not None
        (again,) = reproduce(target, finding.token)
        assert (again.law, again.message) == (finding.law, finding.message)
        assert again.history == finding.history
        assert reproduce(find_target("memory:"), finding.token) == []


def test_a_finding_is_made_again_where_it_was_found_and_as_it_was_found() -> None:
    """A list of files has another order in memory than on a disk, for instance."""
    places = set[Path]()

    def in_a_directory(directory: Path) -> LastWriterWins:
        places.add(directory.parent.parent)
        return LastWriterWins()

    target = Target("planted", in_a_directory)
    for on_disk in (True, False):
        profile = replace(PROFILES["quick"], walks=2, on_disk=on_disk)
        finding = verify(target, profile=profile, checks=CALLER, deadline=7.0).findings[0]
        (found_in,) = places
        places.clear()
        assert finding.token is not None
        held = unpack(finding.token)
        assert (held["profile"], held["seed"], held["deadline"]) == ("quick", 0, 7.0)
        assert {"capabilities", "in_memory"} <= held.keys()
        assert reproduce(target, finding.token) == [finding]
        assert places == {found_in}
        places.clear()


def test_a_race_is_made_again_by_its_schedule() -> None:
    checks = [check for check in CHECKS if check.name == "interleavings"]
    report = verify(target_of(LockOrder), profile="quick", checks=checks)
    (finding,) = report.findings
    assert finding.token is not None
    assert reproduce(target_of(LockOrder), finding.token) == [finding]
    assert reproduce(find_target("memory:"), finding.token) == []


def test_a_finding_without_a_program_is_made_again_by_its_check() -> None:
    checks = [check for check in CHECKS if check.name == "wrong inputs"]
    (finding,) = verify(target_of(EmptyIdIsUnknown), profile="quick", checks=checks).findings
    assert finding.token is not None
    assert [it.message for it in reproduce(target_of(EmptyIdIsUnknown), finding.token)] == [
        finding.message
    ]


@pytest.mark.parametrize(
    ("token", "message"),
    [("nonsense", "is not a token"), (pack({"check": "astrology"}), "this version does not have")],
)
def test_what_is_no_token_cannot_be_reproduced(token: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reproduce(find_target("memory:"), token)


# What cannot be judged


@asynccontextmanager
async def no_repository(directory: Path) -> AsyncGenerator[object]:
    yield object()


@asynccontextmanager
async def refuses(directory: Path) -> AsyncGenerator[object]:
    raise OSError("no route to host")
    yield


def returns_nothing(directory: Path) -> None:
    pass


class Boasts(InMemoryCollectionJobRepository):
    """Declares what nobody knows."""

    capabilities = frozenset({"scales", "telepathic"})

    def __init__(self, directory: Path) -> None:
        super().__init__()


NOT_CALLABLE = 7


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module_here:open", "cannot import 'no_such_module_here'"),
        (f"{__name__}:no_repositry", "did you mean 'no_repository'?"),
        (f"{__name__}:NOT_CALLABLE", "is 7, not a factory"),
        (f"{__name__}:no_repository", "lacks add_failed_symbol, delete"),
        (f"{__name__}:refuses", "cannot be opened: OSError: no route to host"),
        (f"{__name__}:returns_nothing", "must return an async context manager, not None"),
        (
            f"{__name__}:Boasts",
            "unknown capability 'telepathic'; known are durable",
        ),
        ("nonsense", "'nonsense' is not a target"),
        ("redis://u:secret@host/1", "name a factory, as in module:factory"),
        ("sqlite:////no/such/folder/jobs.db", "the directory /no/such/folder does not exist"),
        ("memory:jobs", "memory: takes nothing after it"),
    ],
)
def test_a_target_that_cannot_be_judged_is_one_clear_sentence(target: str, message: str) -> None:
    with pytest.raises(TargetError) as caught:
        verify(find_target(target), profile="quick")
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="no profile 'slow'; there are quick, standard, thorough"):
        verify(find_target("memory:"), profile="slow")


# The stores that it makes


def test_jobs_behind_a_url_are_never_touched(tmp_path: Path) -> None:
    mine = tmp_path / "jobs.db"
    mine.write_bytes(b"my own jobs")
    light = replace(
        PROFILES["quick"], walks=1, rounds=1, kills=1, scripts=1, sizes=(20, 60), filling=1
    )
    verify(find_target(f"sqlite:///{mine}"), profile=light)
    assert mine.read_bytes() == b"my own jobs"
    assert list(tmp_path.iterdir()) == [mine]


def test_a_new_store_gets_a_directory_of_its_own_and_all_are_removed(tmp_path: Path) -> None:
    seen: list[Path] = []

    def factory(directory: Path) -> InMemoryCollectionJobRepository:
        assert not list(directory.iterdir())
        seen.append(directory)
        return InMemoryCollectionJobRepository()

    verify(Target("counting", factory, tmp_path), profile="quick", checks=CALLER)
    assert len(seen) == len(set(seen)) > 10
    assert not list(tmp_path.iterdir())


# The command


@pytest.fixture
def stores(tmp_path: Path) -> Path:
    (tmp_path / "planted.py").write_text(
        "from tests.mutants.sequential import DropsMicroseconds\n"
        "def open_store(directory):\n"
        "    return DropsMicroseconds()\n"
    )
    return tmp_path


def test_the_command_exits_with_0_when_the_repository_conforms(tmp_path: Path) -> None:
    ran = command("verify", "memory:", "--profile", "quick", "--json", "report.json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "SAVE-1" in ran.stdout
    assert "Verdict: conforms." in ran.stdout
    assert "signatures: correct, by mypy" in ran.stdout
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "conforms"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json"]


def test_the_command_finds_a_factory_beside_the_user_and_exits_with_1(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ran = command("verify", "planted:open_store", "--profile", "quick", cwd=stores)
    assert ran.returncode == 1, ran.stderr
    assert "Verdict: does not conform. 1 law broken." in ran.stdout
    assert "await repository.get_by_id('a')" in ran.stdout


def test_the_json_can_be_the_standard_output(tmp_path: Path) -> None:
    ran = command("verify", "memory:", "--profile", "quick", "--json", "-", cwd=tmp_path)
    assert json.loads(ran.stdout)["target"] == "memory:"
    assert "SAVE-1" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify", "no_such_module:open"], "collection-jobs verify: cannot import"),
        (["verify", "--profile", "slow"], "'slow' is not one of"),
        (["verify", "--seed", "-1"], "-1"),
        (["verify", "--json", "no/such/folder.json"], "no/such/folder.json"),
        (["verfy"], "No such command 'verfy'"),
    ],
)
def test_what_could_not_run_exits_with_2_and_says_why(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    ran = command(*arguments, cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    child = subprocess.Popen(
        [sys.executable, "-m", "collection_jobs", "verify", url, "--profile", "thorough"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob("collection-jobs-verify-*/store-5*")):
        assert child.poll() is None, "it ended before it was interrupted"
        assert time.monotonic() < deadline
        os.sched_yield()  # nothing tells from outside that it has begun but its own files
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_finding_reads_as_its_law_what_was_seen_and_the_calls() -> None:
    from collection_jobs.conformance import LawBroken

    finding = Finding("SAVE-1", "it was lost", ("await repository.save(job)",))
    error = LawBroken.by_law(finding)
    assert isinstance(error, AssertionError)
    assert str(error) == "SAVE-1: it was lost\nawait repository.save(job)"
    assert type(error) is type(LawBroken.by_law(finding))
    assert type(error) is not type(LawBroken.by_law(Finding("SAVE-2", "", ())))
