"""collection-jobs jobs retry, cancel, release, delete: of named jobs, and of selected ones."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collection_jobs import CollectionJob, RepositoryError
from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.cli.jobs import changing
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.sqlite_support import plain_connection
from tests.cli.support import NOW, fill, jobs, one_of_each, stored
from tests.cli.test_jobs import opened_by
from tests.environment import of_a_reader

ODD = (
    *("two words", " leading", "trailing ", "it's", 'a "quoted" one', "$HOME `id` \\ *", "a\nb"),
    *("-x", "--all", "--", "sqlite:///jobs.db", "a/b", "\t", "\u65e5\u672c \U0001f600", "'", '"'),
)
"""Ids that a shell, a pipe or a command line could take for something else."""


def failed(job_id: str, **changes: Any) -> CollectionJob:
    job = example_job(job_id, created_at=NOW, **changes).start_running(at=NOW)
    return job.with_failed_symbol("BTC", "boom").fail("no luck", at=NOW)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A job of each status, and three that failed, of which two are of another source."""
    more = [failed("a"), failed("b", source="kraken"), failed("c", source="kraken")]
    return fill(tmp_path, [*one_of_each(), *more])


def status(url: str, job_id: str) -> str | None:
    job = stored(url, job_id)
    return None if job is None else job.status.value


def statuses(url: str, ids: Iterable[str]) -> set[str | None]:
    return {status(url, job_id) for job_id in ids}


