"""procrastinate's job manager, for the operations that it has: defer, list by id, and delete."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Job

from benchmarks.speed.frame import Opener
from collection_jobs import CollectionJob


class Store:
    """Four of the methods: a job as the arguments of a task. Its own ids are numbers."""

    def __init__(self, app: App) -> None:
        """Work on an open app."""
        self._manager = app.job_manager
        self._connector = app.connector
        self._ids: dict[str, int] = {}

    async def save(self, job: CollectionJob) -> None:
        self._ids[job.id] = (await self._manager.defer_job_async(_deferred(job))).id or 0

    async def save_many(self, jobs: Sequence[CollectionJob]) -> None:
        saved = await self._manager.batch_defer_jobs_async([_deferred(job) for job in jobs])
        self._ids |= {job.id: it.id or 0 for job, it in zip(jobs, saved, strict=True)}

    async def get_by_id(self, job_id: str) -> Any:
        (found,) = await self._manager.list_jobs_async(id=self._number(job_id))
        return found

    async def delete(self, job_id: str) -> bool:
        return await self._manager.cancel_job_by_id_async(self._number(job_id), delete_job=True)

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete jobs, off the clock."""
        numbers = [self._ids.pop(job_id) for job_id in ids]
        await self._connector.execute_query_async(
            "DELETE FROM procrastinate_jobs WHERE id = ANY (%(ids)s)", ids=numbers
        )

    def _number(self, job_id: str) -> int:
        """Return the number of a stored job: they were numbered from 1 on."""
        return self._ids.get(job_id) or int(job_id.rpartition("-")[2]) + 1


def _deferred(job: CollectionJob) -> Job:
    return Job(
        id=None,
        queue="collect",
        lock=None,
        queueing_lock=None,
        task_name="collect",
        task_kwargs={
            "source": job.source,
            "symbols": list(job.symbols),
            "timeframe": job.timeframe,
            "start": job.start.isoformat(),
            "end": job.end.isoformat(),
        },
        scheduled_at=job.created_at,
    )


FILL = """
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)
    SELECT 'collect', 'collect', jsonb_build_object('source', source, 'symbols', symbols,
        'timeframe', timeframe, 'start', range_start, 'end', range_end), created_at
    FROM {schema}.jobs ORDER BY key"""


def open_procrastinate(url: str) -> Opener:
    """Return an opener of Store on a database of its own."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        app = App(connector=PsycopgConnector(conninfo=url))
        async with app.open_async():
            yield Store(app)

    return opened


async def create_tables(url: str) -> None:
    """Apply procrastinate's schema."""
    app = App(connector=PsycopgConnector(conninfo=url))
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
