"""The conditions of a query as SQL."""

from __future__ import annotations

from typing import Any

from collection_jobs.adapters.sqlite.rows import MAX_INTEGER, encode_json
from collection_jobs.adapters.sqlite.schema import FIRST_INSTANT
from collection_jobs.documents import to_micros
from collection_jobs.query import JobQuery

__all__ = ["BEFORE_ALL", "BEHIND", "Conditions"]

BEFORE_ALL = (FIRST_INSTANT, "")
"""The key behind which all jobs are."""
BEHIND = "(j.created_at, j.id) > (:at, :id) AND j.created_at < :before"
"""The bounds of a search, by parameters that each search has."""

_WANTED = """
    WITH wanted (name, value) AS MATERIALIZED (
        SELECT value ->> 0, value ->> 1 FROM json_each(:metadata)) """
_CONDITIONS = {
    "source": "j.source = :source",
    "symbol": "EXISTS (SELECT 1 FROM symbols WHERE job = j.key AND symbol = :symbol)",
    "metadata": """
        NOT EXISTS (SELECT 1 FROM wanted LEFT JOIN metadata AS m
            ON m.job = j.key AND m.name = wanted.name WHERE m.value IS NOT wanted.value)""",
    "finished_before": "j.finished_at < :finished_before",
    "with_failures": "j.has_failures = :with_failures",
}


class Conditions:
    """What a search asks of the row ``j`` of `jobs`.

    Attributes:
        query: The query.
        parameters: What its conditions and its bounds are given.
        given: What stands before each statement.
    """

    def __init__(self, query: JobQuery, after: tuple[int, str] = BEFORE_ALL) -> None:
        """Ask for the jobs that match, behind a key."""
        self.query: JobQuery = query
        self.given: str = _WANTED if query.metadata else ""
        first = after
        if query.created_from is not None:
            first = max(first, (to_micros(query.created_from), ""))
        before = query.created_before
        self.parameters: dict[str, Any] = {
            "at": first[0],
            "id": first[1],
            "before": MAX_INTEGER if before is None else to_micros(before),
        }
        self._conditions: dict[str, str] = {}
        for name, condition in _CONDITIONS.items():
            value = getattr(query, name)
            if value is not None:
                self._conditions[name] = condition
                self.parameters[name] = value
        if query.statuses is not None:
            names = ", ".join(f"'{status.value}'" for status in sorted(query.statuses))
            self._conditions["statuses"] = f"j.status IN ({names})"
        if query.finished_before is not None:
            self.parameters["finished_before"] = to_micros(query.finished_before)
        if query.metadata:
            self.parameters["metadata"] = encode_json(list(query.metadata.items()))
        else:
            self._conditions.pop("metadata", None)
            self.parameters.pop("metadata", None)

    def others(self, met: frozenset[str]) -> str | None:
        """Give the conditions but those that are met; None if there are no others."""
        asked = [sql for name, sql in self._conditions.items() if name not in met]
        return " AND ".join(asked) or None
