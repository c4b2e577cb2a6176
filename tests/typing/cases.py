"""The corpus of adapters, completed: each class of `corpus/` gets the methods that it leaves out.

A class in `corpus/` is written down to what is particular about it. Each becomes two adapters: one
that derives from nothing (structural), and one that derives from ICollectionJobRepository
(inherited). Comments say what is expected:

* ``# wrong: save`` on the line that every checker's finding must lead to (in wrong_*.py);
* ``# caught: save`` on the line that the run-time half must point at, or ``# unseen: save: why``
  where it cannot see the fault either (in invisible.py);
* ``# seen by: ty, pyrefly (inherited)`` beside it: these checkers see the invisible fault after
  all, pyrefly in one of the two variants only;
* ``# in its own file: pyright: why`` beside it: this checker may see the wrong method only where it
  is written, not through the probe;
* ``# without: save, delete`` on the line of a class: these are not added;
* ``# only structural: why``, ``# only inherited: why``, ``# only as written: why``.

All classes in right.py are right. Names with a leading underscore are helpers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

__all__ = ["CORPUS", "Case", "Variant", "complete", "write_corpus"]

CORPUS = Path(__file__).parent / "corpus"

Group = Literal["right", "wrong", "invisible"]
Variant = Literal["structural", "inherited"]

_MARKER = re.compile(r"# (wrong|caught|unseen): (?:(\w+)\.)?(\w+)(?:: ([^#]+))?")
_SEEN_BY = re.compile(r"# seen by: ([\w, ()]+)")
_OWN_FILE = re.compile(r"# in its own file: ([\w, ()]+): [^#]+")
_WITHOUT = re.compile(r"# without: ([\w, ]+)")
_ONLY = re.compile(r"# only (structural|inherited|as written): [^#]+")

_METHODS = {
    "save": "async def save(self, job: _cj.CollectionJob) -> None:",
    "get_by_id": "async def get_by_id(self, job_id: str) -> _cj.CollectionJob | None:",
    "delete": "async def delete(self, job_id: str) -> bool:",
    "list_by_status": (
        "async def list_by_status(self, status: _cj.JobStatus, limit: int = 100, offset: int = 0)"
        " -> list[_cj.CollectionJob]:"
    ),
    "list_recent": (
        "async def list_recent(self, limit: int = 100, since: _dt.datetime | None = None)"
        " -> list[_cj.CollectionJob]:"
    ),
    "get_running_jobs": "async def get_running_jobs(self) -> list[_cj.CollectionJob]:",
    "update_status": (
        "async def update_status(self, job_id: str, status: _cj.JobStatus,"
        " error_message: str | None = None) -> bool:"
    ),
    "add_failed_symbol": (
        "async def add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:"
    ),
    "get_stats": "async def get_stats(self, job_id: str) -> _cj.JobStats | None:",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One adapter, and what is expected of it.

    Attributes:
        module: The module that it was written to.
        qualname: The class.
        group: Whether it is right, wrong, or wrong in a way that types cannot see.
        method: The wrong method; empty for a right adapter.
        line: The line of that module that a finding must lead to; 0 for a right adapter.
        unseen: Why the run-time half does not see an invisible fault; empty when it does.
        seen_by: The checkers that see an invisible fault.
        own_file: The checkers that report a wrong method only where it is written.
    """

    module: str
    qualname: str
    group: Group
    method: str = ""
    line: int = 0
    unseen: str = ""
    seen_by: frozenset[str] = frozenset()
    own_file: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """The case as ``module:Class``."""
        return f"{self.module}:{self.qualname}"


def write_corpus(directory: Path) -> list[Case]:
    """Write every variant of the corpus as modules into a directory, and say what is in them."""
    cases: list[Case] = []
    for source in sorted(CORPUS.glob("*.py")):
        for variant in ("structural", "inherited"):
            module = f"{source.stem}_{variant}"
            text = complete(source.read_text(encoding="utf-8"), variant)
            (directory / f"{module}.py").write_text(text, encoding="utf-8")
            cases += _cases(module, text, _group(source.stem))
    return cases


