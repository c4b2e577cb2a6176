"""The environment of a reader at a terminal, for programs whose output the tests compare.

What a CI server adds is left out: pytest does not shorten its summary where `CI` is set, and rich
and typer colour what they print where they recognise a server, or are told to.
"""

from __future__ import annotations

import os

__all__ = ["of_a_reader"]

_OF_SERVERS = frozenset({
    "BUILD_NUMBER",
    "CI",
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "PY_COLORS",
    "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
})  # fmt: skip


def of_a_reader(columns: int | str = 80, **more: str) -> dict[str, str]:
    """This environment without what servers add, with a terminal's width and with what is given."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_SERVERS}
    return {**kept, "COLUMNS": f"{columns}", **more}
