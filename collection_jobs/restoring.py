"""Compile what builds jobs out of a store's rows, from the table of the entity's fields.

To build a page of jobs takes longer than to read it, if each value of each job goes through a loop
over the fields. So an adapter says once where each field is found in a row, and gets a function
that does this for all rows, as dataclasses and named tuples get their constructors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from collection_jobs.fields import FIELD_NAMES
from collection_jobs.job import CollectionJob, draft_of_job

__all__ = ["compile_restorer", "compile_rows"]


def compile_restorer(
    row: str,
    expressions: Mapping[str, str],
    names: Mapping[str, object],
    *,
    first: Iterable[str] = (),
) -> Callable[[Iterable[Any]], list[CollectionJob]]:
    """Return a function that builds a job of each of some rows, unchecked, as `restore_job` does.

    Args:
        row: What a row is assigned to, such as ``"id, source, symbols"``.
        expressions: For each field by its name, a Python expression of its value in normal form.
        names: What the expressions use besides what a row is assigned to.
        first: Statements that come before the expressions, for each row.

    Raises:
        LookupError: A field has no expression.
    """
    statements = (
        *first,
        "job = draft()",
        *(f"job.{name} = {expressions[name]}" for name in FIELD_NAMES),
        "job.__class__ = entity",
        "built.append(job)",
    )
    return compile_rows(row, statements, {**names, "draft": draft_of_job, "entity": CollectionJob})


def compile_rows(
    row: str, statements: Iterable[str], names: Mapping[str, object]
) -> Callable[[Iterable[Any]], list[Any]]:
    """Return a function that runs statements for each of some rows, and returns what they built.

    The texts are those of an adapter's own code: nothing that was read may be among them.

    Args:
        row: What a row is assigned to.
        statements: They append to the list ``built``.
        names: What they use besides what a row is assigned to.
    """
    lines = (
        *("def build(rows):", " built = []", f" for {row} in rows:"),
        *(f"  {statement}" for statement in statements),
        " return built",
    )
    scope: dict[str, Any] = dict(names)
    exec("\n".join(lines), scope)  # noqa: S102 - constant text, as dataclasses compile theirs
    build: Callable[[Iterable[Any]], list[Any]] = scope["build"]
    return build
