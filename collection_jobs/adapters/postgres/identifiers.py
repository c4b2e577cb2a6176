"""Identifiers and literals: the one place where a name becomes a part of SQL."""

from __future__ import annotations

import re

__all__ = ["LONGEST_NAME", "in_schema", "literal", "quoted"]

LONGEST_NAME = 63
"""The most bytes of UTF-8 in a name; PostgreSQL cuts a longer one without an error."""

_PLACEHOLDER = re.compile(r"\{(schema|revisions|body)\}")


def quoted(name: str) -> str:
    """Write a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write a text as a string literal, whatever ``standard_conforming_strings`` says."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'" if "\\" not in text else " E'" + escaped.replace("\\", "\\\\") + "'"


def in_schema(text: str, schema: str) -> str:
    """Fill a schema's name into a text of SQL.

    Each placeholder is filled in one pass, so nothing within a name is taken for another one.

    Args:
        text: SQL in which ``{schema}`` stands for the schema as an identifier, ``{revisions}`` for
            its sequence as a literal that nextval takes, and ``{body}`` for the quotes around a
            function's body that names the schema.
        schema: The schema's name, of any characters.
    """
    name = quoted(schema)
    parts = {
        "schema": name,
        "revisions": literal(f"{name}.revisions") + "::regclass",
        "body": _dollar_quote(name),
    }
    return _PLACEHOLDER.sub(lambda match: parts[match[1]], text)


def _dollar_quote(text: str) -> str:
    """Return a dollar quote that does not occur in a text."""
    number = 0
    while f"$body{number}$" in text:
        number += 1
    return f"$body{number}$"
