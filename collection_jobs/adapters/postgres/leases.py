"""The calls about leases: which may share a statement, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeAlias

import asyncpg

from collection_jobs.adapters.postgres.lease_requests import (
    ClaimJob,
    ClaimNextJob,
    FencedChange,
    RenewLease,
    lease_lost,
    token_of,
)
from collection_jobs.adapters.postgres.lease_statements import LeaseStatements
from collection_jobs.adapters.postgres.parts import Cursors, read_in_parts
from collection_jobs.adapters.postgres.pooled import PooledConnection, Rows
from collection_jobs.adapters.postgres.rows import columns_of, job_from_row, weight_of
from collection_jobs.adapters.postgres.write import Again
from collection_jobs.fields import FIELDS
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease

__all__ = [
    "ClaimJobs",
    "ClaimNextJobs",
    "FencedChanges",
    "GetLeases",
    "LeaseKinds",
    "RenewLeases",
]

_TOGETHER = 100
_FIELDS = len(FIELDS)
_ID = [field.name for field in FIELDS].index("id")
_Answer: TypeAlias = Lease | Exception | Again | None


class _Leases:
    """Leases from rows: what the statements read of a job, and then of its lease."""

    def __init__(self, statements: LeaseStatements, cursors: Cursors) -> None:
        """Remember the statements, and what reads jobs in parts."""
        self._statements = statements
        self._cursors = cursors

    async def _read(self, pooled: PooledConnection, ids: Sequence[str]) -> dict[str, Lease]:
        """Return the leases that jobs have, all of one snapshot."""
        rows = await pooled.fetch(self._statements.get, ids)
        if weight_of(rows) is not None:
            return _by_id(rows)
        return await self._read_in_parts(pooled, ids)

    async def _read_in_parts(
        self, pooled: PooledConnection, ids: Sequence[str]
    ) -> dict[str, Lease]:
        statement = self._statements.get_in_parts
        pairs = await read_in_parts(pooled, statement, (ids,), self._cursors)
        return {job.id: _lease(row, job) for row, job in pairs}

    async def _given_out(self, pooled: PooledConnection, rows: Rows) -> dict[str, Lease]:
        """Return the leases that a statement has given out or renewed, by the ids of their jobs.

        A job that is too large for a row is read again. A lease that was lost before that is left
        out, as if it had been lost a moment earlier.
        """
        if weight_of(rows) is not None:
            return _by_id(rows)
        tokens = {row[_ID]: row[_FIELDS + 1] for row in rows}
        found = await self._read_in_parts(pooled, sorted(tokens))
        return {key: lease for key, lease in found.items() if lease.token == tokens[key]}


class GetLeases(_Leases):
    """The leases of jobs by their ids."""

    together = _TOGETHER

    async def run(self, pooled: PooledConnection, keys: Sequence[str]) -> Mapping[str, Lease]:
        """Return the leases that jobs have, by the jobs' ids."""
        return await self._read(pooled, keys)


