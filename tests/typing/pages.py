"""The Python of the documentation under six type checkers: `python -m tests.typing.pages`.

A page's blocks are modules, as `tests/documentation.py` runs them: one by the name in its first
line, which the page's other blocks import, or a program of its own. A block that is not run is
checked, too, behind the names that its text leaves to the reader (`_BEFORE`). Each module stands at
the lines of its page, so an error names the page and the line. The tutorial is checked as the
module that it ends in, and the examples of the laws as the files that `docs/laws.md` is made of.

A block that shows errors on purpose says so in front. Every other error is printed, and each such
block of which no type checker says anything; the exit status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

from click.testing import CliRunner

from collection_jobs.cli.app import app
from collection_jobs.conformance.static.checkers import CHECKERS, Job
from tests.documentation import PAGES, ROOT, Block, blocks
from tests.tutorial import MODULE, PAGE, PROJECT, edited

__all__ = ["Error", "Module", "errors", "main", "modules", "sheets", "tutorial"]


@dataclass(frozen=True, slots=True)
class Module:
    """Some Python of a page.

    Attributes:
        path: Where other modules of the page find it, or a path of its own.
        text: What is checked; its lines are those of the page.
        page: The page.
        wrong: Whether it shows errors on purpose.
    """

    path: str
    text: str
    page: str
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """What the text around a block that is not run leaves to the reader.

    Attributes:
        names: What stands before the block.
        within: Whether the block is the body of the function that ``names`` ends in.
    """

    names: str
    within: bool = False


_BEFORE = {
    "async def collect(": Before("""\
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collection_jobs import Lease, RecordsCursorsUnderLease

@dataclass
class Candle:
    time: datetime

ONE_CANDLE = timedelta(hours=1)
async def download(
    symbol: str, timeframe: str, start: datetime, end: datetime
) -> Sequence[Candle]: return []
async def store(candles: Sequence[Candle]) -> None: ...
async def count(symbol: str) -> int: return 0
"""),
    "before = datetime.now(UTC)": Before(
        """\
from datetime import UTC, datetime, timedelta
from collection_jobs import Purges
async def fragment(repository: Purges) -> None:
""",
        within=True,
    ),
    "lease = await repository.claim_next(": Before(
        """\
from datetime import timedelta
from collection_jobs import LeasesJobs
NAME, TTL = "worker", timedelta(minutes=1)
async def fragment(repository: LeasesJobs) -> None:
""",
        within=True,
    ),
    "from collection_jobs.opening import Network": Before("""\
from collections.abc import Sequence
from pathlib import Path
from collection_jobs.opening import ScratchStores
def with_options(url: str, *, command_timeout: float) -> str: return url
def with_address(url: str, host: str, port: int) -> str: return url
def address_of(url: str) -> tuple[str, int]: return "localhost", 6379
def store_url(directory: Path) -> str: return ""
async def discard(directories: Sequence[Path]) -> None: ...
"""),
}
"""By how a block begins."""

_THEIRS = {
    # docs/schemes.md stands for a package of the reader's own.
    "my_package.py": """\
from contextlib import AbstractAsyncContextManager
from collection_jobs import CollectionJobRepository
class RedisRepository:
    @staticmethod
    def from_url(url: str) -> AbstractAsyncContextManager[CollectionJobRepository]:
        raise NotImplementedError
async def delete_keys(url: str, prefix: str) -> None: ...
""",
}


def modules() -> Iterator[Module]:
    """The Python of all pages."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        if ROOT / page != PAGE:
            for block in blocks(text):
                if block.language == "python":
                    yield _module(page, block)
    for source in sorted((ROOT / "docs" / "laws").glob("*.py")):
        name = str(source.relative_to(ROOT))
        yield Module(name, source.read_text(encoding="utf-8"), name)


