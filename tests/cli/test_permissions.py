"""What may not be read or written: one sentence says what happened, and what to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import fill, jobs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def here() -> Iterator[Path]:
    """A directory that every user may look into, unlike pytest's own."""
    with TemporaryDirectory() as name:
        here = Path(name)
        here.chmod(0o755)
        fill(here, [example_job("a")])
        for folder, file_mode, folder_mode in (
            ("writable", 0o666, 0o777),
            ("file", 0o444, 0o777),
            ("folder", 0o444, 0o555),
            ("secret", 0o000, 0o755),
            ("closed", 0o644, 0o000),
        ):
            (here / folder).mkdir()
            shutil.copy(here / "jobs.db", here / folder)
            (here / folder / "jobs.db").chmod(file_mode)
            (here / folder).chmod(folder_mode)
        yield here
        for folder in ("folder", "closed"):
            (here / folder).chmod(0o755)


@pytest.fixture(scope="module")
def said(here: Path) -> dict[str, tuple[int, str]]:
    """What each command says to a user without privileges, by its words."""
    lines = {
        f"{command} {folder}": ["jobs", command, f"sqlite:///{here}/{folder}/jobs.db", *words]
        for folder in ("writable", "file", "folder", "secret", "closed")
        for command, *words in (["list"], ["cancel", "a"])
    }
    loading = [lines["list writable"], ["jobs", "cancel", lines["list writable"][2], "none"]]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.cli.unprivileged"],
        input=json.dumps([loading, list(lines.values())]),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=True,
    )
    results: list[tuple[int, str]] = [(code, error) for code, error in json.loads(ran.stdout)]
    return dict(zip(lines, results, strict=True))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "cancel file",
            "attempt to write a readonly database; make the file writable for this user",
        ),
        (
            "list folder",
            "/folder' is read-only for this user; change that, or run this as a user who may",
        ),
        ("list secret", "cannot be read by this user; change that, or run this as a user who may"),
        (
            "cancel closed",
            "cannot be opened: Permission denied; change that, or run this as a user who may",
        ),
    ],
)
def test_what_a_user_may_not_do_is_one_sentence(
    command: str, sentence: str, said: dict[str, tuple[int, str]]
) -> None:
    exit_code, error = said[command]
    assert exit_code == 2
    assert error.endswith(f"{sentence}\n")
    assert error.count("\n") == 1


def test_a_file_that_is_only_read_may_be_read_only(said: dict[str, tuple[int, str]]) -> None:
    assert said["list file"] == (0, "")
    assert said["cancel writable"][0] == 0


def test_a_url_with_too_few_slashes_is_corrected(here: Path) -> None:
    result = jobs("list", f"sqlite://{here}/jobs.db")
    assert result.exit_code == 2
    assert f"an absolute path has a fourth slash: sqlite:///{here}/jobs.db." in result.stderr


def test_a_missing_file_says_nothing_of_the_directory_one_is_in(here: Path) -> None:
    result = jobs("list", f"sqlite:///{here}/none.db")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        f"is sqlite:///{here}/none.db the right URL? Nothing was created.\n"
    )


def test_a_server_that_does_not_run_is_asked_after() -> None:
    result = jobs("list", "postgresql://me@127.0.0.1:1/jobs")
    assert result.exit_code == 2
    assert "does the server run, and is postgresql://me@127.0.0.1:1/jobs the right URL?" in (
        result.stderr
    )
