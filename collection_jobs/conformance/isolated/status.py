"""The status that an examining process keeps in shared memory: it outlives the process.

A message for each call would cost more than the calls do, and what a process has not sent when it
is killed is lost. What stands in memory that another process shares is there.
"""

from __future__ import annotations

import mmap
from tempfile import TemporaryFile

__all__ = ["SIZE", "StatusReader", "StatusWriter"]

SIZE = 4096
_BEATS = slice(0, 8)
_LENGTHS = slice(8, 12)
_TEXT = 12
_MOST = 1000


class StatusWriter:
    """Writes what is going on, and beats while the interpreter runs."""

    def __init__(self, descriptor: int) -> None:
        """Write into the file of that descriptor, which a `StatusReader` made."""
        self._memory = mmap.mmap(descriptor, SIZE)
        self._beats = 0
        self._where = b""
        self._calls = b""

    def beat(self) -> None:
        """Show that the interpreter still runs."""
        self._beats += 1
        self._memory[_BEATS] = self._beats.to_bytes(8, "little")

    def where(self, text: str) -> None:
        """Say which part of the examination is under way."""
        self._where = text.encode()[:_MOST]
        self._write()

    def calls(self, methods: list[str]) -> None:
        """Say which methods are under way."""
        self._calls = ", ".join(dict.fromkeys(methods)).encode()[:_MOST]
        self._write()

    def _write(self) -> None:
        where, calls = len(self._where), len(self._calls)
        lengths = where.to_bytes(2, "little") + calls.to_bytes(2, "little")
        text = lengths + self._where + self._calls
        self._memory[_LENGTHS.start : _LENGTHS.start + len(text)] = text


class StatusReader:
    """Reads what another process wrote, also when that has ended."""

    def __init__(self) -> None:
        """Make the memory."""
        self._file = TemporaryFile()  # noqa: SIM115 - closed with this object
        self._file.truncate(SIZE)
        self._memory = mmap.mmap(self._file.fileno(), SIZE)

    @property
    def descriptor(self) -> int:
        """What the other process opens it by."""
        return self._file.fileno()

    @property
    def beats(self) -> int:
        """How often the other process has beaten."""
        return int.from_bytes(self._memory[_BEATS], "little")

    def read(self) -> tuple[str, tuple[str, ...]]:
        """Return which part of the examination is under way, and which methods."""
        lengths = self._memory[_LENGTHS]
        where, calls = (int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2))
        text = self._memory[_TEXT : _TEXT + where]
        methods = self._memory[_TEXT + where : _TEXT + where + calls].decode(errors="replace")
        return text.decode(errors="replace"), tuple(filter(None, methods.split(", ")))

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        self._file.close()
