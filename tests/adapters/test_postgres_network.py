"""A network that is slow, silent, cut or away: every call ends in time, and all works again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
import pytest

from collection_jobs import JobQuery, JobStatus, RepositoryError
from collection_jobs.adapters.postgres import PostgresCollectionJobRepository
from collection_jobs.conformance.spec.calls import example_job
from tests.adapters.postgres_proxy import BOTH, TO_CLIENT, TO_SERVER, Link, Proxy, a_proxy
from tests.adapters.postgres_server import Server

Repository = PostgresCollectionJobRepository
Call = Callable[[Repository], Awaitable[Any]]

LIMIT = 0.6
"""Seconds that every call has."""
LATE = 1.0
"""Seconds by which a busy machine may notice its end later."""

READS: dict[str, Call] = {
    "get_by_id": lambda repository: repository.get_by_id("a"),
    "get_stats": lambda repository: repository.get_stats("a"),
    "list_recent": lambda repository: repository.list_recent(),
    "list_by_status": lambda repository: repository.list_by_status(JobStatus.PENDING),
    "get_running_jobs": lambda repository: repository.get_running_jobs(),
    "list_after": lambda repository: repository.list_after(JobStatus.PENDING),
    "find": lambda repository: repository.find(JobQuery(symbol="BTC", source="binance")),
    "count": lambda repository: repository.count(JobQuery(symbol="BTC")),
}
WRITES: dict[str, Call] = {
    "save": lambda repository: repository.save(example_job("b")),
    "save_many": lambda repository: repository.save_many(example_job(f"{n}") for n in range(5)),
    "save_many, large": lambda repository: repository.save_many(
        example_job(f"{n}") for n in range(450)
    ),
    "delete": lambda repository: repository.delete("a"),
    "update_status": lambda repository: repository.update_status("a", JobStatus.RUNNING),
    "add_failed_symbol": lambda repository: repository.add_failed_symbol("a", "BTC", "boom"),
    "add_completed_symbol": lambda repository: repository.add_completed_symbol("a", "BTC", 3),
    "add_failure": lambda repository: repository.add_failure("a", "BTC", "x", permanent=True),
    "set_cursor": lambda repository: repository.set_cursor("a", "ETH", example_job("a").start),
    "delete_finished": lambda repository: repository.delete_finished(example_job("a").start),
}


@dataclass
class Net:
    """A repository through a proxy, open and with one job."""

    proxy: Proxy
    url: str
    repository: Repository

    async def works(self) -> None:
        """Every kind of call does, also many at once."""
        job = example_job("works")
        await self.repository.save(job)
        assert await self.repository.get_by_id("works") == job
        jobs = [example_job(f"works {n}") for n in range(20)]
        await asyncio.gather(*(self.repository.save(one) for one in jobs))
        assert await asyncio.gather(*(self.repository.get_by_id(one.id) for one in jobs)) == jobs


@pytest.fixture(params=["prepared", pytest.param("unprepared", marks=pytest.mark.release)], ids=str)
async def net(server: Server, request: pytest.FixtureRequest) -> AsyncGenerator[Net]:
    schema = f"net_{abs(hash(request.node.name))}"
    cache = 0 if request.param == "unprepared" else 100
    async with a_proxy(server.tcp_url) as (proxy, url):
        url = (
            f"{url}?schema={schema}&command_timeout={LIMIT}&connect_timeout={LIMIT}"
            f"&statement_cache={cache}&sslmode=disable"
        )
        # Without the limits, for tables take longer to make than anything that is timed here.
        async with Repository.from_url(f"{server.tcp_url}?schema={schema}&sslmode=disable") as made:
            await made.save(example_job("a"))
        async with Repository.from_url(url) as repository:
            await repository.save(example_job("a"))
            await repository.get_by_id("a")
            yield Net(proxy, url, repository)
            proxy.go_on()
    await server.execute(f"DROP SCHEMA {schema} CASCADE")


class Clock:
    """How long something takes, which must be within some seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.taken = 0.0

    async def __aenter__(self) -> Self:
        self._began = asyncio.get_running_loop().time()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.taken = asyncio.get_running_loop().time() - self._began
        assert self.taken < self.seconds + LATE, f"it took {self.taken} s"


async def test_a_slow_network_slows_and_nothing_else(net: Net) -> None:
    net.proxy.delay = 0.02
    patient = net.url.replace(f"command_timeout={LIMIT}", "command_timeout=30")
    async with Repository.from_url(patient) as repository:
        await Net(net.proxy, patient, repository).works()


