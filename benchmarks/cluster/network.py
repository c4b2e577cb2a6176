"""A network of namespaces: each node has a wire of its own, which can be pulled out.

It is made within a namespace that the trial has for itself (`__main__`), so nothing of it is left.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.cluster.programs import found

__all__ = ["HUB", "Wire", "make_network"]

HUB = "10.77.0.1"
"""Where the arbiter and the load are."""
_BRIDGE = "hub"
_MAC = "02:00:0a:4d:00:01"


def make_network() -> None:
    """Make the bridge that all wires lead to."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", _BRIDGE, "address", _MAC, "type", "bridge")
    _ip("addr", "add", f"{HUB}/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")


class Wire:
    """The network of one node: a namespace, held by a process, and a wire to the hub.

    Attributes:
        address: The node's.
        inside: What comes before a command that is to run there.
    """

    def __init__(self, number: int) -> None:
        """Lay the wire."""
        self.address: str = f"10.77.0.{10 + number}"
        self._name = f"wire{number}"
        self._mac = f"02:00:0a:4d:00:{10 + number:02x}"
        self._holder = subprocess.Popen(
            [found("unshare"), "--net", "sh", "-c", "echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None  # noqa: S101 - it is a pipe
        self._holder.stdout.readline()
        pid = str(self._holder.pid)
        self.inside: list[str] = [found("nsenter"), "--target", pid, "--net"]
        self.namespace: str = str(Path(f"/proc/{pid}/ns/net").readlink())
        peer = ("peer", "name", "eth0", "address", self._mac, "netns", pid)
        _ip("link", "add", self._name, "type", "veth", *peer)
        _ip("link", "set", self._name, "master", _BRIDGE, "up")
        for command in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
        ):
            self._ip_inside(*command)

    def know(self, others: list[Wire]) -> None:
        """Make neighbours known for good: who is cut off is silent, and not unreachable."""
        _ip("neigh", "replace", self.address, *_known(self._mac), "dev", _BRIDGE)
        self._ip_inside("neigh", "replace", HUB, *_known(_MAC), "dev", "eth0")
        for other in others:
            self._ip_inside("neigh", "replace", other.address, *_known(other._mac), "dev", "eth0")

    def pull_out(self) -> None:
        """Cut the node off: nothing it sends arrives, and nothing reaches it."""
        _ip("link", "set", self._name, "down")

    def plug_in(self) -> None:
        """Connect the node again."""
        _ip("link", "set", self._name, "up")

    def processes(self) -> list[int]:
        """Give the processes of the node."""
        pids: list[int] = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                same = str((path / "ns/net").readlink()) == self.namespace
            except OSError:
                continue  # it has ended meanwhile
            if same and int(path.name) != self._holder.pid:
                pids.append(int(path.name))
        return pids

    def remove(self) -> None:
        """End the namespace."""
        self._holder.kill()
        self._holder.wait()

    def _ip_inside(self, *arguments: str) -> None:
        subprocess.run([*self.inside, found("ip"), *arguments], check=True)


def _known(mac: str) -> tuple[str, ...]:
    return "lladdr", mac, "nud", "permanent"


def _ip(*arguments: str) -> None:
    subprocess.run([found("ip"), *arguments], check=True)
