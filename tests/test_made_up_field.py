"""What a new field of the entity costs: a few edits, and nothing that was stored is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collection_jobs.adapters.postgres.migrations import POSTGRES_SCHEMA_VERSION
from tests.adapters.postgres_server import a_database, a_schema
from tests.adapters.schemas import FOLDER, jobs_in
from tests.adapters.schemas.postgres import JOBS as ON_POSTGRES
from tests.adapters.schemas.postgres import SCHEMA, dump
from tests.test_documents import FORMER

ROOT = Path(__file__).parents[1]
ORACLE = "conformance/spec/model.py"
EDITS: tuple[tuple[str, str, str], ...] = (
    (
        "job.py",
        "    metadata: Mapping[str, str] = field(default_factory=_no_texts)\n",
        "    desk: str | None = None\n",
    ),
    ("job.py", "job.failed_symbols, job.metadata,", " job.desk,"),
    (
        "fields.py",
        '    Field("metadata", FieldKind.TEXTS, check_metadata, since=2),\n',
        '    _optional("desk", FieldKind.TEXT, partial(check_optional_text, "desk"), since=4),\n',
    ),
    (
        "adapters/sqlite/migrations.py",
        "    4: _VERSION_5,\n",
        '    5: ("ALTER TABLE jobs ADD COLUMN desk TEXT",),\n',
    ),
    (
        "adapters/postgres/migrations.py",
        "    Migration(VERSION_5),\n",
        '    Migration("ALTER TABLE {schema}.jobs ADD COLUMN desk text"),\n',
    ),
    (ORACLE, "    cursors: frozenset[tuple[str, datetime]]\n", "    desk: str | None = None\n"),
    (ORACLE, "            frozenset(job.cursors.items()),\n", "            job.desk,\n"),
)
"""A file, a text in it, and what is put behind that text: a field ``desk``, an optional text."""
MOST_FILES = 8


def edited(directory: Path, *left_out: str) -> Path:
    """Copy the package, with the field in it."""
    package = directory / "collection_jobs"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "collection_jobs", package, ignore=ignored)
    for name, anchor, addition in EDITS:
        path = package / name
        text = path.read_text(encoding="utf-8")
        assert text.count(anchor) == 1, f"{name} has this {text.count(anchor)} times: {anchor!r}"
        if name not in left_out:
            path.write_text(text.replace(anchor, anchor + addition), encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a package that has the field."""
    return edited(tmp_path_factory.mktemp("release"))


def run(release: Path, *arguments: str | Path, ok: bool = True) -> str:
    """Run Python with that package."""
    ran = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=release,
        env={**os.environ, "PYTHONPATH": str(release), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode == 0) is ok, ran.stdout + ran.stderr
    return ran.stdout


def act(release: Path, command: str, *arguments: str | Path) -> list[str]:
    """Run a command of the other release, and give the lines that it prints."""
    return run(release, ROOT / "tests" / "made_up_field.py", command, *arguments).splitlines()


def test_a_new_field_touches_few_files_of_the_package() -> None:
    assert len({name for name, _, _ in EDITS}) <= MOST_FILES


def test_documents_of_former_releases_are_read(release: Path) -> None:
    former = sorted(FORMER.glob("*.json"))
    assert len(act(release, "documents", *former)) == len(former)


def test_files_of_former_releases_are_read(release: Path, tmp_path: Path) -> None:
    for kept in sorted(FOLDER.glob("*.sql")):
        read = act(release, "sqlite", kept, tmp_path / f"{kept.stem}.db")
        assert sorted(read) == sorted(job.id for job in jobs_in(int(kept.stem)))


def test_a_schema_of_a_former_release_is_read(release: Path) -> None:
    with a_database() as database, a_schema(database) as name:
        asyncio.run(database.execute(dump(POSTGRES_SCHEMA_VERSION).replace(SCHEMA, name)))
        read = act(release, "postgres", database.in_schema(name))
    assert sorted(read) == sorted(job.id for job in ON_POSTGRES)


def test_an_adapter_that_drops_it_is_convicted(release: Path) -> None:
    found = act(release, "verify")
    assert found[0].startswith("Drops SAVE-1 ")
    assert "whose desk is None; it should be" in found[0]
    assert all(finding.startswith("Drops ") for finding in found)


def test_an_oracle_that_does_not_know_it_fails_a_test_that_names_it(tmp_path: Path) -> None:
    release = edited(tmp_path, ORACLE)
    test = ROOT / "tests" / "conformance" / "test_oracle_fields.py"
    shutil.copy(test, release)
    name = f"{test.name}::test_the_oracle_knows_every_field_of_the_entity"
    said = run(release, "-m", "pytest", "-q", "--rootdir=.", "-c", os.devnull, name, ok=False)
    assert "the oracle does not know ['desk']" in said
