"""A worker of the collector: it claims one job after another, and collects it under its lease.

A worker may be killed, stopped or cut off at any point. What it holds then is claimed by another
once its lease has expired. If it wakes up after that, whatever it tries is refused: its lease has
an older token than its successor's.

The files are fenced by the same token, see `candle_files`. The file of a symbol is there before the
symbol is recorded. A symbol of many candles is written in pieces, and its cursor is set behind each
of them: whoever goes on with it begins there, if the pieces are in its folder.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import click
from candle_files import pieces_left, take_over, write_candles, write_piece
from candle_sources import (
    Candle,
    CandleSource,
    SourceError,
    SymbolNotFoundError,
    duration,
    open_source,
)
from typing_extensions import Protocol, runtime_checkable

from collection_jobs import (
    AddsJobs,
    CollectionJob,
    JobStatus,
    Lease,
    LeaseLostError,
    RecordsCursorsUnderLease,
    RecordsFailuresUnderLease,
    RepositoryError,
)

__all__ = ["MOST_ATTEMPTS", "Limits", "Store", "Worker"]

PAGE = 20
PIECE = 10_000
"""Candles that are written at once: no more of them are asked for again where a worker dies."""
MOST_ATTEMPTS = 3
"""How often a job is tried: one that has ended three workers would end the fourth one, too."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a worker works.

    Attributes:
        ttl: For how long it claims a job; it renews the lease three times as often.
        pace: Seconds between two requests to a source.
        per_source: How many jobs of one source all workers together may work on; None: any number.
        sources: Where there is such a limit, the sources that are known to have jobs.
    """

    ttl: timedelta
    pace: float
    per_source: int | None
    sources: tuple[str, ...]


@runtime_checkable
class Store(AddsJobs, RecordsFailuresUnderLease, RecordsCursorsUnderLease, Protocol):
    """What the collector needs of a repository: jobs, leases, failures as data, and cursors."""


class Worker:
    """Works on one job after another, until no job is left that it or another may finish."""

    def __init__(self, repository: Store, out: Path, limits: Limits) -> None:
        """Work for a repository, into a folder of this machine's own or one that all share."""
        self._repository = repository
        self._out = out
        self._limits = limits
        self._name = f"{socket.gethostname()} {os.getpid()}"
        self._known = dict.fromkeys(limits.sources)
        self._sources: dict[str, CandleSource] = {}

    async def work(self) -> None:
        """Claim and collect. Cancelled, give the job back that is being collected."""
        while True:
            lease = await self._claim()
            if lease is not None:
                await self._hold(lease)
            elif await self._is_any_left():
                await asyncio.sleep(self._limits.ttl.total_seconds() / 6)
            else:
                return

    async def _claim(self) -> Lease | None:
        claim_next, limits = self._repository.claim_next, self._limits
        if limits.per_source is None:
            return await claim_next(self._name, limits.ttl)
        for source in self._known:
            lease = await claim_next(
                self._name, limits.ttl, source=source, most_running=limits.per_source
            )
            if lease is not None:
                return lease
        return None

    async def _is_any_left(self) -> bool:
        """Whether a job waits for a limit, or is in the hands of a worker that may die."""
        if pending := await self._repository.list_by_status(JobStatus.PENDING, limit=PAGE):
            self._known.update(dict.fromkeys(job.source for job in pending))
            return True
        running = await self._repository.get_running_jobs()
        leases = [await self._repository.get_lease(job.id) for job in running]
        return any(lease is not None for lease in leases)

    async def _hold(self, lease: Lease) -> None:
        """Collect a job while a heartbeat keeps its lease."""
        tell("claimed", lease.job.id)
        heartbeat = asyncio.create_task(self._renew(lease))
        try:
            await self._collect(lease)
        except LeaseLostError:
            tell("lost", lease.job.id)  # it was cancelled or deleted, or this worker was too slow
        except asyncio.CancelledError:
            with suppress(LeaseLostError):
                await self._repository.update_status(lease.job.id, JobStatus.PENDING, lease=lease)
                tell("given back", lease.job.id)
            raise
        finally:
            heartbeat.cancel()

    async def _renew(self, lease: Lease) -> None:
        """Renew a lease until it is lost, of which the next call that records something hears."""
        while True:
            await asyncio.sleep(self._limits.ttl.total_seconds() / 3)
            try:
                await self._repository.renew(lease, self._limits.ttl)
            except LeaseLostError:
                return
            except RepositoryError:
                continue  # the store may be back before the lease expires

    async def _collect(self, lease: Lease) -> None:
        """Collect every symbol that is left, and finish the job.

        A symbol that failed for good before is not asked for again, but the job lacks it.
        """
        job = lease.job
        if lease.attempt > MOST_ATTEMPTS:
            why = f"given up: it has ended {MOST_ATTEMPTS} workers"
            await self._repository.update_status(job.id, JobStatus.FAILED, why, lease=lease)
            tell("given up", job.id)
            return
        failed = len(job.permanent_failures)
        for symbol in job.symbols_left:
            failed += not await self._collect_symbol(lease, symbol)
        if failed:
            why = f"{failed} of {len(job.symbols)} symbols failed"
            await self._repository.update_status(job.id, JobStatus.FAILED, why, lease=lease)
        else:
            await self._repository.update_status(job.id, JobStatus.COMPLETED, lease=lease)

    async def _collect_symbol(self, lease: Lease, symbol: str) -> bool:
        """Collect a symbol and record it; whether its source gave its candles."""
        job, path = lease.job, self._path(lease, symbol)
        try:
            candles = take_over(path)
            if candles is None:
                candles = await self._download(lease, symbol, path)
                tell("collected", f"{job.id}: {symbol}, {candles} candles")
            else:
                tell("found", f"{job.id}: {symbol}, {candles} candles")
            await self._repository.add_completed_symbol(job.id, symbol, candles, lease=lease)
        except SourceError as error:
            gone = isinstance(error, SymbolNotFoundError)
            await self._repository.add_failure(
                job.id, symbol, str(error), permanent=gone, lease=lease
            )
            tell("failed", f"{job.id}: {symbol}: {error}")
            return False
        except LeaseLostError:
            path.unlink(missing_ok=True)  # its successor has a file of its own
            raise
        tell("recorded", f"{job.id}: {symbol}")
        await asyncio.sleep(self._limits.pace)
        return True

    def _path(self, lease: Lease, symbol: str) -> Path:
        job = lease.job
        folders = [quote(name, safe="") for name in (job.source, job.timeframe, symbol)]
        return self._out.joinpath(*folders, f"{job.start:%Y%m%dT%H%M%S}.{lease.token}.csv")

    async def _download(self, lease: Lease, symbol: str, path: Path) -> int:
        """Write the file of a symbol, piece by piece; return how many candles it has."""
        job, at = lease.job, lease.job.start
        pieces = pieces_left(path, at)
        if pieces:
            at = pieces[-1].until
            await self._repository.set_cursor(job.id, symbol, at, lease=lease)
            tell("resumed", f"{job.id}: {symbol}, at {at:%Y-%m-%d %H:%M}")
        candles = await asyncio.to_thread(self._ask, job, symbol, at)
        while len(found := await asyncio.to_thread(list, islice(candles, PIECE))) == PIECE:
            until = min(found[-1].at + duration(job.timeframe), job.end)
            piece = write_piece(path, at, until, found)
            try:
                await self._repository.set_cursor(job.id, symbol, until, lease=lease)
            except LeaseLostError:
                piece.path.unlink(missing_ok=True)
                raise
            pieces.append(piece)
            at = until
            tell("reached", f"{job.id}: {symbol}, {at:%Y-%m-%d %H:%M}")
        try:
            return write_candles(path, pieces, found)
        except FileNotFoundError:  # its successor goes on with the pieces
            raise LeaseLostError(job.id, lease.worker) from None

    def _ask(self, job: CollectionJob, symbol: str, start: datetime) -> Iterator[Candle]:
        if job.source not in self._sources:
            self._sources[job.source] = open_source(job.source)
        source = self._sources[job.source]
        return iter(source.candles(symbol, job.timeframe, start, job.end))


def tell(what: str, of: str) -> None:
    """Tell the one who started this worker, in a line."""
    click.echo(f"{what}\t{of}")
