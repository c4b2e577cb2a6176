"""The faults: what is done to a healthy cluster, and how it is mended again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.cluster.nodes import Cluster, Node

__all__ = ["FAULTS", "Happened", "inflict"]

_AWAY = 6.0
"""Seconds for which a node stays away once there is another primary: the load must come back
without it."""
_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault that happened.

    Attributes:
        name: Its name.
        began: When it was inflicted.
        mended: When all was well again.
        moved: Whether another node is the primary since.
    """

    name: str
    began: float
    mended: float
    moved: bool


def _kill(cluster: Cluster, primary: Node) -> None:
    """End the primary's PostgreSQL and Patroni with SIGKILL; start them when another took over."""
    primary.kill()
    _wait_for_another(cluster, primary)
    primary.start()


def _crash(cluster: Cluster, primary: Node) -> None:
    """End the primary's PostgreSQL with SIGKILL; its Patroni starts it, or another takes over."""
    primary.kill_part(of_postgres=True)
    time.sleep(_AWAY)  # until Patroni has noticed


def _orphan(cluster: Cluster, primary: Node) -> None:
    """End the primary's Patroni only: PostgreSQL goes on, and nobody tells it of its successor."""
    primary.kill_part(of_postgres=False)
    _wait_for_another(cluster, primary)
    primary.start()


def _cut_off(cluster: Cluster, primary: Node) -> None:
    """Pull out the primary's wire; clients, the other nodes and etcd hear nothing of it."""
    primary.wire.pull_out()
    try:
        _wait_for_another(cluster, primary)
    finally:
        primary.wire.plug_in()


def _pause(cluster: Cluster, primary: Node) -> None:
    """Stop the primary's processes, as a machine that sleeps; it comes back as a primary."""
    primary.signal(signal.SIGSTOP)
    try:
        _wait_for_another(cluster, primary)
    finally:
        primary.signal(signal.SIGCONT)


def _switch_over(cluster: Cluster, primary: Node) -> None:
    """Let Patroni hand the role over, as one does before maintenance."""
    primary.ask("/switchover", {"leader": primary.name})


def _promote(cluster: Cluster, primary: Node) -> None:
    """Let Patroni promote the standby by hand, without asking the primary."""
    standby = cluster.synchronous_standby()
    standby.ask("/failover", {"candidate": standby.name})


def _restart(cluster: Cluster, primary: Node) -> None:
    """Let Patroni restart the primary's PostgreSQL."""
    primary.ask("/restart", {})


def _lose_standby(cluster: Cluster, primary: Node) -> None:
    """Pull out the wire of the standby that commits wait for."""
    standby = cluster.synchronous_standby()
    standby.wire.pull_out()
    try:
        _wait(lambda: _another_in_step(cluster, primary, standby), "another standby in step")
        time.sleep(_AWAY)
    finally:
        standby.wire.plug_in()


FAULTS: Mapping[str, Callable[[Cluster, Node], None]] = MappingProxyType(
    {
        "killed": _kill,
        "cut off": _cut_off,
        "paused": _pause,
        "PostgreSQL killed": _crash,
        "Patroni killed": _orphan,
        "switched over": _switch_over,
        "promoted by hand": _promote,
        "restarted": _restart,
        "standby cut off": _lose_standby,
    }
)


def inflict(cluster: Cluster, name: str) -> Happened:
    """Do a fault to a healthy cluster, and wait until it is healthy again.

    Raises:
        RuntimeError: It does not become so.
    """
    primary = cluster.primary()
    began = time.monotonic()
    FAULTS[name](cluster, primary)
    cluster.wait_until_healthy()
    mended = time.monotonic()
    return Happened(name, began, mended, cluster.primary() is not primary)


def _wait_for_another(cluster: Cluster, former: Node) -> None:
    """Wait until another node is the primary, and for as long as the former must not help."""
    others = [node for node in cluster.nodes if node is not former]

    def is_there() -> bool:
        return any(
            (member.get("role"), member.get("state")) == ("leader", "running")
            and name != former.name
            for node in others
            for name, member in cluster.seen_from(node).items()
        )

    _wait(is_there, "another primary")
    time.sleep(_AWAY)


def _another_in_step(cluster: Cluster, primary: Node, former: Node) -> bool:
    return any(
        member.get("role") == "sync_standby" and name != former.name
        for name, member in cluster.seen_from(primary).items()
    )


def _wait(condition: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > _LONGEST:
            raise RuntimeError(f"there is not {what} after {_LONGEST:g} s")
        time.sleep(0.1)  # Patroni tells nobody; it is asked