class ClaimNextJobs(_Leases):
    """Claims of whichever jobs are the oldest, of one source or any, under one limit or none."""

    together = _TOGETHER

    def __init__(
        self,
        statements: LeaseStatements,
        cursors: Cursors,
        source: str | None,
        most_running: int | None,
    ) -> None:
        """Remember what all of them ask for."""
        super().__init__(statements, cursors)
        self._source, self._most_running = source, most_running

    def may_share(self, first: ClaimNextJob, later: ClaimNextJob) -> bool:
        """Agree: they are done one after another."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[ClaimNextJob]
    ) -> Sequence[_Answer]:
        """Claim a job for each call, the oldest for the first."""
        try:
            rows = await self._claim(pooled, requests, patient=True)
        except asyncpg.LockNotAvailableError:
            if len(requests) > 1:
                raise
            # Somebody has held the oldest job for too long: then the next one is the oldest to be
            # had. A limit whose lock is held lets nobody pass.
            rows = await self._claim(pooled, requests, patient=False)
        answers: list[_Answer] = [Again.AGAIN] * len(requests)
        claimed: dict[int, str] = {}
        for row in rows:
            claimed[row[-1] - 1] = row[_ID]
        rows = [row for row in rows if row[_ID] is not None]
        leases = await self._given_out(pooled, rows) if rows else {}
        for number, job_id in claimed.items():
            if job_id is None:
                answers[number] = None
            elif job_id in leases:
                answers[number] = leases[job_id]
        return answers

    async def _claim(
        self, pooled: PooledConnection, requests: Sequence[ClaimNextJob], *, patient: bool
    ) -> Rows:
        workers = [request.worker for request in requests]
        ttls = [request.ttl for request in requests]
        args = workers, ttls, self._source, self._most_running, patient, pooled.lock_limit
        return await pooled.fetch(self._statements.claim_next, *args)


class ClaimJobs(_Leases):
    """Claims of jobs by their ids."""

    together = _TOGETHER

    def may_share(self, first: ClaimJob, later: ClaimJob) -> bool:
        """Agree: the second one finds the job claimed, or not to be had."""
        return True

    async def run(
        self, pooled: PooledConnection, requests: Sequence[ClaimJob]
    ) -> Sequence[_Answer]:
        """Claim each job for the first call that names it."""
        first: dict[str, ClaimJob] = {}
        for request in requests:
            first.setdefault(request.job_id, request)
        columns = columns_of(first[job_id] for job_id in sorted(first))
        rows = await pooled.fetch(self._statements.claim, *columns, pooled.lock_limit)
        leases = await self._given_out(pooled, rows) if rows else {}
        return [
            leases.get(request.job_id) if first[request.job_id] is request else None
            for request in requests
        ]


class RenewLeases(_Leases):
    """Renewals."""

    together = _TOGETHER

    def may_share(self, first: RenewLease, later: RenewLease) -> bool:
        """Refuse: the last one decides when the lease expires."""
        return False

    async def run(
        self, pooled: PooledConnection, requests: Sequence[RenewLease]
    ) -> Sequence[Lease | Exception]:
        """Renew the leases that are current."""
        asked = sorted(requests, key=_job_id)
        columns = columns_of((_job_id(one), token_of(one.lease), one.ttl) for one in asked)
        rows = await pooled.fetch(self._statements.renew, *columns, pooled.lock_limit)
        leases = await self._given_out(pooled, rows) if rows else {}
        return [leases.get(_job_id(one)) or lease_lost(one.lease) for one in requests]


class FencedChanges:
    """Changes of status under a lease."""

    together = _TOGETHER

    def __init__(self, statement: str) -> None:
        """Remember the statement."""
        self._statement = statement

    def may_share(self, first: FencedChange, later: FencedChange) -> bool:
        """Refuse: the first one may end the lease."""
        return False

    async def run(
        self, pooled: PooledConnection, requests: Sequence[FencedChange]
    ) -> Sequence[bool | Exception]:
        """Change the statuses of the jobs whose leases are current."""
        asked = sorted(requests, key=lambda request: request.change.job_id)
        columns = columns_of((*request.change, token_of(request.lease)) for request in asked)
        rows = await pooled.fetch(self._statement, *columns, pooled.lock_limit)
        changed: dict[str, bool] = dict(rows)
        answers = (changed.get(request.change.job_id) for request in requests)
        return [
            lease_lost(request.lease) if answer is None else answer
            for request, answer in zip(requests, answers, strict=True)
        ]


class LeaseKinds:
    """The kinds of calls about leases of one repository.

    Attributes:
        claim_next: Gives the kind of claims of one source and under one limit, for those share a
            statement that ask for the same.
    """

    _REMEMBERED = 1_000

    def __init__(self, schema: str, cursors: Cursors) -> None:
        """Make one of each."""
        statements = LeaseStatements.on(schema)
        self.get: GetLeases = GetLeases(statements, cursors)
        self.claim: ClaimJobs = ClaimJobs(statements, cursors)
        self.renew: RenewLeases = RenewLeases(statements, cursors)
        self.change_status: FencedChanges = FencedChanges(statements.update_status)
        kind = partial(ClaimNextJobs, statements, cursors)
        self.claim_next: Callable[[str | None, int | None], ClaimNextJobs] = lru_cache(
            self._REMEMBERED
        )(kind)


def _job_id(request: RenewLease) -> str:
    return request.lease.job.id


def _by_id(rows: Iterable[Any]) -> dict[str, Lease]:
    leases: dict[str, Lease] = {}
    for row in rows:
        values = tuple(row)
        lease = _lease(values, job_from_row(values[:_FIELDS]))
        leases[lease.job.id] = lease
    return leases


def _lease(row: Sequence[Any], job: CollectionJob) -> Lease:
    worker, token, expires_at, attempt = row[_FIELDS : _FIELDS + 4]
    return Lease(job=job, worker=worker, token=token, expires_at=expires_at, attempt=attempt)
