"""What a shell is told may follow: commands, options, statuses, ids; and never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collection_jobs.cli.jobs.completion import _joined
from collection_jobs.conformance.spec.calls import example_job
from tests.cli.support import fill, one_of_each


def complete(*words: str, url: str = "") -> list[str]:
    """The completions of the last of the words, by a process such as a shell starts."""
    program = "from collection_jobs.cli.entry import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'collection-jobs'; {program}"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_COLLECTION_JOBS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["collection-jobs", *words]),
            "COMP_CWORD": f"{len(words)}",
            "COLLECTION_JOBS_URL": url,
        },
    )
    assert ran.stderr == ""
    return [line.partition(",")[2] for line in ran.stdout.splitlines() if line]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fill(tmp_path, [*one_of_each(), example_job("re\x1b[0mset")])


def test_commands_are_completed() -> None:
    assert complete("") == ["check", "jobs", "new-adapter", "verify"]
    assert complete("jobs", "") == [
        *("list", "show", "stats", "failures", "watch"),
        *("retry", "cancel", "release", "delete", "purge"),
    ]
    assert complete("jobs", "re") == ["retry", "release"]


def test_options_and_statuses_are_completed(url: str) -> None:
    assert set(complete("jobs", "list", "--s")) == {
        *("--status", "--since", "--source", "--symbol", "--sort"),
    }
    assert complete("jobs", "list", "--status", "c") == ["completed", "cancelled"]
    assert "--json" in complete("jobs", url, "--")
    assert "--profile" in complete("verify", "--")


def test_ids_are_completed_as_far_as_the_command_can_be_used_on_them(url: str) -> None:
    everything = ["running", "pending", "failed", "completed", "cancelled"]
    assert complete("jobs", "show", "", url=url) == everything
    assert complete("jobs", "show", url, "") == everything
    assert complete("jobs", "show", "c", url=url) == ["completed", "cancelled"]
    assert complete("jobs", "retry", "", url=url) == ["failed"]
    assert complete("jobs", "cancel", "", url=url) == ["running", "pending"]
    assert complete("jobs", "release", url, "") == ["running"]
    assert complete("jobs", "cancel", url, "running", "") == ["pending"]


def test_what_cannot_be_read_completes_to_nothing(tmp_path: Path) -> None:
    for url in ("", f"sqlite:///{tmp_path}/none.db", "mongo://host", "nonsense"):
        assert complete("jobs", "show", "", url=url) == []
    assert list(tmp_path.iterdir()) == []


def test_bash_hands_a_word_with_a_colon_over_in_parts() -> None:
    assert _joined(["sqlite", ":", "///jobs.db", "a"]) == ["sqlite:///jobs.db", "a"]
    assert _joined(["a", "b"]) == ["a", "b"]
