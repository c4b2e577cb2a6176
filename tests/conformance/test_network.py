"""TIME-1: a real proxy stalls, cuts and comes back; who waits for ever is convicted."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, cast

import pytest

from collection_jobs import CollectionJobRepository
from collection_jobs.conformance import LawReport, Report, Target, TargetError, find_target, verify
from collection_jobs.conformance.checks.network.proxy import Proxy
from collection_jobs.conformance.checks.registry import CHECKS
from collection_jobs.conformance.running.targets import Factory, Proxied
from collection_jobs.opening import Network, Scheme, ScratchStores
from docs.laws.served import Served, Server
from tests.mutants.networked import RIGHT, TIME_OUT, WAITS, Remote

CHECK = [check for check in CHECKS if check.name == "a failing network"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def judged(store: type[Remote], server: Server, port: int | None = None) -> Report:
    def straight(directory: Path) -> Remote:
        return store(directory, "127.0.0.1", server.port)

    behind = "127.0.0.1", server.port if port is None else port
    # Their methods are made, so a type checker does not see them.
    proxied = Proxied(behind, cast("Any", store), TIME_OUT)
    target = Target(store.__name__, cast("Factory", straight), proxied=proxied)
    return verify(target, profile="quick", checks=CHECK, deadline=2.5)


def law_of(report: Report) -> LawReport:
    return next(law for law in report.laws if law.id == "TIME-1")


@pytest.mark.parametrize("store", RIGHT, ids=lambda store: store.__name__)
def test_who_keeps_its_time_out_is_acquitted(store: type[Remote], server: Server) -> None:
    law = law_of(judged(store, server))
    assert (law.verdict, law.finding) == ("holds", None)
    assert "through a proxy that failed in 6 ways" in (law.reason or "")


# What waits for ever is left behind by the kit, and its sockets with it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("store", WAITS, ids=lambda store: store.__name__)
def test_who_waits_for_ever_or_answers_falsely_is_convicted(
    store: type[Remote], server: Server
) -> None:
    (finding,) = judged(store, server).findings
    assert finding.law == "TIME-1"
    assert WAITS[store] in finding.message
    assert 3 <= len(finding.history) <= 10
    gc.collect()


def test_without_a_server_the_law_does_not_apply() -> None:
    law = law_of(verify(find_target("memory:"), profile="quick", checks=CHECK, deadline=2.5))
    assert law.verdict == "not applicable"
    assert law.reason == "no server is named"


def test_a_store_that_no_proxy_leads_to_is_not_judged(server: Server) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        law = law_of(judged(Remote, server, port=unused.getsockname()[1]))
    assert law.verdict == "not applicable"
    assert "the store does not open through a proxy: RepositoryError" in (law.reason or "")


# How a scheme and a factory say it

NETWORKS: list[tuple[str, str, int]] = []


def scheme_of_a_server(server: Server) -> Scheme:
    def opened(url: str) -> CollectionJobRepository:
        _, _, place, store = url.split("/", 3)
        host, port = place.split(":")
        return cast("CollectionJobRepository", Remote(Path(store), host, int(port)))

    def through(url: str, host: str, port: int) -> str:
        NETWORKS.append((url, host, port))
        return url.replace(f":{server.port}/", f":{port}/")

    def scratch(url: str) -> ScratchStores:
        network = Network("127.0.0.1", server.port, through, TIME_OUT)
        return ScratchStores(lambda directory: f"{url}/{directory.name}", network=network)

    return Scheme(cast("Any", opened), scratch)


def test_a_scheme_says_how_to_put_a_proxy_in_between(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.SCHEME", scheme_of_a_server(server), raising=False)
    point = EntryPoint("served", f"{__name__}:SCHEME", "collection_jobs.repositories")

    def entry_points(**wanted: Any) -> EntryPoints:
        return EntryPoints([point]).select(**wanted)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    url = f"served://127.0.0.1:{server.port}"
    report = verify(find_target(url), profile="quick", checks=CHECK, deadline=2.5)
    assert law_of(report).verdict == "holds"
    assert {one.startswith(url) for one, _, _ in NETWORKS} == {True}


def test_a_factory_says_it_by_a_function_of_its_own() -> None:
    assert find_target("docs.laws.served:Served").proxied == Served.proxied()
    with pytest.raises(TargetError, match="must be a function that gives a Proxied: 5"):
        find_target(f"{__name__}:odd")


def odd(directory: Path) -> None:
    """A factory whose ``proxied`` gives something else."""


odd.proxied = lambda: 5  # type: ignore[attr-defined] # functions take attributes


# The proxy


def talk(address: tuple[str, int], said: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=5)
    connection.sendall(said)
    return connection


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield listening


@pytest.fixture
def proxy(listening: socket.socket) -> Iterator[Proxy]:
    with Proxy(*listening.getsockname()) as proxy:
        yield proxy


def test_a_stalled_proxy_forwards_what_was_held_back_when_it_recovers(
    listening: socket.socket, proxy: Proxy
) -> None:
    proxy.stall("request")
    with talk((proxy.host, proxy.port), b"held back"):
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
        proxy.recover()
        listening.settimeout(5)
        with listening.accept()[0] as far:
            assert far.recv(99) == b"held back"


def test_a_cut_connection_ends_in_the_middle_and_the_next_one_does_not(
    listening: socket.socket, proxy: Proxy
) -> None:
    with talk((proxy.host, proxy.port), b"?") as near, listening.accept()[0] as far:
        assert far.recv(9) == b"?"
        proxy.cut("answer")
        far.sendall(b"12345678")
        assert near.recv(99) == b"1234"
        assert is_gone(near)
    with talk((proxy.host, proxy.port), b"?") as near, listening.accept()[0] as far:
        assert far.recv(9) == b"?"
        far.sendall(b"12345678")
        assert near.recv(99) == b"12345678"


def is_gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
