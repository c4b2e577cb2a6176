"""Scratch stores: files for the conformance kit, on the disk of the user's own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from collection_jobs.adapters.sqlite.settings import SQLiteSettings

__all__ = ["scratch_parent", "sqlite_scratch_url"]


def scratch_parent(url: str) -> Path:
    """Return the directory beside the file that a URL names.

    Raises:
        ValueError: There is none, or the URL is no SQLite URL.
    """
    parent = Path(SQLiteSettings.from_url(url).path).absolute().parent
    if not parent.is_dir():
        raise ValueError(f"the directory {parent} does not exist")
    return parent


def sqlite_scratch_url(url: str, directory: Path) -> str:
    """Return the URL of a file in a directory, with the options of another URL."""
    _, mark, query = url.partition("?")
    return f"sqlite:///{quote(str(directory))}/jobs.db{mark}{query}"
