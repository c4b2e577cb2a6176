"""A worker of the collector: it claims one job after another, and collects it under its lease.

A worker may be killed, stopped or cut off at any point. What it holds then is claimed by another
once its lease has expired. If it wakes up after that, whatever it tries is refused: its lease has
an older token than its successor's.

The files are fenced by the same token, which stands in their names. The file of a symbol appears as
a whole, by a rename, before the symbol is recorded. Of several, which a worker leaves that was
killed between the two, the one with the greatest token counts.
"""

from __future__ import annotations

import asyncio
import csv
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import click
from candle_sources import Candle, CandleSource, SourceError, open_source

from collection_jobs import (
    CollectionJob,
    JobStatus,
    Lease,
    LeaseLostError,
    LeasesJobs,
    RepositoryError,
)

__all__ = ["MOST_ATTEMPTS", "Limits", "Worker"]

PAGE = 20
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


class Worker:
    """Works on one job after another, until no job is left that it or another may finish."""

    def __init__(self, repository: LeasesJobs, out: Path, limits: Limits) -> None:
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
        """Collect every symbol that the job does not have yet, and finish it."""
        job = lease.job
        if lease.attempt > MOST_ATTEMPTS:
            why = f"given up: it has ended {MOST_ATTEMPTS} workers"
            await self._repository.update_status(job.id, JobStatus.FAILED, why, lease=lease)
            tell("given up", job.id)
            return
        failed = 0
        for symbol in job.symbols:
            if symbol not in job.completed_symbols:
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
                found = await asyncio.to_thread(self._download, job, symbol)
                write_candles(path, found)
                candles = len(found)
                tell("collected", f"{job.id}: {symbol}, {candles} candles")
            else:
                tell("found", f"{job.id}: {symbol}, {candles} candles")
            await self._repository.add_completed_symbol(job.id, symbol, candles, lease=lease)
        except SourceError as error:
            await self._repository.add_failed_symbol(job.id, symbol, str(error), lease=lease)
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

    def _download(self, job: CollectionJob, symbol: str) -> list[Candle]:
        if job.source not in self._sources:
            self._sources[job.source] = open_source(job.source)
        source = self._sources[job.source]
        return list(source.candles(symbol, job.timeframe, job.start, job.end))


def take_over(path: Path) -> int | None:
    """Make a file one's own that a former worker left in this folder; return its candles.

    Returns:
        None if there is none: the candles are to be collected.
    """
    start = path.name.partition(".")[0]
    left = sorted(path.parent.glob(f"{start}.*.csv"), key=_token)
    try:
        for former in left:
            former.replace(path)
    except FileNotFoundError:  # its worker woke up, and removed it
        return None
    return len(path.read_text().splitlines()) - 1 if left else None


def _token(path: Path) -> int:
    return int(path.name.split(".")[1])


def write_candles(path: Path, candles: list[Candle]) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # no other lease has the same token, and so the same name
    with part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "open", "high", "low", "close", "volume"])
        for one in candles:
            rows.writerow([one.at.isoformat(), one.open, one.high, one.low, one.close, one.volume])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def tell(what: str, of: str) -> None:
    """Tell the one who started this worker, in a line."""
    click.echo(f"{what}\t{of}")