def complete(text: str, variant: Variant) -> str:
    """Give each class the methods that it leaves out, and its base in the inherited variant."""
    lines = text.splitlines()
    edits: list[tuple[int, list[str]]] = []
    for node in _adapters(ast.parse(text)):
        head = lines[node.lineno - 1]
        only = _ONLY.search(head)
        if only and only[1] not in (variant, "as written"):
            edits.append((node.end_lineno or 0, []))
            continue
        if only and only[1] == "as written":
            continue
        if variant == "inherited":
            lines[node.lineno - 1] = _with_base(head, node)
        left_out = _WITHOUT.search(head)
        absent = set(left_out[1].replace(" ", "").split(",")) if left_out else set[str]()
        margin = " " * (node.col_offset + 4)
        added = [
            margin + line
            for name, signature in _METHODS.items()
            if name not in absent | _bound_in(node.body)
            for line in (signature, "    raise NotImplementedError")
        ]
        edits.append((node.end_lineno or 0, added))
    for end, added in reversed(edits):
        lines[end:end] = added
    future = [i for i, line in enumerate(lines) if line.startswith("from __future__")]
    at = future[0] + 1 if future else 1  # behind the import that must be first, or the docstring
    lines[at:at] = ["import datetime as _dt", "import collection_jobs as _cj"]
    return "\n".join(lines) + "\n"


def _adapters(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            nested = [item for item in node.body if isinstance(item, ast.ClassDef)]
            inner = [item for item in nested if item.name[0].isupper()]
            yield from inner or [node]


def _with_base(head: str, node: ast.ClassDef) -> str:
    base = "_cj.ICollectionJobRepository"
    if node.bases:
        end = node.bases[-1].end_col_offset or 0
        return f"{head[:end]}, {base}{head[end:]}"
    if node.keywords:
        start = node.keywords[0].col_offset
        return f"{head[:start]}{base}, {head[start:]}"
    return head.replace(f"class {node.name}", f"class {node.name}({base})", 1)


def _bound_in(body: list[ast.stmt]) -> set[str]:
    """The names that a class body binds or declares."""
    names: set[str] = set()
    for item in body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(item.name)
        elif isinstance(item, ast.Assign):
            names |= {target.id for target in item.targets if isinstance(target, ast.Name)}
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            names.add(item.target.id)
        elif isinstance(item, ast.If):
            names |= _bound_in(item.body) | _bound_in(item.orelse)
    return names


def _group(stem: str) -> Group:
    if stem.startswith("wrong"):
        return "wrong"
    return "right" if stem.startswith("right") else "invisible"


def _cases(module: str, text: str, group: Group) -> list[Case]:
    variant = module.rpartition("_")[2]
    lines = text.splitlines()
    tree = ast.parse(text)
    cases: list[Case] = []
    for node in _adapters(tree):
        head = lines[node.lineno - 1]
        only = _ONLY.search(head)
        if only and only[1] != variant and not (only[1] == "as written" and variant != "inherited"):
            continue
        qualname = _qualname(tree, node)
        if group == "right":
            cases.append(Case(module, qualname, group))
        else:
            cases.append(_marked(Case(module, qualname, group), node, lines))
    return cases


def _qualname(tree: ast.Module, node: ast.ClassDef) -> str:
    outer = [
        item.name for item in tree.body if isinstance(item, ast.ClassDef) and node in item.body
    ]
    return ".".join([*outer, node.name])


def _marked(case: Case, node: ast.ClassDef, lines: list[str]) -> Case:
    """The case with what its marker says."""
    left_out = _WITHOUT.search(lines[node.lineno - 1])
    found = [replace(case, method=left_out[1].strip(), line=node.lineno)] if left_out else []
    for number, line in enumerate(lines, start=1):
        marker = _MARKER.search(line)
        inside = node.lineno <= number <= (node.end_lineno or 0)
        if marker and (marker[2] == node.name if marker[2] else inside):
            unseen = (marker[4] or "").strip() if marker[1] == "unseen" else ""
            found.append(replace(case, method=marker[3], line=number, unseen=unseen))
    if len(found) != 1:
        raise ValueError(f"{case} must have one marker, not {len(found)}")
    line, variant = lines[found[0].line - 1], case.module.rpartition("_")[2]
    return replace(
        found[0],
        seen_by=_listed(_SEEN_BY.search(line), variant),
        own_file=_listed(_OWN_FILE.search(line), variant),
    )


def _listed(match: re.Match[str] | None, variant: str) -> frozenset[str]:
    """The checkers that a marker lists for a variant."""
    items = [item.strip().partition(" ") for item in match[1].split(",")] if match else []
    return frozenset(name for name, _, only in items if only in ("", f"({variant})"))
