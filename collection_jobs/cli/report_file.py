"""ReportFile: a file that a report is written into at the end, whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click
from typing_extensions import override

__all__ = ["ReportFile", "write_report"]

_STDOUT = "-"


class ReportFile(click.ParamType[str]):
    """The path of a file that can be written, known before hours of work; - is standard output."""

    name = "filename"

    @override
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        path = Path(value)
        if value == _STDOUT:
            return value
        if path.is_dir():
            self.fail(f"{value!r} is a directory; name a file", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{value!r} cannot be written: its folder does not exist", param, ctx)
        if not path.exists() or path.is_file():
            try:  # what permissions say of it is not all that counts
                with tempfile.TemporaryFile(dir=path.parent):
                    pass
            except OSError as error:
                self.fail(f"{value!r} cannot be written: {error.strerror}", param, ctx)
        return value


def write_report(text: str, file: str) -> None:
    """Write a report.

    Args:
        text: The report.
        file: What `ReportFile` has let through.

    Raises:
        OSError: It cannot be written after all; what was there before is there still.
    """
    # A lone surrogate, which an adapter's error may hold, is no UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if file == _STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    path = Path(file)
    if path.exists() and not path.is_file():  # a device or a pipe, which cannot be replaced
        path.write_text(text, encoding="utf-8")
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as written:
            written.write(text)
        Path(name).chmod(_mode(path))
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int:
    """Return the permissions of a file, or those that a new one gets."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
