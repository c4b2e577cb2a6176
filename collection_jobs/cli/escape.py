"""Escape control characters so that stored text cannot drive the terminal."""

from __future__ import annotations

__all__ = ["escaped", "escaped_lines"]


def escaped(text: str) -> str:
    """Return the text on one line, with unprintable characters as Python escapes.

    Control characters move the cursor and ring the bell, escape sequences rewrite the window
    title or the clipboard, and direction marks make a text look like another one.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape_character(char) for char in text)


def escaped_lines(text: str) -> list[str]:
    """Return the lines of the text, each escaped, with tabs expanded to spaces."""
    return [escaped(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n")]


def _escape_character(char: str) -> str:
    return ascii(char)[1:-1]
