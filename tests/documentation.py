"""Runs every block of the documentation: `python -m tests.documentation` writes the outputs anew.

A page is read from top to bottom in a directory of its own, as a reader would follow it:

* A `python` block is a program, or, when its first line is its name (`# my_stores.py`), a file. A
  program is run, and so is a file that no command of the page names. What it prints stands in the
  block behind it; where there is none, it prints nothing.
* In a `console` block each line that begins with `$ ` is run by bash, with the programs of this
  environment, and what it prints stands below. Installing, and running nox, is left to nox.
* `toml`, `yaml` and `json` blocks are parsed, and written where their first line names a file.
* `<!-- not run: REASON -->` in front of a block exempts it; `<!-- no block is run: REASON -->` as
  the first line of a page exempts all of its blocks. Any other block is an error.
* `<!-- wrong on purpose: REASON -->` in front of a block says that type checkers find errors in it
  (`tests/typing/pages.py`); it is run all the same.
* A terminal has 80 columns; `<!-- 100 columns -->` gives the commands of a page more.
* What is printed must be what the page shows, but for seconds and mypy's version; and on a page
  that says `<!-- numbers vary: REASON -->`, but for all numbers.

No library does all of this: pytest-examples and sybil run Python, and neither runs a console block
and rewrites what it printed. The parser of Markdown is one, that of rich.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from markdown_it import MarkdownIt

from tests.environment import of_a_reader

ROOT = Path(__file__).parent.parent
_GENERATED = ("docs/laws.md",)  # tests/test_law_examples.py runs what it shows
PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in ("", "docs/", "stubs/", "examples/adapters/")
    for path in ROOT.glob(f"{folder}*.md")
    if str(path.relative_to(ROOT)) not in _GENERATED
)

_EXEMPT = re.compile(r"<!-- not run: (.+?) -->", re.DOTALL)
_ALL_EXEMPT = re.compile(r"<!-- no block is run: (.+?) -->", re.DOTALL)
_WRONG = re.compile(r"<!-- wrong on purpose: (.+?) -->", re.DOTALL)
_VARYING = re.compile(r"<!-- numbers vary: (.+?) -->", re.DOTALL)
_COLUMNS = re.compile(r"<!-- (\d+) columns -->")
_NAMED = re.compile(r"# ([\w./-]+\.\w+)\n")
# What a reader does once, and the tests have done: nox -s wheel tries the installing.
_DONE = re.compile(r"(\S*/)?(pip install|nox|python3? -m venv)\b.*")
_PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


class PageError(Exception):
    """A page is wrong; the message says which block, and why."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page.

    Attributes:
        language: The word behind the fence.
        text: What is in it.
        first: The number of its first line, from 0, behind the fence.
        exempt: Why it is not run; None: it is.
        wrong: Why type checkers find errors in it; None: they find none.
    """

    language: str
    text: str
    first: int
    exempt: str | None
    wrong: str | None

    @property
    def name(self) -> str | None:
        """The file that the block is, by its first line."""
        named = _NAMED.match(self.text)
        return named[1] if named else None


def blocks(text: str) -> list[Block]:
    """The blocks of a page."""
    of_all = _ALL_EXEMPT.match(text)
    found: list[Block] = []
    before = ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.map is not None:
            exempt = of_all or _EXEMPT.search(before)
            wrong = _WRONG.search(before)
            found.append(
                Block(
                    language=token.info.partition(" ")[0],
                    text=token.content,
                    first=token.map[0] + 1,
                    exempt=exempt[1] if exempt else None,
                    wrong=wrong[1] if wrong else None,
                )
            )
        before = token.content if token.type == "html_block" else ""
    return found


def rendered(text: str) -> str:
    """A page with what its programs and commands print now.

    Raises:
        PageError: A block cannot be run.
    """
    lines = text.splitlines(keepends=True)
    found = blocks(text)
    with TemporaryDirectory(prefix="page-") as directory:
        commands = "".join(block.text for block in found if block.language == "console")
        columns = _COLUMNS.search(text)
        reader = _Reader(Path(directory), commands, columns[1] if columns else "80")
        # From the last to the first, for a new output may have another number of lines.
        for block, new in reversed([(block, fresh) for block, fresh in reader.read(found)]):
            lines[block.first : block.first + block.text.count("\n")] = [new]
    return "".join(lines)


class _Reader:
    """Follows a page, block by block, in a directory."""

    def __init__(self, here: Path, commands: str, columns: str) -> None:
        self._here = here
        self._commands = commands
        self._columns = columns
        self._printed: str | None = None

    def read(self, found: list[Block]) -> Iterator[tuple[Block, str]]:
        """Run the blocks, and give each with its text as it should be."""
        for block in found:
            try:
                new = block.text if block.exempt else self._run(block)
            except PageError as error:
                raise PageError(f"line {block.first}: {error}") from error
            yield block, new
        self._expect_nothing()

    def _run(self, block: Block) -> str:
        if block.language in ("", "text"):
            if self._printed is None:
                raise PageError("no program stands before this output, and it says no <!-- not run")
            printed, self._printed = self._printed, None
            return printed
        self._expect_nothing()
        if block.language == "console":
            return "".join(self._console(block.text))
        if block.language == "python":
            self._python(block)
        elif block.language in _PARSERS:
            _PARSERS[block.language](block.text)
            if block.name is not None:
                self._write(block.name, block.text)
        else:
            raise PageError(f"nothing runs {block.language!r}, and it says no <!-- not run")
        return block.text

    def _python(self, block: Block) -> None:
        name = block.name or "program.py"
        self._write(name, block.text)
        module = re.escape(Path(name).stem)
        if not re.search(rf"\b{module}\b", self._commands):
            printed = self._shell(f"python {name}", demand=True)
            self._printed = printed or None

    def _console(self, text: str) -> Iterator[str]:
        for command in re.findall(r"^\$ ((?:.*\\\n)*.*)\n", text, re.MULTILINE):
            yield f"$ {command}\n"
            if not _DONE.fullmatch(command.rpartition(" && ")[2]):
                yield self._shell(command)

    def _write(self, name: str, text: str) -> None:
        path = self._here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _shell(self, command: str, *, demand: bool = False) -> str:
        parts = [part for part in command.split(" && ") if not _DONE.match(part)]
        programs = Path(sys.executable).parent
        ran = subprocess.run(  # noqa: S602 - a reader's shell runs what our own pages say
            " && ".join(part.removeprefix(".venv/bin/") for part in parts),
            shell=True,
            executable="/bin/bash",
            cwd=self._here,
            env=of_a_reader(
                self._columns,
                PATH=f"{programs}:{os.environ['PATH']}",
                PYTHONPATH=str(self._here),
                PYTHONDONTWRITEBYTECODE="1",
                # pytest-asyncio, which these tests bring along, warns where it is not told.
                PYTEST_ADDOPTS="-o asyncio_default_fixture_loop_scope=function",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if (demand and ran.returncode) or "Traceback (most recent" in ran.stdout:
            raise PageError(f"{command} failed:\n{ran.stdout}")
        return "".join(f"{line.rstrip()}\n" for line in ran.stdout.strip("\n").splitlines())

    def _expect_nothing(self) -> None:
        if self._printed is not None:
            raise PageError(
                f"the program before prints what the page does not show: {self._printed}"
            )


def comparable(page: str) -> str:
    """A page without what is another each time."""
    if _VARYING.search(page):
        return steady(page)
    page = re.sub(r" \(\d+:\d\d:\d\d\)$", "", page, flags=re.MULTILINE)  # pytest, of minutes
    return re.sub(r"(?<=mypy )[\d.]+|[\d.]+(?= ?s\b)", "#", page)


def steady(text: str) -> str:
    """A text without what real concurrency, kills and clocks change: numbers, widths, line ends."""
    text = re.sub(r"\d[\d.,]*", "#", text)
    text = text.replace("#m #s", "#s")  # for how long something has been going on
    return re.sub(r"\s+", " ", re.sub("─+", "─", text))


def _main(names: list[str]) -> None:
    for name in names or PAGES:
        page = ROOT / name
        page.write_text(rendered(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1:])
