"""The programs that a cluster is made of, and the Debian packages that have them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["POSTGRES", "found", "missing_packages", "patroni_is_sound_with_etcd3"]

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_PACKAGES = {
    "patroni": "patroni",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
_OF_POSTGRES = ("initdb", "pg_ctl", "postgres", "pg_basebackup", "pg_rewind")


def _postgres() -> Path | None:
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    for programs in reversed(installed):
        if all((programs / name).exists() for name in _OF_POSTGRES):
            return programs
    return None


POSTGRES = _postgres()
"""Where PostgreSQL's programs are; None where the package is missing."""


def missing_packages() -> list[str]:
    """Name the Debian packages that are missing."""
    missing = {package for name, package in _PACKAGES.items() if _which(name) is None}
    if POSTGRES is None:
        missing.add("postgresql")
    return sorted(missing)


def found(name: str) -> str:
    """Give the path of a program that is there."""
    path = _which(name)
    assert path is not None, name  # noqa: S101 - asked before
    return path


def patroni_is_sound_with_etcd3() -> bool:
    """Whether Patroni never takes the leader's key back from another node.

    Before 3.0.3 a primary that was paused for longer than its key lives wrote it anew, whoever had
    it by then, and what its successor had acknowledged was lost (Patroni's pull request 2689). By
    etcd's former interface it never did.
    """
    said = subprocess.run([found("patroni"), "--version"], capture_output=True, check=True)
    numbers = said.stdout.decode().split()[-1].split(".")
    return tuple(map(int, numbers[:3])) >= (3, 0, 3)


def _which(name: str) -> str | None:
    return shutil.which(name, path=_PATH)
