"""Whatever an adapter does to its process, `verify` says one true thing, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from collection_jobs.conformance.isolated.messages import (
    ExaminationRequest,
    NotExamined,
    Result,
    Verified,
)
from collection_jobs.conformance.isolated.supervisor import (
    ProcessEnded,
    RunInterrupted,
    StoodStill,
    Supervisor,
)
from collection_jobs.conformance.report.tokens import pack
from tests.conformance.support import ROOT, command

RELEASE = pytest.mark.release  # one of each kind runs each time, and the rest before a release
FEW = ("wrong inputs", "a closed repository")
DEADLINE = 0.5
# The stores of the kit lie in memory where there is enough of it.
PLACES = [Path("/dev/shm"), Path("/tmp")]  # noqa: S108 - looked at, not written into


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each run puts all that it makes into a folder of the test, which is empty at the end."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    yield
    assert [path.name for path in scratch.iterdir() if path.suffix != ".log"] == []
    assert processes() == []


def processes() -> list[str]:
    """The examining processes, and those that they started, which are still there."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "conformance.isolated.child" in line and f"{os.getpid()}" in _ancestors(path.parent):
            found.append(line)
    return found


def _ancestors(process: Path) -> str:
    return (process / "environ").read_bytes().decode(errors="replace")


def watched(
    name: str, checks: tuple[str, ...] = FEW, module: str = "tests.mutants.leaving"
) -> Result | ProcessEnded | StoodStill | RunInterrupted:
    request = ExaminationRequest(f"{module}:{name}", "quick", 5, DEADLINE, checks=checks)

    def tell_nobody(check: str, done: int, total: int, methods: tuple[str, ...]) -> None:
        pass

    with Supervisor(request, tell_nobody, lambda: False) as supervisor:
        return supervisor.watch()


def findings(name: str, checks: tuple[str, ...] = FEW) -> dict[str, str]:
    result = watched(name, checks)
    assert isinstance(result, Verified), result
    return {finding.law: finding.message for finding in result.report.findings}


# The process ends


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("exits_with_0", "ended with exit code 0"),
        pytest.param("exits_with_3", "ended with exit code 3", marks=RELEASE),
        pytest.param("exits_on_a_thread", "ended with exit code 0", marks=RELEASE),
        ("leaves_a_process", "ended with exit code 7"),
        pytest.param("aborts", "was ended by SIGABRT", marks=RELEASE),
        ("segfaults", "was ended by SIGSEGV"),
        ("kills_itself", "was ended by SIGKILL (as the system does when memory runs out)"),
    ],
)
def test_an_examination_that_ends_says_how_and_in_which_method(name: str, how: str) -> None:
    ended = watched(name)
    assert isinstance(ended, ProcessEnded)
    assert ended.how == how
    assert ended.where == "while get_stats was running, during the first look at it"


def test_the_command_says_it_in_one_line_and_exits_with_2() -> None:
    ran = command("verify", "tests.mutants.leaving:exits_with_0", "--seed", "5", "--json", "-")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "collection-jobs verify: the examination ended with exit code 0 while get_stats was"
        " running, during the first look at it; seed 5\n"
    )


def test_a_process_that_the_adapter_left_is_ended() -> None:
    watched("leaves_a_process")
    mine = [path.parent for path in Path("/proc").glob("[0-9]*/stat") if _is_child(path)]
    assert mine == []


def _is_child(stat: Path) -> bool:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid()
    except (OSError, ValueError):
        return False


def test_an_adapter_that_closes_every_file_is_told_of() -> None:
    ended = watched("closes_everything")
    assert isinstance(ended, ProcessEnded)


# What is raised and is no Exception


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("leaves", "SystemExit"),
        pytest.param("interrupts", "KeyboardInterrupt", marks=RELEASE),
        pytest.param("needs_memory", "MemoryError", marks=RELEASE),
        pytest.param("recurses", "RecursionError", marks=RELEASE),
        ("leaves_from_a_callback", "SystemExit"),
    ],
)
def test_what_a_method_raises_is_a_finding_whatever_it_is(name: str, error: str) -> None:
    assert error in findings(name)["ERROR-1"]


