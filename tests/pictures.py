"""The pictures of a report: `python -m tests.pictures` makes them of the adapter that a page shows.

The terminal's goes into docs/pictures, so that a code-hosting site shows it too; the HTML page goes
where the site is built from, which shows the page itself: a screenshot would need a browser for
each build, and could be neither read aloud nor searched.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from tests.documentation import ROOT, blocks, steady
from tests.environment import of_a_reader

PICTURE = ROOT / "docs" / "pictures" / "verify.svg"
REPORT = ROOT / "docs" / "site" / "_extra" / "docs" / "report.html"
_PAGE = ROOT / "docs" / "reading-a-report.md"
_COMMAND = ("verify", "my_jobs:open_store", "--profile", "quick")
_WIDTH = 92


def made() -> tuple[str, str]:
    """The picture of the terminal, as SVG, and the page, as HTML."""
    (program,) = (b.text for b in blocks(_PAGE.read_text("utf-8")) if b.name == "my_jobs.py")
    with TemporaryDirectory() as directory:
        here = Path(directory)
        (here / "my_jobs.py").write_text(program, encoding="utf-8")
        ran = subprocess.run(
            [sys.executable, "-m", "collection_jobs", *_COMMAND, "--html", "report.html"],
            cwd=here,
            env=of_a_reader(_WIDTH, FORCE_COLOR="1"),
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 1:
            raise AssertionError(f"a law should have been broken:\n{ran.stdout}\n{ran.stderr}")
        return _terminal(ran.stdout), (here / "report.html").read_text("utf-8")


def _terminal(output: str) -> str:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_WIDTH, file=nowhere)
        console.print(f"$ collection-jobs {' '.join(_COMMAND)}", highlight=False)
        console.print(Text.from_ansi(output))
    svg = console.export_svg(title="collection-jobs", theme=DIMMED_MONOKAI, unique_id="verify")
    # A picture in a page may load no font: it takes the reader's own.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")


def words(svg: str) -> str:
    """What stands in a picture, without its places and colours."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", svg, flags=re.DOTALL))


def differ(drawn: str, picture: str) -> bool:
    """Whether two pictures show other things than times and counts, which vary from run to run."""
    return steady(words(drawn)) != steady(words(picture))


if __name__ == "__main__":
    picture, report = made()
    # A build leaves the tree as it was, unless what is shown is no longer so.
    if not PICTURE.exists() or differ(PICTURE.read_text("utf-8"), picture):
        PICTURE.write_text(picture, encoding="utf-8")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(report, encoding="utf-8")
