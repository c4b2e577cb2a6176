"""The calls that record something of a symbol, with a lease and without, and what came of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from collection_jobs.adapters.postgres.lease_requests import (
    FencedCursor,
    FencedOutcome,
    lease_lost,
    token_of,
)
from collection_jobs.adapters.postgres.pooled import PooledConnection
from collection_jobs.adapters.postgres.record_statements import RecordStatements
from collection_jobs.adapters.postgres.requests import RecordOutcome, SetCursor
from collection_jobs.adapters.postgres.rows import columns_of, sparse_columns_of, utc
from collection_jobs.errors import JobNotFoundError, UnknownSymbolError
from collection_jobs.lease import Lease

__all__ = ["FencedCursors", "FencedOutcomes", "RecordKinds", "RecordOutcomes", "SetCursors"]

_TOGETHER = 100
"""Fewer than are saved, since these statements loop over the jobs within loops."""
_FORGET_CURSOR = -2


# What some calls on one symbol come to, as the statement takes it: the last outcome; how many of
# them are failures, or None; whether one is a completion, though a failure is the last, see the
# statement; and how many there are.
_Change: TypeAlias = tuple[
    str, str, int | None, str | None, bool | None, int | None, int | None, int
]


def _change(outcome: RecordOutcome, before: _Change | None) -> _Change:
    """Add a call to those before it on the same symbol."""
    job_id, symbol, candles, error, permanent = outcome
    failures = None if error is None else 1
    if before is None:
        return job_id, symbol, candles, error, permanent or None, failures, None, 1
    _, _, candles_before, _, _, failures_before, forgets, calls = before
    if error is None:
        return job_id, symbol, candles, None, None, failures_before, None, calls + 1
    if candles_before is not None:
        forgets = _FORGET_CURSOR
    failures = 1 + (failures_before or 0)
    return job_id, symbol, None, error, permanent or None, failures, forgets, calls + 1


class RecordOutcomes:
    """Outcomes to record."""

    together = _TOGETHER

    def __init__(self, alone: str, statement: str) -> None:
        """Remember the statement of one call, and that of many."""
        self._alone, self._statement = alone, statement

    def may_share(self, first: RecordOutcome, later: RecordOutcome) -> bool:
        """Agree: none decides about another, and the last on a symbol counts."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[RecordOutcome]
    ) -> Sequence[Exception | None]:
        """Record the outcomes, but those whose job or symbol is unknown."""
        if len(requests) == 1:
            (request,) = requests
            rows = await pooled.fetch(self._alone, *_alone(request), pooled.lock_limit)
            return [_refusal(request, _is_refused(rows))]
        changes: dict[tuple[str, str], _Change] = {}
        for request in requests:
            place = request.job_id, request.symbol
            changes[place] = _change(request, changes.get(place))
        places = sorted(changes)
        columns = sparse_columns_of([changes[place] for place in places])
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        if not rows:
            return [None] * len(requests)
        # Rows number from 1 what was refused, and say whether the job is there at all.
        refused: dict[tuple[str, str], bool] = {places[row[0] - 1]: row[1] for row in rows}
        return [
            _refusal(request, refused.get((request.job_id, request.symbol))) for request in requests
        ]


