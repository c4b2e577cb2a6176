"""Runs the README as a newcomer would: `python -m tests.readme` writes its outputs anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

README = Path(__file__).parent.parent / "README.md"
_PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(
    r"```console\n\$ ([^\n]*collection-jobs (?:verify|jobs)[^\n]*)\n(.*?)```", re.DOTALL
)


def rendered(text: str) -> str:
    """The README with what its programs and commands print now."""
    with TemporaryDirectory() as directory:
        here = Path(directory)
        for name, program in programs(text).items():
            (here / name).write_text(program)
        shown = _run(here, "service.py")
        text = re.sub(r"(?<=```\n)JobStats\(.*?(?=```)", lambda _: shown, text, flags=re.DOTALL)

        def fresh(match: re.Match[str]) -> str:
            # What comes before the command installs it; the tests have done that.
            arguments = match[1].rpartition("collection-jobs ")[2].split()
            return f"```console\n$ {match[1]}\n{_run(here, '-m', 'collection_jobs', *arguments)}```"

        return _COMMAND.sub(fresh, text)


def programs(text: str) -> dict[str, str]:
    """The README's programs by the names of their files."""
    found: dict[str, str] = {}
    for program in _PYTHON.findall(text):
        named = re.match(r"# (\w+\.py)\n", program)
        found[named[1] if named else "service.py"] = program
    return found


def _run(here: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Traceback" in ran.stderr:
        raise AssertionError(ran.stderr)
    return "".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines())


def steady(text: str) -> str:
    """A text without what real concurrency, kills and clocks change: numbers, widths, line ends."""
    text = re.sub(r"\d[\d.,]*", "#", text)
    text = text.replace("#m #s", "#s")  # for how long the job has been running
    return re.sub(r"\s+", " ", re.sub("─+", "─", text))


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
