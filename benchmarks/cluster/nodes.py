"""The nodes: PostgreSQL under Patroni, three times, and etcd as their arbiter.

The servers run as whoever runs the trial, and for root, whom PostgreSQL refuses, as nobody.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from benchmarks.cluster.network import HUB, Wire, make_network
from benchmarks.cluster.programs import POSTGRES, found

__all__ = ["DCS", "Cluster", "Node", "a_cluster"]

PASSWORD = "correct-horse-7f3a"  # noqa: S105 - of servers that live as long as the trial
DCS: dict[str, Any] = {
    "ttl": 8,
    "loop_wait": 1,
    "retry_timeout": 3,
    "maximum_lag_on_failover": 1_048_576,
    "synchronous_mode": True,
    "synchronous_mode_strict": True,
    "primary_start_timeout": 5,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            # Without fsync an answered commit survives the death of all processes.
            "fsync": "off",
            "max_connections": 100,
            "shared_buffers": "64MB",
            "wal_keep_size": "256MB",
            "wal_sender_timeout": "3s",
            "wal_receiver_timeout": "3s",
            "tcp_user_timeout": "3s",
            # How long a standby without a primary sleeps, also before it is promoted.
            "wal_retrieve_retry_interval": "500ms",
        },
    },
}
"""What Patroni keeps in etcd; the trial is quicker than Patroni's defaults, and not otherwise."""


