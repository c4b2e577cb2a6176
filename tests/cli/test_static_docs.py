"""What docs/static-conformance.md shows and counts is what the command and the corpus give."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from collection_jobs.cli.app import app
from tests.typing.cases import write_corpus

PAGE = (Path(__file__).parents[2] / "docs" / "static-conformance.md").read_text(encoding="utf-8")

JOBS = """\
from datetime import datetime

from collection_jobs import CollectionJob, JobStats, JobStatus


class RedisJobs:
    def __init__(self, url: str) -> None:
        self.url = url


    async def save(self, work: CollectionJob) -> None: ...
    async def get_by_id(self, job_id: str) -> CollectionJob | None: ...
    async def list_recent(
        self, limit: int = 50, since: datetime | None = None
    ) -> list[CollectionJob]: ...
    async def delete(self, job_id: str) -> bool: ...
    async def list_by_status(
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]: ...
    async def get_running_jobs(self) -> list[CollectionJob]: ...
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool: ...
    async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None: ...
    async def get_stats(self, job_id: str) -> JobStats | None: ...
"""


def test_the_example_is_what_the_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "jobs.py").write_text(JOBS, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", "shop.jobs:RedisJobs"], env={"COLUMNS": "80"})
    for name in ("shop.jobs", "shop"):
        sys.modules.pop(name, None)
    block = PAGE.partition("$ collection-jobs check shop.jobs:RedisJobs\n")[2].partition("```")[0]
    assert _comparable(result.stdout) == _comparable(block)


def _comparable(text: str) -> list[str]:
    """The lines without their ends, and without mypy's version and time."""
    return [re.sub(r"^mypy .*", "mypy", line.rstrip()) for line in text.splitlines()]


def test_the_numbers_are_those_of_the_corpus(tmp_path: Path) -> None:
    cases = write_corpus(tmp_path)
    for group in ("wrong", "right", "invisible"):
        count = sum(case.group == group for case in cases)
        assert f"of {count} |" in PAGE, f"{count} {group} ones: run nox -s types, and write it down"
    caught = sum(case.group == "invisible" and not case.unseen for case in cases)
    assert f"| {caught} of " in PAGE
