"""TIME-1 on PostgreSQL: the kit's proxy is put in front of the server that a URL names."""

from __future__ import annotations

import pytest

from collection_jobs.adapters.postgres.proxying import (
    PROXIED_TIME_OUT,
    proxied_url,
    server_address,
)
from collection_jobs.adapters.postgres.settings import PostgresSettings
from collection_jobs.conformance import find_target, verify
from collection_jobs.conformance.checks.registry import CHECKS
from tests.adapters.postgres_server import Server

CHECK = [check for check in CHECKS if check.name == "a failing network"]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://h/d", ("h", 5432)),
        ("postgres://u:p%40ss@db.example.org:6000/d?schema=s", ("db.example.org", 6000)),
        ("postgresql://u@[::1]:6000/d", ("::1", 6000)),
        ("postgresql://u@[::1]/d", ("::1", 5432)),
        ("postgresql://u@/d?host=h&port=7000", ("h", 7000)),
        ("postgresql://u@one:1,two:2/d", None),
        ("postgresql://u@/d?host=/run/postgresql", None),
        ("postgresql:///d", None),
    ],
)
def test_the_proxy_is_for_the_server_that_a_url_names(
    url: str, address: tuple[str, int] | None
) -> None:
    assert server_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40ss@h:6000/d?schema=s&connections=2",
        "postgresql://u:p%40ss@/d?host=h&port=7000&schema=s&connections=2",
    ],
)
def test_only_the_address_and_the_time_outs_are_others(url: str) -> None:
    settings = PostgresSettings.from_url(proxied_url(url, "127.0.0.1", 9))
    assert settings.dsn == "postgresql://u:p%40ss@127.0.0.1:9/d"
    assert (settings.schema, settings.connections) == ("s", 2)
    assert settings.command_timeout == settings.connect_timeout == PROXIED_TIME_OUT


def test_no_call_waits_for_ever_by_the_kits_own_proxy(server: Server) -> None:
    report = verify(find_target(server.tcp_url), profile="quick", checks=CHECK)
    law = next(law for law in report.laws if law.id == "TIME-1")
    assert (law.verdict, law.finding) == ("holds", None)


def test_a_socket_of_this_machine_has_no_network(server: Server) -> None:
    report = verify(find_target(server.url), profile="quick", checks=CHECK)
    law = next(law for law in report.laws if law.id == "TIME-1")
    assert law.verdict == "not applicable"
