"""URLs of PostgreSQL stores: what they may say, what nobody is shown, and the kit on them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from collection_jobs import RepositoryError, open_repository
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.conformance import find_target
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.urls import shown_url
from tests.adapters.postgres_server import PASSWORD, Database, Server

COMMAND = (sys.executable, "-m", "collection_jobs", "verify")
SCRATCH = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'collection_jobs_scratch_%'"


async def test_a_url_opens_its_schema(database: Database, schema: str) -> None:
    for scheme in ("postgresql", "postgres"):
        url = database.in_schema(schema, connections=2, lock_timeout=1, connect_timeout=3)
        async with open_repository(url.replace("postgresql", scheme, 1)) as repository:
            assert isinstance(repository, PostgresCollectionJobRepository)
            await repository.save(example_job(scheme))
            assert schema in repr(repository)
    rows = await database.fetch(f"SELECT id FROM {schema}.jobs")
    assert {row[0] for row in rows} == {"postgresql", "postgres"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql:db", "reads postgresql://user:password@host:port/database"),
        ("postgresql://u:secret@host:port/db", "reads postgresql://"),
        ("postgresql://u:sec/ret@host/db", "percent-encoded"),
        ("postgresql://u:se@cret@host/db", "percent-encoded"),
        ("postgresql://u:se?cret@host/db", "name=value"),
        ("postgresql://u:secret@host/db?schemas=x", "no option 'schemas'; it takes schema, conn"),
        ("postgresql://u:secret@host/db?schema=a&schema=b", "given once"),
        ("postgresql://u:secret@host/db?schema", "name=value"),
        ("postgresql://u:secret@host/db?schema=", "1 to 63 bytes"),
        ("postgresql://u:secret@host/db?schema=pg_x", "PostgreSQL's own"),
        (f"postgresql://u:secret@host/db?schema={'x' * 64}", "1 to 63 bytes"),
        ("postgresql://u:secret@host/db?connections=0", "connections must be 1 to 1000: 0"),
        ("postgresql://u:secret@host/db?connections=many", "must be a number: 'many'"),
        ("postgresql://u:secret@host/db?lock_timeout=nan", "lock_timeout must be more than 0"),
        ("postgresql://host/db?password=secret&connect_timeout=-1", "connect_timeout must be"),
        ("postgresql://host/db?password=secret&x=1", "no option 'x'"),
    ],
)
def test_a_wrong_url_is_one_clear_sentence_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        open_repository(url)
    assert message in str(caught.value)
    for part in ("secret", "sec/", "ret@", "se@", "cret"):
        assert part not in "".join(traceback.format_exception_only(caught.value))
    assert "\n" not in str(caught.value)
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:pw@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@w/x@h/d", "postgresql:***"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql://h/d?password=pw&x=1", "postgresql://h/d?password=***&x=***"),
        ("postgresql://h/d?sslpassword=pw", "postgresql://h/d?sslpassword=***"),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
        ("memory:", "memory:"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert shown_url(url) == shown


async def test_the_password_is_in_no_error_and_no_repr(server: Server) -> None:
    wrong = server.tcp_url.replace(PASSWORD, f"{PASSWORD}-wrong")
    repository = PostgresCollectionJobRepository(wrong)
    with pytest.raises(RepositoryError, match="password authentication failed") as caught:
        async with repository:
            pass
    text = "".join(traceback.format_exception(caught.value))
    target = find_target(wrong)
    for shown in (
        text,
        repr(repository),
        repr(PostgresSettings.from_url(wrong)),
        repr(target),
        target.name,
    ):
        assert PASSWORD not in shown
        assert "tester" in shown or shown.startswith("PostgresSettings")
    async with PostgresCollectionJobRepository(server.tcp_url) as repository:
        pass
    with pytest.raises(RepositoryError) as caught:
        await repository.get_by_id("a")
    assert PASSWORD not in str(caught.value)


def test_without_asyncpg_one_sentence_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "import collection_jobs\n"
        "try: collection_jobs.open_repository('postgresql://u:secret@h/d')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "PostgreSQL needs asyncpg: pip install 'collection_jobs[postgres]'\n"
    assert done.stderr == ""


# The kit


@pytest.mark.parametrize(
    ("checks", "code", "verdicts"),
    [
        (("one caller", "interleavings", "killed processes"), 3, {"holds", "not checked"}),
        pytest.param((), 0, {"holds"}, marks=pytest.mark.release),  # most of a minute
    ],
    ids=["some checks", "every check"],
)
def test_a_url_conforms_the_users_jobs_stay_and_nothing_shows_the_password(
    server: Server, tmp_path: Path, checks: tuple[str, ...], code: int, verdicts: set[str]
) -> None:
    url = f"{server.tcp_url}?schema=mine"
    asyncio.run(_save(url))
    reports = {name: tmp_path / f"report.{name}" for name in ("json", "junit", "html")}
    options = [text for name, path in reports.items() for text in (f"--{name}", str(path))]
    options += [text for name in checks for text in ("--check", name)]
    done = subprocess.run(
        [*COMMAND, url, "--profile", "quick", "--seed", "3", *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    for text in (done.stdout, done.stderr, *(path.read_text() for path in reports.values())):
        assert PASSWORD not in text
    laws = json.loads(reports["json"].read_text())["laws"]
    assert {law["verdict"] for law in laws} == verdicts
    assert asyncio.run(server.fetch(SCRATCH)) == []
    assert asyncio.run(server.fetch("SELECT id FROM mine.jobs"))[0][0] == "mine"


async def _save(url: str) -> None:
    async with open_repository(url) as repository:
        await repository.save(example_job("mine"))


def test_an_interrupted_run_leaves_no_stores_behind(server: Server) -> None:
    process = subprocess.Popen(
        [*COMMAND, server.tcp_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not asyncio.run(server.fetch(SCRATCH)):
        assert process.poll() is None
    # No argument of a process, which every user of the machine can read, but the user's own.
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: no check done" in said
    assert "its stores are removed" in said
    assert PASSWORD not in said
    assert asyncio.run(server.fetch(SCRATCH)) == []


def test_stores_that_cannot_be_made_are_one_clear_sentence(server: Server) -> None:
    done = subprocess.run(
        [*COMMAND, server.tcp_url.replace(PASSWORD, "sesame-51")], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "password authentication failed" in done.stderr
    assert "sesame-51" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