def _module(page: str, block: Block) -> Module:
    path = block.name or f"{page.removesuffix('.md').replace('/', '_')}_{block.first + 1}.py"
    before = next((one for begins, one in _BEFORE.items() if block.text.startswith(begins)), None)
    names = before.names if before else ""
    text = indent(block.text, "    ") if before and before.within else block.text
    text = names + "\n" * (block.first - names.count("\n")) + text
    return Module(path, text, page, wrong=block.wrong is not None)


def tutorial() -> str:
    """The module that the reader of the tutorial has in the end."""
    with tempfile.TemporaryDirectory() as here, chdir(here):
        CliRunner().invoke(app, ["new-adapter", PROJECT], catch_exceptions=False)
        text = Path(PROJECT, MODULE, "repository.py").read_text(encoding="utf-8")
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        if block.language == "python":
            text = edited(text, block.text)
    return text


def sheets() -> Iterator[dict[str, Module]]:
    """The modules by their paths, those of a page together; one directory has each path once."""
    waiting: dict[str, list[Module]] = {}
    for module in [*modules(), _of_the_tutorial()]:
        waiting.setdefault(module.page, []).append(module)
    while waiting:
        sheet: dict[str, Module] = {}
        for page, made in list(waiting.items()):
            if not any(module.path in sheet for module in made):
                sheet |= {module.path: module for module in made}
                del waiting[page]
        yield sheet


def _of_the_tutorial() -> Module:
    return Module(f"{MODULE}/repository.py", tutorial(), str(PAGE.relative_to(ROOT)))


@dataclass(frozen=True, slots=True)
class Error:
    """What a type checker says of a page.

    Attributes:
        module: Where.
        place: The page and the line.
        message: The first line of what it says.
    """

    module: Module | None
    place: str
    message: str


def errors(checker: str, sheet: dict[str, Module], python: str) -> Iterator[Error]:
    """Yield each error that a type checker reports of the modules of a sheet."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        for path, text in [*_THEIRS.items(), *((path, one.text) for path, one in sheet.items())]:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            for folder in list(Path(path).parents)[:-1]:
                # Without, mypy knows its modules by two names.
                (directory / folder / "__init__.py").touch()
            (directory / path).write_text(text, encoding="utf-8")
        job = Job(directory, (*_THEIRS, *sheet), python=python)
        for found in CHECKERS[checker].run(job):
            path = str((directory / found.file).resolve().relative_to(directory))
            module = sheet.get(path)
            place = _place(module, found.line) if module else f"{path}:{found.line}"
            yield Error(module, place, f"{found.message.partition(chr(10))[0]} [{found.code}]")


def _place(module: Module, line: int) -> str:
    if ROOT / module.page != PAGE:
        return f"{module.page}:{line}"
    written = module.text.splitlines()[line - 1]
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    where = lines.index(written) + 1 if written in lines else f"{module.path}, line {line}"
    return f"{module.page}:{where}: {written.strip()}"


def main(arguments: list[str] | None = None) -> int:
    """Check the pages with every type checker; the exit status."""
    parser = argparse.ArgumentParser(description="Check the Python of the documentation.")
    parser.add_argument("checkers", nargs="*", help="which; all six if none is named")
    names: list[str] = parser.parse_args(arguments).checkers or list(CHECKERS)
    made = list(sheets())
    on_purpose = {one for sheet in made for one in sheet.values() if one.wrong}
    said = set[Module]()
    problems = list[str]()
    for name in names:
        began = time.perf_counter()
        found = [error for sheet in made for error in errors(name, sheet, sys.executable)]
        unexpected = [error for error in found if error.module not in on_purpose]
        said |= {error.module for error in found if error.module is not None}
        problems += [f"{error.place}: {name}: {error.message}" for error in unexpected]
        seconds = f"{time.perf_counter() - began:.1f} s"
        sys.stdout.write(f"{name:14}{len(unexpected)} errors, {seconds}\n")
    problems += [
        f"{module.page}: {module.path} is wrong on purpose, and no type checker says so"
        for module in on_purpose - said
    ]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write(f"{sum(map(len, made))} modules, {len(on_purpose)} of them wrong on purpose\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
