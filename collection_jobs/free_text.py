"""Free text as every store can hold it: bounded in bytes, without NUL and lone surrogates."""

from __future__ import annotations

import re

__all__ = ["MAX_TEXT_BYTES", "storable_text"]

MAX_TEXT_BYTES = 65_535
"""The most bytes of UTF-8 that a free text has: what the smallest text type of databases holds."""

_KEPT_BYTES = MAX_TEXT_BYTES - 64
"""How many bytes of a longer text are kept at most: the rest is for the line that ends it."""
_SURELY_FITS = MAX_TEXT_BYTES // 4  # characters: none takes more than four bytes
_COUNTED_AT_ONCE = 1_000_000  # characters: a text of gigabytes is not copied whole to be counted
# Compiled when it is first needed: that takes 2 % of the import of the package.
_UNSTORABLE = "[\x00\ud800-\udfff]"


def storable_text(text: str) -> str:
    """Replace NUL and lone surrogates with U+FFFD, and cut what exceeds MAX_TEXT_BYTES.

    Longer text keeps as many of its first characters as fit into 65,471 bytes, and ends in a line
    that says how many bytes were left out, as in ``[1234 bytes left out]``. Passing the result in
    again returns it unchanged.

    Args:
        text: A plain str, not an instance of a subclass.
    """
    if len(text) <= _SURELY_FITS:
        return _replaced(text)
    size = _bytes_of(text)
    if size <= MAX_TEXT_BYTES:
        return _replaced(text)
    # A character takes a byte at least, so no more than these can be kept; nothing behind them is
    # looked at again, however long the text is.
    kept = _replaced(text[:_KEPT_BYTES]).encode()[:_KEPT_BYTES]
    head = kept.decode(errors="ignore")  # without the first bytes of a character that was cut
    return f"{head}\n[{size - len(head.encode())} bytes left out]"


def _replaced(text: str) -> str:
    if "\0" in text or not text.isascii():
        return re.sub(_UNSTORABLE, "\ufffd", text)
    return text


def _bytes_of(text: str) -> int:
    """Return the bytes of a text whose NUL and lone surrogates are replaced: U+FFFD takes three."""
    size = len(text) if text.isascii() else _encoded_length(text)
    return size + 2 * text.count("\0")


def _encoded_length(text: str) -> int:
    # A lone surrogate passes as three bytes, as many as what replaces it takes.
    return sum(
        len(text[first : first + _COUNTED_AT_ONCE].encode("utf-8", "surrogatepass"))
        for first in range(0, len(text), _COUNTED_AT_ONCE)
    )
