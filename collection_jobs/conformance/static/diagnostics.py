"""What a type checker says, read from the output format of each into one shape."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Diagnostic",
    "read_mypy",
    "read_pyrefly",
    "read_pyright",
    "read_ty",
    "read_zuban",
]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error that a type checker reported.

    Attributes:
        file: The file, as the checker named it.
        line: The line, counted from 1.
        message: What is wrong, in the checker's words.
        code: The checker's name for this kind of error; may be empty.
    """

    file: str
    line: int
    message: str
    code: str

    def __str__(self) -> str:
        """Return the place and the message; a line below 1 means the whole file."""
        line = f":{self.line}" if self.line > 0 else ""
        return f"{self.file}{line}: {self.message}"


def read_mypy(output: str) -> list[Diagnostic]:
    """Read ``mypy --output json``: one object a line."""
    items: list[dict[str, Any]] = [
        json.loads(line) for line in output.splitlines() if line.startswith("{")
    ]
    return [
        Diagnostic(item["file"], item["line"], item["message"], item["code"] or "")
        for item in items
        if item["severity"] == "error"
    ]


def read_pyright(output: str) -> list[Diagnostic]:
    """Read ``pyright --outputjson`` and ``basedpyright --outputjson``; their lines begin at 0."""
    items: list[dict[str, Any]] = json.loads(output)["generalDiagnostics"]
    return [
        Diagnostic(
            item["file"],
            item["range"]["start"]["line"] + 1 if "range" in item else 0,
            item["message"],
            item.get("rule", ""),
        )
        for item in items
        if item["severity"] == "error"
    ]


def read_ty(output: str) -> list[Diagnostic]:
    """Read ``ty check --output-format gitlab``."""
    items: list[dict[str, Any]] = json.loads(output)
    return [
        Diagnostic(
            item["location"]["path"],
            item["location"]["positions"]["begin"]["line"],
            item["description"].removeprefix(f"{item['check_name']}: "),
            item["check_name"],
        )
        for item in items
        if item["severity"] not in ("minor", "info")
    ]


def read_pyrefly(output: str) -> list[Diagnostic]:
    """Read ``pyrefly check --output-format json``."""
    items: list[dict[str, Any]] = json.loads(output)["errors"]
    return [
        Diagnostic(item["path"], item["line"], item["description"], item["name"])
        for item in items
        if item.get("severity", "error") == "error"
    ]


_ZUBAN = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::\d+)*: error: (?P<message>.*)")
_CODE = re.compile(r"^(?P<message>.*?) +\[(?P<code>[a-z-]+)\]$")


def read_zuban(output: str) -> list[Diagnostic]:
    """Read ``zuban check``, which has no output but text: ``file:line: error: message  [code]``."""
    found: list[Diagnostic] = []
    for match in filter(None, map(_ZUBAN.fullmatch, output.splitlines())):
        coded = _CODE.fullmatch(match["message"])
        message, code = (coded["message"], coded["code"]) if coded else (match["message"], "")
        found.append(Diagnostic(match["file"], int(match["line"]), message, code))
    return found
