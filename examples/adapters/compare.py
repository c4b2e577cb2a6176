"""Print what the adapters of this directory have in common and what not, as a table.

    python examples/adapters/compare.py            prints it
    python examples/adapters/compare.py --write    writes it into README.md

What it prints is read from the adapters' source: none of their engines has to be installed.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
README = HERE / "README.md"
CAPABILITIES = ("durable", "shared", "scales")
_TABLE = re.compile(r"(?<=<!-- compare.py -->\n).*?(?=<!-- end -->)", re.DOTALL)
_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def main() -> None:
    """Print the table, or write it."""
    if sys.argv[1:] == ["--write"]:
        README.write_text(_TABLE.sub(lambda _: table(), README.read_text()))
    else:
        print(table(), end="")


def table() -> str:
    """Return the table, as Markdown."""
    lines = [
        f"| adapter | requires | lines of code | {' | '.join(CAPABILITIES)} |",
        f"|---|---|---|{'---|' * len(CAPABILITIES)}",
    ]
    for project in projects():
        source = adapter(project)
        declared = capabilities(source)
        marks = " | ".join("yes" if name in declared else "**no**" for name in CAPABILITIES)
        name = f"[{project.name}]({project.name}/{source.name})"
        lines.append(f"| {name} | {requires(project)} | {lines_of_code(source)} | {marks} |")
    return "".join(f"{line}\n" for line in lines)


def projects() -> list[Path]:
    """Return the adapters' directories."""
    return sorted(path.parent for path in HERE.glob("*/pyproject.toml"))


def adapter(project: Path) -> Path:
    """Return the one module that an adapter is."""
    return project / f"collection_jobs_{project.name}.py"


def requires(project: Path) -> str:
    """Return what an adapter needs besides this package and typing_extensions."""
    needed = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[><=]", need)[0] for need in needed]
    engines = [
        f"`{name}`" for name in names if name not in {"collection-jobs", "typing-extensions"}
    ]
    return ", ".join(engines) or "a POSIX file system"


def capabilities(source: Path) -> set[str]:
    """Return what the adapter declares."""
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.AnnAssign(ast.Name("capabilities"), value=ast.Call(args=[ast.Set(declared)])):
                return {ast.literal_eval(name) for name in declared}
            case _:
                pass
    raise ValueError(f"{source} declares no capabilities")


def lines_of_code(source: Path) -> int:
    """How many lines have code on them: no comment, no docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Expr(ast.Constant(str()) as text):
                docstrings.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
            case _:
                pass
    lines: set[int] = set()
    with source.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type not in _NO_CODE and token.type != tokenize.ENCODING:
                lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


if __name__ == "__main__":
    main()
