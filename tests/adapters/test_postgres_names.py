"""Names that reach SQL: none means anything there, and none that would be changed is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collection_jobs import JobQuery, JobStatus, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.adapters.postgres.identifiers import in_schema, literal, quoted
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_server import Server

LATER = datetime(2100, 1, 1, tzinfo=UTC)
HOSTILE = [
    *("'", "''", '"', '""', "\\", "\\'", "$$", "$body0$", "$body1$", "$tag$", "{", "}", "{schema}"),
    *("{revisions}", "{body}", "{0}", "%", "%s", "%(x)s", ";", "--", "/*", "*/", ".", " ", "\t"),
    *("\n", "\r", "\x01", "\x7f", "é", "\u2028", "😀", "E'", "U&", ":x", "$1", "?", "jobs", "A"),
]
NAMES = (
    st.lists(st.sampled_from(HOSTILE) | st.characters(exclude_categories=["Cs"]), min_size=1)
    .map("".join)
    .map(lambda name: name.replace("\0", "").encode()[:63].decode(errors="ignore"))
    .filter(lambda name: name and not name.startswith("pg_") and name != "information_schema")
)
OTHERS = """
    SELECT 'class', n.nspname::text, c.relname::text FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ($1, 'pg_toast')
    UNION ALL SELECT 'function', n.nspname::text, p.proname::text FROM pg_proc AS p
        JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname <> $1
    UNION ALL SELECT 'schema', '', nspname::text FROM pg_namespace WHERE nspname <> $1
    UNION ALL SELECT 'secret', '', value FROM public.secrets ORDER BY 1, 2, 3"""


async def others(server: Server, name: str) -> Sequence[object]:
    return [tuple(row) for row in await server.fetch(OTHERS, name)]


async def works_in(server: Server, name: str) -> None:
    await server.execute(
        "CREATE TABLE IF NOT EXISTS public.secrets (value text)",
        "TRUNCATE public.secrets; INSERT INTO public.secrets VALUES ('sesame')",
    )
    before = await others(server, name)
    url = PostgresSettings(server.url).with_schema(name)
    async with PostgresCollectionJobRepository.from_url(url) as repository:
        job = example_job("a", completed_symbols={"BTC": 1}, failed_symbols={"ETH": "x" * 5_000})
        await repository.save(job)
        assert await repository.get_by_id("a") == job
        await repository.save(example_job("a"))  # the trigger's function has a body
        await repository.add_failed_symbol("a", "BTC", "boom")
        assert await repository.update_status("a", JobStatus.RUNNING)
        found = await repository.list_recent()
        assert [dict(one.failed_symbols) for one in found] == [{"BTC": "boom"}]
        await repository.add_failure("a", "BTC", "boom", permanent=True)
        await repository.set_cursor("a", "ETH", job.start)
        query = JobQuery(symbol="BTC", statuses=[JobStatus.RUNNING], with_failures=True)
        assert [one.id for one in await repository.find(query)] == ["a"]
        assert (await repository.count(query))[JobStatus.RUNNING] == 1
        assert await repository.update_status("a", JobStatus.COMPLETED)
        assert await repository.delete_finished(LATER) == 1
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = $1"
    assert (await server.fetch(tables, name))[0][0] == 4
    assert await others(server, name) == before
    await server.execute(f"DROP SCHEMA {quoted(name)} CASCADE")
    assert await others(server, name) == before


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example("'||(select value from public.secrets)||'")
@example("x'; DROP TABLE public.secrets; --")
@example('x"; DROP TABLE public.secrets; --')
@example("o'brien")
@example("$$; DROP TABLE public.secrets; $$")
@example("$body0$ $body1$ $body2$")
@example("back\\slash' \\'' {schema} {revisions} {body} %s %(x)s")
@example("x" * 63)
@example("é" * 31 + "x")
@given(NAMES)
def test_a_schema_of_any_name_works_and_nothing_else_in_the_database_changes(
    server: Server, name: str
) -> None:
    asyncio.run(works_in(server, name))


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("'\\\"$eE{}%") | st.characters(exclude_categories=["Cs"])))
def test_a_literal_is_the_text_however_the_server_reads_backslashes(
    server: Server, text: str
) -> None:
    text = text.replace("\0", "")

    async def read() -> None:
        connection = await asyncpg.connect(server.url)
        for setting in ("on", "off"):
            await connection.execute(f"SET standard_conforming_strings = {setting}")
            await connection.execute("SET escape_string_warning = off")
            assert await connection.fetchval(f"SELECT {literal(text)}") == text
        await connection.close()

    asyncio.run(read())


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    filled = in_schema("{schema} {revisions} {body} {other}", "{revisions}{body}$body0$")
    name = '"{revisions}{body}$body0$"'
    assert filled == f"{name} '{name}.revisions'::regclass $body1$ {{other}}"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "a name of 1 to 63 bytes: ''"),
        ("x" * 64, "1 to 63 bytes: 'xxx"),
        ("é" * 32, "1 to 63 bytes: 'ééé"),
        ("😀" * 16, "1 to 63 bytes: '😀"),
        ("a\0b", r"no NUL and no lone surrogate: 'a\x00b'"),
        ("a\ud800b", r"no NUL and no lone surrogate: 'a\ud800b'"),
        ("pg_x", "PostgreSQL's own: 'pg_x'"),
        ("information_schema", "PostgreSQL's own"),
    ],
)
def test_a_name_that_postgresql_cannot_hold_is_refused(schema: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at below
        PostgresCollectionJobRepository("postgresql://u:secret@h/d", schema=schema)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("schema", value) for value in (None, b"x", 1)),
        *(("lock_timeout", value) for value in ("1", None, True, 1j)),
        *(("command_timeout", value) for value in ("1; DROP TABLE x", None, False)),
        *(("connect_timeout", value) for value in ("", b"1")),
        *(("connections", value) for value in ("4", 4.0, True, None)),
        *(("statement_cache", value) for value in ("0", False, 0.0)),
        ("create", 1),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(name: str, value: object) -> None:
    options: dict[str, object] = {name: value}
    with pytest.raises(TypeError, match=f"^{name} must be"):
        PostgresCollectionJobRepository("postgresql://h/d", **options)  # type: ignore[arg-type]  # they are wrong


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("lock_timeout", value) for value in (0, -1, float("nan"), float("inf"), 86_401)),
        *(("command_timeout", value) for value in (0.0, -0.5, float("nan"), 10**400)),
        *(("statement_cache", value) for value in (-1, 1_001)),
        *(("connections", value) for value in (0, 10**30)),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: float) -> None:
    options: dict[str, float] = {name: value}
    with pytest.raises(ValueError, match=f"^{name} must be"):
        PostgresCollectionJobRepository("postgresql://h/d", **options)  # type: ignore[arg-type]  # any of them


class Liar(str):
    """A text that shows as another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "public"

    def replace(self, *_: object) -> str:
        return '"; DROP TABLE public.secrets; --'

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b""


