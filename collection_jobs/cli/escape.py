"""Escape control characters so that stored text cannot drive the terminal."""

from __future__ import annotations

__all__ = ["harmless", "harmless_lines"]


def harmless(text: str) -> str:
    """Return the text on one line, with what does not print as Python's escapes.

    Control characters move cursors and ring bells, escape sequences rewrite a title or a
    clipboard, and marks of direction make a text read as another: none of them print.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def harmless_lines(text: str) -> list[str]:
    """Return the lines of the text, each escaped; tabs are widened."""
    return [harmless(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n")]


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]