# A call that does not return


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("never", "leaving.py"),
        pytest.param(
            "stubborn", "goes on although it was cancelled; it stood at leaving.py", marks=RELEASE
        ),
        ("blocks", "blocks its thread; it stood at leaving.py"),
        pytest.param(
            "waits_for_a_lock", "blocks its thread; it stood at leaving.py", marks=RELEASE
        ),
        pytest.param("spins", "blocks its thread; it stood at leaving.py", marks=RELEASE),
    ],
)
def test_a_call_that_does_not_return_is_a_finding_with_its_place(name: str, how: str) -> None:
    (message,) = (findings(name, ("one caller",))[law] for law in ["ATOMIC-1"])
    assert message.startswith("repository.get_stats('a') did not return within 0.5 s; it ")
    assert how in message


def test_the_laws_of_a_method_that_does_not_return_are_not_checked_and_others_are() -> None:
    result = watched("never", ("one caller", "a closed repository"))
    assert isinstance(result, Verified)
    laws = {law.id: law for law in result.report.laws}
    waits = "waits for get_stats, which gave no answer within 0.5 s"
    assert (laws["STATS-1"].verdict, laws["STATS-1"].reason) == ("not checked", waits)
    assert (laws["ERROR-1"].verdict, laws["ERROR-1"].reason) == ("not checked", waits)
    assert laws["GET-2"].verdict == "holds"
    assert result.report.verdict == "findings"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("never_opens", "opening the store gave no answer within 0.5 s", marks=RELEASE),
        ("blocks_when_opened", "opening the store gave no answer within 0.5 s; it blocks"),
        ("never_closes", "closing the store gave no answer within 0.5 s"),
    ],
)
def test_opening_and_closing_have_the_deadline_too(name: str, text: str) -> None:
    result = watched(name)
    assert isinstance(result, Verified)
    (finding,) = result.report.findings
    assert (finding.law, finding.message[: len(text)]) == ("ATOMIC-1", text)
    assert {law.verdict for law in result.report.laws} == {"broken", "not checked"}


def test_an_interpreter_that_stands_still_is_killed_and_told_of() -> None:
    result = watched("holds_the_interpreter")
    assert isinstance(result, StoodStill)
    assert result.finding.law == "ATOMIC-1"
    assert "get_stats did not return within 0.5 s" in result.finding.message


# What is printed


@pytest.mark.parametrize("option", ["--json", pytest.param("--junit", marks=RELEASE)])
def test_a_report_on_standard_output_stands_alone(option: str, tmp_path: Path) -> None:
    target = "tests.mutants.leaving:prints_and_never_opens"
    ran = command("verify", target, "--deadline", "0.5", option, "-", "--show-output")
    assert ran.returncode == 1, ran.stderr
    if option == "--json":
        assert json.loads(ran.stdout)["verdict"] == "findings"
    else:
        assert ET.fromstring(ran.stdout).tag == "testsuites"  # noqa: S314 - our own report
    assert ran.stderr.count("a word") >= 3
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("name", ["prints", pytest.param("prints_much", marks=RELEASE)])
def test_what_an_adapter_prints_is_kept_in_a_file(name: str, tmp_path: Path) -> None:
    assert findings(name) == {}
    (log,) = (tmp_path / "scratch").iterdir()
    assert log.stat().st_size >= (100 * 2**20 if name == "prints_much" else 10)
    log.unlink()


@pytest.mark.parametrize(
    "name",
    [
        "closes_its_output",
        *(pytest.param(it, marks=RELEASE) for it in ("replaces_stdout", "own_handlers", "forks")),
    ],
)
def test_an_adapter_without_manners_is_judged_all_the_same(name: str) -> None:
    assert findings(name) == {}


CHATTY = """
import sys
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository
print("said by stdout")
print("said by stderr", file=sys.stderr)
def open_store(directory):
    return SQLiteCollectionJobRepository(directory / "jobs.db")
"""


def test_what_a_worker_process_prints_is_kept_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chatty.py").write_text(CHATTY)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    result = watched("open_store", ("damaged stores",), module="chatty")
    assert isinstance(result, Verified), result
    (log,) = (tmp_path / "scratch").iterdir()
    said = log.read_text()
    log.unlink()
    assert said.count("said by stdout") > 1
    assert said.count("said by stderr") > 1