class Long(float):
    """A number that shows as a text."""

    def __str__(self) -> str:
        return "1; DROP TABLE public.secrets"

    def __round__(self, *_: object) -> int:
        return 0


def test_a_value_is_taken_as_its_base_type_has_it() -> None:
    taken = PostgresSettings("postgresql://h/d", schema=Liar("mine"), lock_timeout=Long(2))
    assert type(taken.schema) is str
    assert taken.schema == "mine"
    assert type(taken.lock_timeout) is float
    assert taken.lock_timeout == 2


async def test_the_sessions_are_listed_as_ours_unless_the_url_or_the_environment_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE query LIKE '%named%'"

    async def listed(url: str) -> set[str]:
        async with PostgresCollectionJobRepository.from_url(url) as repository:
            await repository.list_recent()
            return {row[0] for row in await server.fetch(f"{query} AND pid <> pg_backend_pid()")}

    hostile = "it's; \"$$ \\ {x} %s"
    plain = server.in_schema("named")
    assert await listed(plain) == {"collection_jobs"}
    monkeypatch.setenv("PGAPPNAME", "from the environment")
    assert await listed(plain) == {"from the environment"}
    assert await listed(f"{plain}&application_name=collector%207") == {"collector 7"}
    escaped = "".join(f"%{byte:02x}" for byte in hostile.encode())
    assert await listed(f"{plain}&application_name={escaped}") == {hostile}


@pytest.mark.parametrize("part", ["u%00x@h/d", "h/d%00x", "h/d?application_name=a%00b", "h/\ud800"])
def test_a_url_with_what_would_end_a_value_of_the_first_packet_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="no NUL and no lone surrogate"):
        PostgresCollectionJobRepository(f"postgresql://{part}")


# What asyncpg raises while it connects is of many kinds; none is an error of its own to a caller.


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:s3cret@{'x' * 64}.example/d",  # no label of a name: a UnicodeError
        "postgresql://u:s3cret@a..b/d",
        "postgresql://u:s3cret@h:99999/d",
        "postgresql://u:s3cret@/d?host=h&port=many",
        "postgresql://u:s3cret@h/d?port=1,2",
        "postgresql://u:s3cret@h1,h2:1,h3/d?connect_timeout=0.1",
        "postgresql://u:s3cret@127.0.0.1:1/d?sslmode=sometimes",
        "postgresql://u:s3cret@127.0.0.1:1/d?sslmode=verify-full&sslrootcert=/none",
        "postgresql://u:s3cret@127.0.0.1:1/d?sslmode=require&sslcert=/none&sslkey=/none",
        "postgresql://u:s3cret@127.0.0.1:1/d?ssl_min_protocol_version=TLSv9",
        "postgresql://u:s3cret@127.0.0.1:1/d?sslnegotiation=later",
        "postgresql://u:s3cret@127.0.0.1:1/d?target_session_attrs=best",
        "postgresql://u@127.0.0.1:1/d?passfile=/none",
        f"postgresql://u:s3cret@/d?host=/{'x' * 200}",  # a socket's path is shorter
        "postgresql://u:s3cret@/d?host=/none",
        "postgresql://u:s3cret@[::1/d?host=%5B",
    ],
)
async def test_a_url_that_leads_nowhere_is_one_sentence_without_its_password(url: str) -> None:
    try:
        repository = PostgresCollectionJobRepository.from_url(url)
    except ValueError as error:
        text = str(error)
    else:
        with pytest.raises(RepositoryError) as caught:
            async with repository:
                pytest.fail("it opened")
        text = str(caught.value)
        assert caught.value.__cause__ is not None
    assert "s3cret" not in text
    assert "\n" not in text