@pytest.mark.parametrize(
    ("name", "directions"),
    [
        *((name, BOTH) for name in ("get_by_id", "save", "save_many, large")),
        *(("get_by_id", (TO_SERVER,)), ("save", (TO_CLIENT,)), ("delete_finished", (TO_CLIENT,))),
        *(
            pytest.param(name, BOTH, marks=pytest.mark.release)
            for name in ("find", "count", "add_failure", "set_cursor", "delete_finished")
        ),
        *(
            pytest.param(name, directions, marks=pytest.mark.release)
            for name in ("get_by_id", "list_recent", "save", "delete", "save_many, large")
            for directions in ((TO_SERVER,), (TO_CLIENT,))
        ),
    ],
)
async def test_a_call_ends_in_time_when_the_network_is_silent_and_works_when_it_is_back(
    net: Net, name: str, directions: tuple[str, ...]
) -> None:
    call = READS.get(name) or WRITES[name]
    await call(net.repository)  # its statement is prepared
    net.proxy.stall(*directions)
    async with Clock(LIMIT):
        with pytest.raises(RepositoryError) as caught:
            await call(net.repository)
    text = str(caught.value)
    assert f"no answer within {LIMIT:g} s" in text
    # Nothing is committed before the last of several commands.
    begins = "large" in name or "statement_cache=0" in net.url
    assert ("may have happened or not" in text) is (name in WRITES and not begins)
    assert isinstance(caught.value.__cause__, TimeoutError)
    net.proxy.go_on()
    await net.works()


class SetLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still unless it is set."""

    clock = 100.0

    def time(self) -> float:
        return self.clock


def test_a_call_whose_time_is_over_a_little_early_does_not_begin_again(server: Server) -> None:
    # One timer serves all calls: that of a call just before rings half a millisecond early for it.
    async def scenario(loop: SetLoop) -> None:
        async with a_proxy(server.tcp_url) as (proxy, url):
            url += f"?schema=early&command_timeout={LIMIT}&sslmode=disable"
            async with Repository.from_url(url) as repository:
                await repository.get_by_id("a")
                loop.clock += 0.0005
                proxy.stall(*BOTH)
                call = loop.create_task(repository.get_by_id("a"))
                await asyncio.sleep(0)
                loop.clock += LIMIT - 0.0005
                while not call.done():
                    loop.clock += 1e-6
                    await asyncio.sleep(0)
                assert loop.clock < 100 + LIMIT + 0.0005
                assert f"no answer within {LIMIT:g} s" in str(call.exception())
                proxy.go_on()
        await server.execute("DROP SCHEMA early CASCADE")

    with asyncio.Runner(loop_factory=SetLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, SetLoop)
        runner.run(scenario(loop))


async def test_all_that_wait_end_in_time_however_many(net: Net) -> None:
    net.proxy.stall(*BOTH)
    calls = [READS[name](net.repository) for name in READS for _ in range(20)]
    calls += [net.repository.save(example_job(f"{n}")) for n in range(200)]
    async with Clock(LIMIT):
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in done} == {RepositoryError}
    net.proxy.go_on()
    await net.works()


async def test_what_waits_ends_in_time_though_a_connection_may_take_longer(net: Net) -> None:
    url = net.url.replace(f"connect_timeout={LIMIT}", "connect_timeout=60")
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("a"))
        net.proxy.stall(*BOTH)
        calls = [call(repository) for call in (*READS.values(), *WRITES.values())]
        async with Clock(LIMIT):
            done = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in done} == {RepositoryError}
        # No connection is left, and none comes.
        calls = [call(repository) for call in (*READS.values(), *WRITES.values())]
        async with Clock(LIMIT):
            done = await asyncio.gather(*calls, return_exceptions=True)
        assert all("could not begin within" in str(one) for one in done)
        net.proxy.go_on()
        assert await repository.get_by_id("a") == example_job("a")


async def test_a_call_that_comes_later_ends_in_time_too(net: Net) -> None:
    net.proxy.stall(*BOTH)
    first = asyncio.create_task(net.repository.save(example_job("first")))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(first), LIMIT / 2)
    async with Clock(LIMIT):
        with pytest.raises(RepositoryError):
            await net.repository.save(example_job("first"))  # behind the first on its job
    with pytest.raises(RepositoryError):
        await first


@pytest.mark.parametrize("name", ["save", "update_status", "save_many, large"])
async def test_a_cancelled_write_ends_in_time_and_its_outcome_is_settled(
    net: Net, name: str
) -> None:
    for _ in range(5):  # more often than there are connections
        await net.works()
        net.proxy.stall(*BOTH)
        async with Clock(LIMIT) as clock:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(WRITES[name](net.repository), 0.1)
        assert clock.taken > LIMIT / 2
        net.proxy.go_on()
    await net.works()


async def test_a_cancelled_read_ends_at_once_and_its_connection_is_given_up_in_time(
    net: Net,
) -> None:
    for _ in range(6):
        await net.works()
        net.proxy.stall(*BOTH)
        async with Clock(0.1):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(net.repository.list_recent(), 0.05)
        net.proxy.go_on()
    await net.works()


async def test_closing_ends_in_time(net: Net) -> None:
    calls = [asyncio.create_task(net.repository.save(example_job(f"{n}"))) for n in range(40)]
    await asyncio.sleep(0)
    net.proxy.stall(*BOTH)
    reads = [asyncio.create_task(net.repository.list_recent()) for _ in range(3)]
    await asyncio.sleep(0)
    reads[0].cancel()
    async with Clock(LIMIT):
        await net.repository.close()
    done: list[object] = await asyncio.gather(*calls, *reads, return_exceptions=True)
    assert all(
        one is None or isinstance(one, RepositoryError | asyncio.CancelledError) for one in done
    )


async def test_a_cancelled_closing_ends_at_once(net: Net) -> None:
    calls = [asyncio.create_task(net.repository.save(example_job(f"{n}"))) for n in range(40)]
    await asyncio.sleep(0)
    net.proxy.stall(*BOTH)
    async with Clock(0.1):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(net.repository.close(), 0.1)
    async with Clock(LIMIT):
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("flights", range(1, 7))
@pytest.mark.parametrize("seconds", [None, 0.2])
async def test_an_opening_ends_in_time_wherever_the_network_falls_silent(
    net: Net, flights: int, seconds: float | None
) -> None:
    def stall(link: Link, direction: str, chunk: bytes) -> bytes:
        if link.flights == flights and direction == TO_SERVER:
            net.proxy.stall(*BOTH)
        return chunk

    # A schema that is not there yet takes more round trips than one that is.
    new = net.url.replace("schema=net", "schema=other_net")
    net.proxy.filter = stall
    before = len(net.proxy.links)
    async with Clock(2 * LIMIT if seconds is None else seconds):
        with pytest.raises(RepositoryError if seconds is None else TimeoutError):
            async with asyncio.timeout(seconds), Repository.from_url(new):
                pytest.fail("it opened")
    net.proxy.filter = lambda link, direction, chunk: chunk
    assert len(net.proxy.links) > before
    net.proxy.go_on()
    async with Repository.from_url(new) as repository:
        await repository.save(example_job("a"))
        assert await repository.get_by_id("a") == example_job("a")


@pytest.mark.parametrize("direction", BOTH)
@pytest.mark.parametrize("name", [*READS, *WRITES])
async def test_a_connection_cut_in_mid_message_is_made_up_for_or_told(
    net: Net, name: str, direction: str
) -> None:
    cut: list[Link] = []

    def cut_once(link: Link, way: str, chunk: bytes) -> bytes:
        if cut or way != direction:
            return chunk
        cut.append(link)
        writer = link.client if way == TO_CLIENT else link.server
        writer.write(chunk[: max(1, len(chunk) // 2)])
        raise ConnectionResetError

    net.proxy.filter = cut_once
    call = READS.get(name) or WRITES[name]
    (done,) = await asyncio.gather(call(net.repository), return_exceptions=True)
    assert cut
    if isinstance(done, BaseException):
        assert isinstance(done, RepositoryError)
        assert name in WRITES
        assert "may have happened or not" in str(done)
    await net.works()


async def test_a_network_that_is_away_and_comes_back(net: Net) -> None:
    for _ in range(3):
        net.proxy.refuse()
        async with Clock(2 * LIMIT):
            done = await asyncio.gather(
                net.repository.save(example_job("x")),
                net.repository.get_by_id("a"),
                net.repository.list_recent(),
                return_exceptions=True,
            )
        assert {type(one) for one in done} == {RepositoryError}
        await net.proxy.listen()
        await net.works()


async def test_calls_on_other_connections_go_on_while_one_is_silent(net: Net) -> None:
    def lose(link: Link, direction: str, chunk: bytes) -> bytes:
        return b"" if link is silent else chunk

    silent = net.proxy.links[-1]
    net.proxy.filter = lose
    first = asyncio.create_task(net.repository.get_by_id("a"))
    await asyncio.sleep(0)
    async with Clock(LIMIT / 2):
        found = await asyncio.gather(*(net.repository.get_by_id("a") for _ in range(50)))
        assert set(found) == {example_job("a")}
        await net.repository.save(example_job("b"))
    with pytest.raises(RepositoryError, match="no answer"):
        await first


async def test_the_server_gives_up_before_the_client_does_and_then_nothing_has_happened(
    server: Server,
) -> None:
    url = server.in_schema("slow", command_timeout=LIMIT, lock_timeout=60)
    async with Repository.from_url(url) as repository:
        await repository.save(example_job("a"))
        other = await asyncpg.connect(server.url)
        async with other.transaction():
            await other.execute("LOCK slow.jobs IN ACCESS EXCLUSIVE MODE")
            async with Clock(LIMIT):
                done = await asyncio.gather(
                    repository.get_by_id("a"),
                    repository.update_status("a", JobStatus.RUNNING),
                    return_exceptions=True,
                )
            for error in done:
                assert isinstance(error, RepositoryError)
                assert "statement timeout" in str(error)
                assert isinstance(error.__cause__, asyncpg.QueryCanceledError)
        await other.close()
        assert await repository.get_by_id("a") == example_job("a")


async def test_the_kernel_looks_after_idle_connections(net: Net) -> None:
    pooled = net.repository._opened()._connections._idle
    assert pooled
    for one in pooled:
        driver: Any = one.connection
        sock: socket.socket = driver._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == LIMIT * 500


async def test_opening_takes_as_few_round_trips_as_the_login_and_one_more(net: Net) -> None:
    before = len(net.proxy.links)
    for _ in range(3):
        async with Repository.from_url(net.url):
            pass
    flights = {link.flights for link in net.proxy.links[before:]}
    # The login by SCRAM takes three, and the goodbye is one way.
    assert flights == {5}
    assert len(net.proxy.links) == before + 3


async def test_a_connection_that_is_being_cancelled_keeps_no_other_call_waiting(net: Net) -> None:
    def hold(link: Link, direction: str, chunk: bytes) -> bytes:
        # A request to cancel goes by a connection of its own; it is lost.
        return b"" if link in net.proxy.links[known:] and is_cancellation(chunk) else chunk

    for _ in range(3):
        await net.works()
        await net.repository.get_by_id("a")  # the next one is alone, and goes at once
        known = len(net.proxy.links)
        net.proxy.filter = hold
        read = asyncio.create_task(net.repository.get_by_id("a"))
        await asyncio.sleep(0)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read
        assert net.repository._opened()._connections._settling
        async with Clock(LIMIT / 2):
            assert await net.repository.get_by_id("a") == example_job("a")
        net.proxy.filter = lambda link, direction, chunk: chunk


def is_cancellation(chunk: bytes) -> bool:
    return len(chunk) == 16 and chunk[4:8] == (80877102).to_bytes(4, "big")


async def test_a_cancellation_that_comes_late_and_meets_a_write_is_made_up_for(
    net: Net, server: Server
) -> None:
    """As by a pooler, which closes such a connection before it asks the server."""
    schema = net.url.partition("schema=")[2].partition("&")[0]
    late: list[tuple[Link, bytes]] = []

    def delay(link: Link, direction: str, chunk: bytes) -> bytes:
        if not is_cancellation(chunk):
            return chunk
        late.append((link, chunk))
        link.client.close()
        return b""

    net.proxy.filter = delay
    read = asyncio.create_task(net.repository.get_by_id("a"))
    await asyncio.sleep(0)
    read.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read
    await asyncio.wait(net.repository._opened()._connections._settling)
    ((link, request),) = late
    other = await asyncpg.connect(server.url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(f"UPDATE {schema}.jobs SET source = 'mine' WHERE id = 'a'")
    claim = asyncio.create_task(net.repository.update_status("a", JobStatus.RUNNING))
    waits = (
        "SELECT query_start FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND strpos(query, $1) > 0"
    )
    while not (waiting := await server.fetch(waits, schema)):
        pass
    link.server.write(request)
    while await server.fetch(waits, schema) in ([], waiting) and not claim.done():
        pass
    await transaction.rollback()
    await other.close()
    assert await claim
