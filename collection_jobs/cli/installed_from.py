"""Where this package was installed from: what another project writes to install the same one."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["INDEX", "Requirement", "requirement_from"]

INDEX = "index"
"""Stands for a package index, as where ``pip install collection-jobs`` looks."""
_DISTRIBUTION = "collection-jobs"


class Requirement:
    """A requirement on this package, as a project's metadata has it.

    Attributes:
        url: The URL that it names; None: the requirement is a version, from an index.
    """

    def __init__(self, url: str | None) -> None:
        """Remember the URL."""
        self.url = url

    def __str__(self) -> str:
        """Return the requirement on the package alone."""
        return self.with_extra("")

    def with_extra(self, extra: str) -> str:
        """Return the requirement on the package with one of its extras."""
        name = f"{_DISTRIBUTION}[{extra}]" if extra else _DISTRIBUTION
        if self.url is None:
            return f"{name}>={version(_DISTRIBUTION)}"
        return f"{name} @ {self.url}"


def requirement_from(place: str | None) -> Requirement:
    """Return the requirement on the package at a place.

    Args:
        place: A directory, a wheel, a URL, or ``index``; None: where the package that runs was
            installed from (PEP 610), if that is still there.

    Raises:
        ValueError: It is none of these.
    """
    if place is None:
        return Requirement(_own_url())
    if place == INDEX:
        return Requirement(None)
    if "://" in place:
        return Requirement(place)
    path = Path(place)
    is_wheel = path.suffix == ".whl" and path.is_file()
    if not is_wheel and not (path / "pyproject.toml").is_file():
        raise ValueError(
            f"{place!r} is no directory of a project, no wheel, no URL and not {INDEX!r}"
        )
    return Requirement(path.resolve().as_uri())


def _own_url() -> str | None:
    """Return the URL that pip noted when it installed this package; an index it does not note."""
    try:
        noted = distribution(_DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    if noted is None:
        return None
    told: dict[str, Any] = json.loads(noted)
    url: str = told["url"]
    if "vcs_info" in told:
        return f"{told['vcs_info']['vcs']}+{url}@{told['vcs_info']['commit_id']}"
    parts = urlsplit(url)
    gone = parts.scheme == "file" and not Path(url2pathname(parts.path)).exists()
    return None if gone else url