class Node:
    """One node: Patroni and its PostgreSQL behind a wire.

    Attributes:
        name: Its name for Patroni.
        wire: Its network.
    """

    def __init__(self, number: int, home: Path, api: str) -> None:
        """Prepare its folder and its settings; nothing is started.

        Args:
            number: Which one it is.
            home: Where its folder is made.
            api: What Patroni asks etcd by: ``etcd3``, or ``etcd``, the former one.
        """
        self._api = api
        self.name: str = f"node{number}"
        self.wire: Wire = Wire(number)
        self._home = home / self.name
        self._home.mkdir()
        self._settings = self._home / "patroni.json"
        self._settings.write_text(json.dumps(self._patroni()))
        own(self._home)
        own(self._settings)
        self._patronis: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return self.wire.address

    def _patroni(self) -> dict[str, Any]:
        everyone = "host all all 10.77.0.0/24 scram-sha-256"
        replication = "host replication replicator 10.77.0.0/24 scram-sha-256"
        return {
            "scope": "trial",
            "name": self.name,
            self._api: {"hosts": [f"{HUB}:2379"]},
            "restapi": {
                "listen": f"{self.address}:8008",
                "connect_address": f"{self.address}:8008",
            },
            "bootstrap": {
                "dcs": DCS,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
                "pg_hba": ["local all all trust", everyone, replication],
            },
            "postgresql": {
                "listen": f"{self.address}:5432",
                "connect_address": f"{self.address}:5432",
                "data_dir": str(self._home / "data"),
                "bin_dir": str(POSTGRES),
                "pgpass": str(self._home / "pgpass"),
                "remove_data_directory_on_diverged_timelines": True,
                "parameters": {"unix_socket_directories": str(self._home)},
                "authentication": {
                    "superuser": {"username": "postgres", "password": PASSWORD},
                    "replication": {"username": "replicator", "password": PASSWORD},
                    "rewind": {"username": "rewinder", "password": PASSWORD},
                },
            },
            "watchdog": {"mode": "off"},
        }

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL."""
        command = [*self.wire.inside, found("setpriv"), *as_user(), found("patroni")]
        with (self._home / "log").open("ab") as said:
            self._patronis.append(started([*command, str(self._settings)], said, self._home))

    def kill(self) -> None:
        """End all its processes at once."""
        self.signal(signal.SIGKILL)
        for patroni in self._patronis:
            patroni.wait()
        self._patronis.clear()

    def kill_part(self, *, of_postgres: bool) -> None:
        """End PostgreSQL's processes and leave Patroni, or the other way round."""
        for pid in self.wire.processes():
            with suppress(OSError):
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                if (name == "postgres") is of_postgres:
                    os.kill(pid, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes."""
        for pid in self.wire.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def ask(self, path: str, body: object = None) -> Any:
        """Ask Patroni's interface; None where it does not answer.

        Returns:
            What it says, as JSON or, of an order, as text.
        """
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{self.address}:8008{path}", data)
        try:
            with urlopen(request, timeout=60 if data else 1) as answer:  # noqa: S310 - as above
                said = answer.read().decode()
        except (URLError, OSError):
            return None
        return said if data else json.loads(said)

    def remove(self) -> None:
        """End it, paused or not."""
        self.kill()
        self.wire.remove()


class Cluster:
    """Three nodes.

    Attributes:
        nodes: They.
    """

    def __init__(self, nodes: list[Node]) -> None:
        """Remember the nodes."""
        self.nodes: list[Node] = nodes

    def url(self, user: str = "postgres") -> str:
        """Give the URL that names all nodes, of which the primary is wanted."""
        hosts = ",".join(f"{node.address}:5432" for node in self.nodes)
        return (
            f"postgresql://{user}:{PASSWORD}@{hosts}/postgres"
            "?target_session_attrs=read-write&sslmode=disable"
        )

    def seen_from(self, node: Node) -> dict[str, dict[str, Any]]:
        """Give what a node knows of the members, by their names."""
        seen: dict[str, Any] = node.ask("/cluster") or {}
        members: list[dict[str, Any]] = seen.get("members", [])
        return {member["name"]: member for member in members}

    def primary(self) -> Node:
        """Give the primary of a cluster that is healthy."""
        return self._with_role("leader")

    def synchronous_standby(self) -> Node:
        """Give the standby that commits wait for."""
        return self._with_role("sync_standby")

    def _with_role(self, role: str) -> Node:
        """Ask one node after another, since one may be too busy to answer."""
        for asked in self.nodes:
            for name, member in self.seen_from(asked).items():
                if member.get("role") == role:
                    return next(node for node in self.nodes if node.name == name)
        raise RuntimeError(f"no node knows of a {role}")

    def is_healthy(self) -> bool:
        """Whether each node knows one leader, and two standbys that stream, one of them in step."""
        for node in self.nodes:
            members = self.seen_from(node)
            roles = sorted(member.get("role", "") for member in members.values())
            states = {member.get("state") for member in members.values()}
            # A node that is just starting does not say yet.
            timelines = {member.get("timeline") for member in members.values()}
            if (
                roles != ["leader", "replica", "sync_standby"]
                or not states <= {"running", "streaming"}
                or len(timelines) > 1
                or None in timelines
            ):
                return False
        return True

    def wait_until_healthy(self, seconds: float = 120) -> float:
        """Return once all nodes are well; how many seconds that took.

        Raises:
            RuntimeError: They are not in time.
        """
        began = time.monotonic()
        while not self.is_healthy():
            if time.monotonic() - began > seconds:
                seen = {node.name: self.seen_from(node) for node in self.nodes}
                raise RuntimeError(f"the cluster is not well after {seconds:g} s: {seen}")
            time.sleep(0.2)  # Patroni tells nobody; it is asked
        return time.monotonic() - began


@contextmanager
def a_cluster(home: Path, api: str) -> Generator[Cluster]:
    """Start etcd and three nodes; end them all."""
    make_network()
    nodes: list[Node] = []
    with (home / "etcd.log").open("ab") as said:
        etcd = started([found("setpriv"), *as_user(), *_etcd(home)], said, home)
    try:
        for number in (1, 2, 3):
            nodes.append(Node(number, home, api))  # noqa: PERF401 - those that are there are removed
        for node in nodes:
            node.wire.know([other.wire for other in nodes if other is not node])
        for node in nodes:
            node.start()
        cluster = Cluster(nodes)
        cluster.wait_until_healthy()
        yield cluster
    finally:
        for node in nodes:
            node.remove()
        etcd.kill()
        etcd.wait()


def _etcd(home: Path) -> list[str]:
    client, peer = f"http://{HUB}:2379", "http://127.0.0.1:2380"
    data = home / "etcd"
    data.mkdir()
    own(data)
    return [
        *(found("etcd"), "--name", "arbiter", "--data-dir", str(data), "--unsafe-no-fsync"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"arbiter={peer}", "--enable-v2"),
    ]


def own(path: Path) -> None:
    """Give a path to the user that the servers run as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def as_user() -> list[str]:
    """Give the options of setpriv that leave a program no right of root's."""
    rights = ["--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]
    if os.geteuid() != 0:
        return rights
    nobody = pwd.getpwnam("nobody")
    return [
        *(f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
        *("--bounding-set=-all", *rights),
    ]


def started(command: list[str], said: IO[bytes], home: Path) -> subprocess.Popen[bytes]:
    """Start a program that says what it says to a file."""
    environment = {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C"}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        cwd="/",
        env=environment,
        start_new_session=True,
    )
