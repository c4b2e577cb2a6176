"""Modules that a test writes, checks and forgets."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.typing.cases import complete

__all__ = ["importable"]

_HEADER = """\
from __future__ import annotations
import functools
from datetime import datetime
from typing import Any
from collection_jobs import CollectionJob, JobStats, JobStatus
"""


@contextmanager
def importable(directory: Path, **modules: str) -> Generator[None]:
    """Make modules importable for a while, their classes completed as those of the corpus are.

    Args:
        directory: Where they are written.
        modules: The text of each, by its name (with / for a package), without the usual imports.
    """
    for name, text in modules.items():
        path = directory / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(complete(_HEADER + text, "structural"), encoding="utf-8")
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        tops = {name.partition("/")[0] for name in modules}
        for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
            del sys.modules[name]
