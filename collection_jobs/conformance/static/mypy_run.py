"""mypy in this process, with a cache of its own: nothing to start, nothing left in a project."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from collection_jobs.conformance.static.checkers import CHECKERS, CheckerError, Job
from collection_jobs.conformance.static.diagnostics import Diagnostic
from collection_jobs.conformance.static.user_cache import user_cache

__all__ = ["run_mypy"]


def run_mypy(text: str, roots: tuple[Path, ...]) -> list[Diagnostic]:
    """Check the text of a module.

    Args:
        text: The module.
        roots: Where else modules are imported from.

    Raises:
        CheckerError: mypy is not installed, or it came to no verdict.
    """
    try:
        from mypy import api
    except ImportError:
        raise CheckerError("mypy is not installed: pip install 'collection-jobs[check]'") from None
    mypy = CHECKERS["mypy"]
    job = Job(Path(), (), roots, cache=user_cache() / "mypy")
    with _environment({"MYPYPATH": os.pathsep.join(map(str, roots))}):
        output, errors, status = api.run([*mypy.arguments(job), "-c", text])
    return mypy.verdict(status, output, errors)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Generator[None]:
    """Set environment variables for a while: mypy takes its search path from nowhere else."""
    former = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
