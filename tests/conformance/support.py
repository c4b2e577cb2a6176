"""Targets and command lines for the tests of the kit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from collection_jobs import CollectionJobRepository
from collection_jobs.conformance import Target

ROOT = Path(__file__).parent.parent.parent


def target_of(
    make: Callable[[], AbstractAsyncContextManager[CollectionJobRepository]], name: str = "planted"
) -> Target:
    """A target whose stores need no directory."""
    return Target(name, lambda directory: make())


def command(
    *arguments: str, cwd: Path = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "collection_jobs", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
