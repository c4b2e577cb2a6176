"""Fixtures of the adapters' tests: a PostgreSQL server for each process that runs tests."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.adapters.postgres_server import Database, Server, a_database, a_schema, a_server


@pytest.fixture(scope="session")
def database() -> Generator[Database]:
    """A database for schemas of the tests' own."""
    with a_database() as found:
        yield found


@pytest.fixture
def schema(database: Database) -> Generator[str]:
    """The name of a schema that is not there yet."""
    with a_schema(database) as name:
        yield name


@pytest.fixture
def url(database: Database, schema: str) -> str:
    """The URL of a store that is not there yet."""
    return database.in_schema(schema)


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    """A server that a module may do anything to."""
    with a_server() as started:
        yield started