def run(*arguments: str, stdin: Any = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run `collection-jobs jobs` in a process of its own, as a shell does."""
    return subprocess.run(
        [sys.executable, "-m", "collection_jobs", "jobs", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=stdin,
        env=of_a_reader(80),
    )


# All that failed, by one command


def test_one_command_retries_all_that_failed_whatever_their_ids_are(tmp_path: Path) -> None:
    many = [failed(f"job {n:03}") for n in range(120)]
    url = fill(tmp_path, [*many, *map(failed, ODD), *one_of_each()[:2]])
    ran = run("retry", url, "--all", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 120 + len(ODD)
    assert "a\\nb was failed and is pending" in ran.stdout.splitlines()
    assert statuses(url, (*ODD, *(job.id for job in many))) == {"pending"}
    assert status(url, "running") == "running"
    again = run("retry", url, "--all", "--yes")
    assert (again.returncode, again.stdout) == (0, "")
    assert "no such jobs in sqlite:///" in again.stderr
    assert "nothing to retry" in again.stderr


def test_jobs_of_any_id_are_named_on_one_line(tmp_path: Path) -> None:
    url = fill(tmp_path, [failed("other"), *map(failed, ODD)])
    for command, due in (("retry", "pending"), ("cancel", "cancelled"), ("delete", None)):
        ran = run(command, *(["--yes"] if command == "delete" else []), "--", url, *ODD)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert len(ran.stdout.splitlines()) == len(ODD)
        assert statuses(url, ODD) == {due}
    assert status(url, "other") == "failed"


def test_what_one_command_prints_as_json_names_every_job(tmp_path: Path) -> None:
    url = fill(tmp_path, map(failed, ODD))
    ran = run("retry", url, "--status", "failed", "--yes", "--json")
    told = json.loads(ran.stdout)
    assert {job["id"] for job in told["jobs"]} == set(ODD)
    assert {job["status"] for job in told["jobs"]} == {"pending"}
    assert told["unchanged"] == []
    ran = run("delete", "--yes", "--json", "--", url, "-x", "--all")
    assert json.loads(ran.stdout)["jobs"] == [
        {"id": "-x", "deleted": True},
        {"id": "--all", "deleted": True},
    ]


# Selecting


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        (["retry", "--all"], {"failed", "a", "b", "c"}),
        (["retry", "--status", "failed"], {"failed", "a", "b", "c"}),
        (["retry", "--source", "kraken"], {"b", "c"}),
        (["cancel", "--all"], {"pending", "running"}),
        (["cancel", "--status", "pending"], {"pending"}),
        (["cancel", "--status", "pending", "--status", "running"], {"pending", "running"}),
        (["cancel", "--source", "kraken"], set[str]()),
        (["release", "--all"], {"running"}),
        (["delete", "--status", "completed", "--status", "cancelled"], {"completed", "cancelled"}),
        (["delete", "--status", "failed", "--source", "kraken"], {"b", "c"}),
        (
            ["delete", "--all"],
            {"pending", "running", "completed", "failed", "cancelled", "a", "b", "c"},
        ),
    ],
)
def test_options_select_the_jobs(url: str, arguments: list[str], changed: set[str]) -> None:
    result = jobs(*arguments, "--yes", "--json", url=url)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert {job["id"] for job in told["jobs"]} == changed
    due = {"retry": "pending", "cancel": "cancelled", "release": "pending", "delete": None}
    if changed:
        assert statuses(url, changed) == {due[arguments[0]]}
    rest = {job.id for job in one_of_each()} | {"a", "b", "c"} - changed
    for job_id in rest - changed:
        assert status(url, job_id) == ("failed" if job_id in ("a", "b", "c") else job_id)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["retry", "{url}"], "which jobs? Name them, or use --all: collection-jobs jobs retry sql"),
        (["retry", "{url}", "a", "--all"], "name the jobs, or select them by options, but not"),
        (["delete", "{url}", "a", "--source", "x"], "name the jobs, or select them by options"),
        (["retry", "{url}", "--all", "--source", "x"], "give either --all or --source"),
        (["cancel", "{url}", "--all", "--status", "pending"], "give either --all or --status"),
        (["release", "{url}", "--all", "--expired"], "give either --all or --expired"),
        (["retry", "{url}", "--status", "running"], "'running' is not 'failed'"),
        (["cancel", "{url}", "--status", "failed"], "'failed' is not one of 'pending', 'running'"),
        (["release", "{url}", "--status", "failed"], "'failed' is not 'running'"),
        (["retry", "jobs.db", "--all"], "'jobs.db' is neither a command"),
        (["retry", "--all"], "which store? Set COLLECTION_JOBS_URL, or name it"),
    ],
)
def test_a_command_line_that_contradicts_itself_changes_nothing(
    url: str, arguments: list[str], message: str
) -> None:
    result = jobs(*(word.format(url=url) for word in arguments), "--yes")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert statuses(url, "abc") == {"failed"}


def test_with_a_usual_store_every_word_may_be_an_id(url: str, tmp_path: Path) -> None:
    assert jobs("retry", "a", "b", url=url).exit_code == 0
    assert statuses(url, "ab") == {"pending"}
    result = jobs("retry", "c", "--all", "--yes", url=url)
    assert (result.exit_code, status(url, "c")) == (2, "failed")
    assert "but not both" in result.stderr
    (tmp_path / "other").mkdir()
    other = fill(tmp_path / "other", [failed("a"), failed("z")])
    assert jobs("retry", other, "a", url=url).exit_code == 0
    assert jobs("retry", other, "--all", "--yes", url=url).exit_code == 0
    assert statuses(other, "az") == {"pending"}
    assert status(url, "c") == "failed"


# Asking


def test_selected_jobs_are_counted_and_asked_about(url: str) -> None:
    result = jobs("retry", url, "--all", answer="n\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Retry 4 failed jobs? [y/N]" in result.stderr
    assert "nothing was retried" in result.stderr
    result = jobs("retry", url, "--source", "kraken", answer="")
    assert "Retry 2 failed jobs of kraken?" in result.stderr
    assert "nothing was retried: use --yes to retry without asking" in result.stderr
    assert statuses(url, "abc") == {"failed"}
    asked = jobs("delete", url, "--all", answer="n\n").stderr
    assert "Delete 8 jobs (1 pending, 1 running, 1 completed, 4 failed, 1 cancelled), with" in asked
    assert "with the outcomes of 7 of 16 symbols, although workers are processing" in asked
    asked = jobs("delete", url, "a", "b", answer="n\n").stderr
    assert "Delete 2 failed jobs, with the outcomes of 2 of 4 symbols?" in asked
    assert jobs("delete", url, "--source", "kraken", answer="y\n").exit_code == 0
    assert statuses(url, "bc") == {None}
    assert jobs("cancel", url, "--all", answer="y\n").exit_code == 0
    assert statuses(url, ("pending", "running")) == {"cancelled"}


def test_named_jobs_are_changed_without_asking_but_deleted_after_it(url: str) -> None:
    result = jobs("retry", url, "a", "b", "a")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        ["a was failed and is pending", "b was failed and is pending"],
    )
    assert jobs("delete", url, "a", "b").exit_code == 1
    assert statuses(url, "ab") == {"pending"}


@pytest.mark.parametrize(
    ("command", "done"),
    [
        ("retry", "retried"),
        ("cancel", "cancelled"),
        ("release", "released"),
        ("delete", "deleted"),
    ],
)
def test_without_a_terminal_nothing_is_done_unasked(url: str, command: str, done: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"y\ny\n")  # meant for whoever reads the pipe next
    os.close(writing)
    try:
        ran = run(command, url, "--all", stdin=reading)
        assert os.read(reading, 100) == b"y\ny\n"
    finally:
        os.close(reading)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"collection-jobs jobs {command}: nothing was {done}: ")
    assert f"there is no terminal to ask on; use --yes to {command} " in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert statuses(url, ("failed", "pending", "running")) == {"failed", "pending", "running"}


def test_on_a_terminal_the_question_is_answered_there(url: str) -> None:
    mine, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "collection_jobs", "jobs", "retry", url, "--all"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=of_a_reader(80),
    )
    os.close(theirs)
    with closing(os.fdopen(mine, "r+b", buffering=0)) as terminal:
        asked = b""
        while b"[y/N]" not in asked:
            asked += terminal.read(1_000)
        terminal.write(b"y\n")
        output, _ = process.communicate(timeout=60)
    assert b"Retry 4 failed jobs?" in asked
    assert process.returncode == 0
    assert len(output.splitlines()) == 4
    assert statuses(url, "abc") == {"pending"}


# What cannot be changed, and what changes meanwhile


def test_of_named_jobs_none_is_changed_if_one_cannot_be(url: str) -> None:
    for other, message in (
        ("running", "job 'running' is running, but only a failed job can be retried; release it"),
        ("nope", "there is no job 'nope'"),
    ):
        result = jobs("retry", url, "a", other, "b")
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr
        assert statuses(url, "ab") == {"failed"}


def meanwhile(monkeypatch: pytest.MonkeyPatch, url: str, statement: str) -> None:
    """Another program changes the store while the user thinks about the question."""

    def ask(*_: object) -> None:
        with plain_connection(Path(url.removeprefix("sqlite:///"))) as other:
            other.execute("PRAGMA foreign_keys = ON")
            other.execute(statement)

    monkeypatch.setattr(changing, "ask", ask)


def test_selected_jobs_that_changed_meanwhile_are_left_as_they_are(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = "UPDATE jobs SET status = 'running', revision = revision + 1 WHERE id IN ('a', 'b')"
    meanwhile(monkeypatch, url, change)
    result = jobs("retry", url, "--all")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.startswith(
        "2 jobs were left as they are; the first: job 'a' is running, but only a failed job can be"
    )
    assert (status(url, "a"), status(url, "c")) == ("running", "pending")


def test_named_jobs_that_changed_meanwhile_are_told(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, url, "DELETE FROM jobs WHERE id IN ('a', 'b')")
    result = jobs("delete", url, "a", "c", "b")
    assert (result.exit_code, result.stdout) == (1, "c is deleted\n")
    assert "job 'a' was deleted in the meantime; 1 more could not be, either" in result.stderr


def test_it_is_told_how_many_were_changed_before_the_engine_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(InMemoryCollectionJobRepository):
        left = 70

        async def delete(self, job_id: str) -> bool:
            self.left -= 1
            if self.left < 0:
                raise RepositoryError("the disk is full")
            return await super().delete(job_id)

        async def __aenter__(self) -> Any:
            await self.save_many(example_job(f"{n}") for n in range(200))
            return self

    monkeypatch.setattr("importlib.metadata.entry_points", opened_by(lambda _: Failing()))
    result = jobs("delete", "pg://me:secret@host/db", "--all", "--yes")
    assert result.exit_code == 2
    due = "pg://me:***@host/db failed: the disk is full; of 200 jobs, 70 had been deleted"
    assert due in result.stderr
    assert len(result.stdout.splitlines()) == 70


def test_control_characters_of_sources_and_ids_do_not_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\u202egnp"
    url = fill(tmp_path, [failed(evil, source=evil), failed("b", source=evil)])
    asked = jobs("retry", url, "--source", evil, answer="n\n")
    assert asked.stderr.replace("\n", "").isprintable()
    told = jobs("retry", url, "--source", evil, "--yes")
    assert told.stdout.replace("\n", "").isprintable()
    assert statuses(url, (evil, "b")) == {"pending"}
