"""The names of a new adapter: of its package, its module, its class and its URL scheme."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec
from typing import NamedTuple

from collection_jobs.opening import known_schemes
from collection_jobs.urls import shown_url

__all__ = ["Names", "find_names"]

_LONGEST = 30
"""Characters of a name: with more, lines of the project would be too long."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._-]+[A-Za-z0-9]+)*")
_TAKEN = frozenset({"collection_jobs", "noxfile", "tests"})


class Names(NamedTuple):
    """What a new adapter is called, derived from one name.

    Attributes:
        distribution: What pip installs, as in ``redis-jobs``; the folder of the project too.
        module: What Python imports, as in ``redis_jobs``.
        class_name: The repository, as in ``RedisJobsRepository``.
        scheme: What its URLs begin with, as in ``redis-jobs``.
    """

    distribution: str
    module: str
    class_name: str
    scheme: str


def find_names(name: str) -> Names:
    """Derive the names of an adapter.

    Raises:
        ValueError: The name cannot be one of a package, or would hide another; the message is
            one sentence.
    """
    if ":" in name or "@" in name:
        raise ValueError(f"{shown_url(name)!r} cannot name a package, since it looks like a URL")
    if len(name) > _LONGEST:
        raise ValueError(f"{name[:_LONGEST] + '...'!r} is too long: at most {_LONGEST} characters")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a package: {_advice(name)}")
    parts = [part.lower() for part in re.split(r"[._-]+", name)]
    module, scheme = "_".join(parts), "-".join(parts)
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in _TAKEN:
        raise ValueError(f"{module!r} means something else in Python or here: try {scheme}-jobs")
    if find_spec(module) is not None:
        # An adapter named as its driver could never import it.
        raise ValueError(
            f"the module {module!r} is installed, and would be hidden: try {scheme}-jobs"
        )
    if scheme in known_schemes():
        raise ValueError(f"the URL scheme {scheme!r} is taken: try {scheme}-jobs")
    class_name = "".join(part.capitalize() for part in parts) + "Repository"
    return Names(scheme, module, class_name, scheme)


def _advice(name: str) -> str:
    likely = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lstrip("0123456789-").lower()
    example = likely if _NAME.fullmatch(likely) else "redis-jobs"
    return f"use letters, digits and hyphens, starting with a letter, as in {example}"
