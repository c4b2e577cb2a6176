"""Runs a page of docs/ as its reader would: `python -m tests.pages PAGE` writes its outputs anew.

Its Python blocks are run one after another as programs, and its console blocks as commands, in one
directory.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)


def run_page(text: str) -> str:
    """The page with what its commands print now."""
    with TemporaryDirectory() as directory:
        here = Path(directory)

        def run_block(match: re.Match[str]) -> str:
            language, block = match.groups()
            if language == "python":
                _run(here, "-c", block)
                return match[0]
            command = block.partition("\n")[0].removeprefix("$ ")
            program, *arguments = shlex.split(command)
            assert program == "collection-jobs", command
            return f"```console\n$ {command}\n{_run(here, '-m', 'collection_jobs', *arguments)}```"

        return _BLOCK.sub(run_block, text)


def _run(here: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=here,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise AssertionError(ran.stderr)
    return "".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines())


if __name__ == "__main__":
    for page in sys.argv[1:]:
        Path(page).write_text(run_page(Path(page).read_text()))