class FencedOutcomes:
    """Outcomes to record under a lease."""

    together = _TOGETHER

    def __init__(self, alone: str, statement: str) -> None:
        """Remember the statement of one call, and that of many."""
        self._alone, self._statement = alone, statement

    def may_share(self, first: FencedOutcome, later: FencedOutcome) -> bool:
        """Agree: none ends a lease, and the last on a symbol counts."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[FencedOutcome]
    ) -> Sequence[Exception | None]:
        """Record the outcomes under leases that are current, but those of unknown symbols."""
        if len(requests) == 1:
            ((outcome, lease),) = requests
            args = *_alone(outcome), token_of(lease), pooled.lock_limit
            return [_refusal(outcome, _is_refused(await pooled.fetch(self._alone, *args)), lease)]
        changes: dict[tuple[str, str, int], _Change] = {}
        for request in requests:
            place = _place(request)
            changes[place] = _change(request.outcome, changes.get(place))
        places = sorted(changes)
        columns = sparse_columns_of([(*changes[place], place[2]) for place in places])
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        # Rows number from 1 what was refused, and say whether its lease is current.
        refused: dict[tuple[str, str, int], bool] = {places[row[0] - 1]: row[1] for row in rows}
        return [
            _refusal(request.outcome, refused.get(_place(request)), request.lease)
            for request in requests
        ]


class SetCursors:
    """Cursors to set."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: SetCursor, later: SetCursor) -> bool:
        """Agree: none decides about another, and the last on a symbol counts."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[SetCursor]
    ) -> Sequence[Exception | None]:
        """Set the cursors, but those whose job or symbol is unknown, or that lie outside."""
        order = _by_job(requests)
        columns = columns_of(requests[number] for number in order)
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        answers: list[Exception | None] = [None] * len(requests)
        for row in rows:
            place: int = row[0]
            number = order[place - 1]
            answers[number] = _cursor_refusal(requests[number], row)
        return answers


class FencedCursors:
    """Cursors to set under a lease."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: FencedCursor, later: FencedCursor) -> bool:
        """Agree: none ends a lease, and the last on a symbol counts."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[FencedCursor]
    ) -> Sequence[Exception | None]:
        """Set the cursors under leases that are current, but those of unknown symbols."""
        order = _by_job([request.cursor for request in requests])
        columns = columns_of(
            (*requests[number].cursor, token_of(requests[number].lease)) for number in order
        )
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        answers: list[Exception | None] = [None] * len(requests)
        for row in rows:
            place: int = row[0]
            number = order[place - 1]
            request = requests[number]
            answers[number] = _cursor_refusal(request.cursor, row, request.lease)
        return answers


class RecordKinds:
    """The kinds of calls that record something of a symbol, of one repository."""

    def __init__(self, schema: str) -> None:
        """Make one of each."""
        statements = RecordStatements.on(schema)
        self.outcome: RecordOutcomes = RecordOutcomes(
            statements.put_outcome, statements.put_outcomes
        )
        self.fenced_outcome: FencedOutcomes = FencedOutcomes(
            statements.put_outcome_under_lease, statements.put_outcomes_under_lease
        )
        self.cursor: SetCursors = SetCursors(statements.set_cursors)
        self.fenced_cursor: FencedCursors = FencedCursors(statements.set_cursors_under_lease)


def _by_job(requests: Sequence[SetCursor]) -> list[int]:
    """Give the numbers of some calls in the order of their jobs, else as they are."""
    numbers: Iterable[int] = range(len(requests))
    return sorted(numbers, key=[request.job_id for request in requests].__getitem__)


def _place(request: FencedOutcome) -> tuple[str, str, int]:
    return request.outcome.job_id, request.outcome.symbol, token_of(request.lease)


def _alone(outcome: RecordOutcome) -> tuple[Any, ...]:
    """Give the arguments of the statement of one call."""
    job_id, symbol, candles, error, permanent = outcome
    return job_id, symbol, candles, error, permanent or None, None if error is None else 1


def _is_refused(rows: Sequence[Any]) -> bool | None:
    """Read the answer to one call, as `_refusal` takes it."""
    if not rows:
        return False
    return None if rows[0][0] else True


def _refusal(
    request: RecordOutcome | SetCursor, is_there: bool | None, lease: Lease | None = None
) -> Exception | None:
    """Say why a call is refused: None where it is not.

    Args:
        request: The call.
        is_there: None where it is not refused; else whether its job is there, or its lease current.
        lease: The lease, if it has one.
    """
    if is_there is None:
        return None
    if is_there:
        return UnknownSymbolError(request.job_id, request.symbol)
    return JobNotFoundError(request.job_id) if lease is None else lease_lost(lease)


def _cursor_refusal(request: SetCursor, row: Any, lease: Lease | None = None) -> Exception | None:
    _, is_there, is_known, start, end = row
    if is_there and is_known:
        return _outside(request.until, utc(start), utc(end))
    return _refusal(request, is_there, lease)


def _outside(until: datetime, start: datetime, end: datetime) -> ValueError:
    return ValueError(
        f"until must lie within {start.isoformat()} to {end.isoformat()}: {until.isoformat()}"
    )