# What cannot be written


@pytest.mark.parametrize(
    "arguments",
    [["--json", "no/such/folder.json"], ["--junit", "/proc/x.xml"], ["--html", "/"]],
)
def test_a_report_that_cannot_be_written_is_known_at_once(arguments: list[str]) -> None:
    ran = command("verify", "memory:", *arguments, timeout=10)
    assert ran.returncode == 2
    assert arguments[1] in ran.stderr
    assert ran.stdout == ""


def test_a_report_of_before_stays_where_nothing_could_be_verified(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("former")
    command("verify", "tests.mutants.leaving:exits_with_0", "--json", str(report))
    assert report.read_text() == "former"


def test_a_home_that_cannot_be_written_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nobody")
    ran = command("verify", "tests.mutants.leaving:never_opens", "--deadline", "0.5")
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_place_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, "/proc")
    program = (
        "import tempfile, sys; tempfile._candidate_tempdir_list = lambda: ['/proc'];"
        "sys.argv = ['collection-jobs', 'verify', 'memory:'];"
        "from collection_jobs.cli.entry import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith("collection-jobs verify: nothing can be examined: ")
    assert ran.stderr.count("\n") == 1


# Signals


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("blocks", signal.SIGINT),
        ("never", signal.SIGTERM),
        pytest.param("holds_the_interpreter", signal.SIGINT, marks=RELEASE),
        pytest.param("blocks", signal.SIGTERM, marks=RELEASE),
    ],
)
def test_one_signal_ends_it_within_two_seconds(name: str, number: signal.Signals) -> None:
    target = f"tests.mutants.leaving:{name}"
    child = subprocess.Popen(
        [sys.executable, "-m", "collection_jobs", "verify", target, "--deadline", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    until = time.monotonic() + 30
    scratch = Path(os.environ["TMPDIR"])
    while not list(scratch.glob("collection-jobs-verify-*/store-1")):
        assert time.monotonic() < until
        os.sched_yield()  # nothing tells from outside that it has begun but its own files
    began = time.monotonic()
    child.send_signal(number)
    _, errors = child.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert child.returncode == 130
    assert "interrupted: no check done; found so far: nothing; its stores are removed" in errors


# Importing


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        pytest.param("raise SystemExit", "SystemExit", marks=RELEASE),
        pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt", marks=RELEASE),
        pytest.param("class End(BaseException): ...\nraise End('x')", "End", marks=RELEASE),
        ("import os; os._exit(0)", "exit code 0"),
        pytest.param("import os; os.abort()", "SIGABRT", marks=RELEASE),
        pytest.param("import ctypes; ctypes.string_at(0)", "SIGSEGV", marks=RELEASE),
    ],
)
@pytest.mark.parametrize("verb", ["verify", "check"])
def test_a_module_that_ends_its_interpreter_is_one_line(
    verb: str, line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "ending.py").write_text(f"{line}\n")
    ran = command(verb, "ending:Store", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == ""
    first, *rest = ran.stderr.splitlines()
    assert said in first
    assert "ending" in first
    assert all(line.startswith("What the adapter printed") for line in rest)
    for log in Path(os.environ["TMPDIR"]).glob("*.log"):
        log.unlink()


def test_a_target_that_is_refused_is_told_by_who_examines() -> None:
    refused = watched("no_such_name")
    assert isinstance(refused, NotExamined)
    assert "has no attribute 'no_such_name'" in refused.message


def test_an_import_that_comes_to_no_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endless.py").write_text("while True: pass\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr("collection_jobs.conformance.isolated.supervisor.IMPORT_LIMIT", 1.0)
    result = watched("open_store", module="endless")
    assert isinstance(result, ProcessEnded)
    assert result.how == "was ended, because it came to no end within 1 s"
    assert result.where == "during the import of endless:open_store"


def test_a_finding_that_does_not_show_again_is_exit_code_4() -> None:
    held = {"check": "one caller", "law": "SAVE-1", "steps": (), "muted": ()}
    ran = command("verify", "memory:", "--reproduce", pack(held))
    assert (ran.returncode, ran.stderr) == (4, "")
    assert ran.stdout.startswith("The finding was not reproduced. If it comes from real tasks")
