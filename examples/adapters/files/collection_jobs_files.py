"""Collection jobs in a directory of JSON files, one a job, for any number of processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Self, TypeVar
from urllib.parse import unquote

from typing_extensions import override

from collection_jobs import (
    CheckedRepository,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    RepositoryError,
    StaleJobError,
)
from collection_jobs.documents import from_json, to_json
from collection_jobs.openable import run_to_end
from collection_jobs.urls import shown_url

__all__ = ["FileCollectionJobRepository"]

_T = TypeVar("_T")
_LAYOUT = "1"


class FileCollectionJobRepository(CheckedRepository):
    """A repository that a person can read with ``cat`` and copy with ``cp``.

    Every call runs on one thread of the repository's own, since files block. A call that is
    cancelled runs to its end first.

    Not declared is ``scales``: a listing reads every file.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"durable", "shared"})
    driver_errors = (OSError,)

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Remember the directory; it is made when the repository is opened."""
        self._store = _Store(Path(directory))

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Build one from ``files:///relative/directory`` or ``files:////absolute/directory``.

        Raises:
            ValueError: The URL is neither.
        """
        _, _, path = url.partition(":///")
        if not path:
            raise ValueError(
                f"files:///directory names a directory, and {shown_url(url)!r} does not"
            )
        return cls(unquote(path))

    @override
    def _describe_store(self) -> str:
        return f"the repository in {self._store.directory}"

    @override
    async def _open(self) -> None:
        self._thread = ThreadPoolExecutor(1, "collection-jobs-files")
        await self._run(self._store.prepare)

    @override
    async def _close(self) -> None:
        self._thread.shutdown(wait=False)  # no call is under way: it ends at once

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await run_to_end(asyncio.wrap_future(self._thread.submit(work)))

    @override
    async def _save(self, job: CollectionJob) -> None:
        await self._run(lambda: self._store.save(job))

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        return await self._run(lambda: self._store.read(job_id))

    @override
    async def _delete(self, job_id: str) -> bool:
        return await self._run(lambda: self._store.delete(job_id))

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        jobs = await self._run(lambda: self._store.read_all(lambda job: job.status is status))
        return jobs[offset : offset + limit]

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        jobs = await self._run(
            lambda: self._store.read_all(lambda job: since is None or job.created_at >= since)
        )
        return jobs[::-1][:limit]

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        def change(job: CollectionJob) -> CollectionJob | None:
            permitted = job.status in former
            return job.with_status(status, error_message=error_message) if permitted else None

        return await self._run(lambda: self._store.change(job_id, change))

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        if not await self._run(
            lambda: self._store.change(job_id, lambda job: job.with_failed_symbol(symbol, error))
        ):
            raise JobNotFoundError(job_id)


class _Store:
    """The directory, for callers that may block.

    ``jobs/<sha256 of the id>.json`` holds a job: an id may be longer than a file's name, hold a
    slash, or differ from another by case alone. ``revision`` holds the greatest revision of a
    deleted job, so that no new job begins below it, and ``layout`` the version of all this.
    Whoever writes holds the lock of ``lock`` alone, whoever lists shares it; one job is read
    without it, for a file is replaced at one instant.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._jobs = directory / "jobs"
        self._revision = directory / "revision"

    def prepare(self) -> None:
        self._jobs.mkdir(parents=True, exist_ok=True)
        with self._lock(fcntl.LOCK_EX):
            for left in self._jobs.glob("*.new"):  # by a process that was killed
                left.unlink()
            layout = self.directory / "layout"
            if not layout.exists():
                _replace(layout, _LAYOUT)
            elif (found := layout.read_bytes()) != _LAYOUT.encode():
                raise RepositoryError(f"{layout} says {found!r}, not {_LAYOUT!r}")

    def save(self, job: CollectionJob) -> None:
        with self._lock(fcntl.LOCK_EX):
            stored = self.read(job.id)
            found = None if stored is None else stored.revision
            if job.revision is not None and job.revision != found:
                raise StaleJobError(job.id, job.revision, found)
            self._write(job, self._last_deleted() if found is None else found)

    def change(self, job_id: str, how: Callable[[CollectionJob], CollectionJob | None]) -> bool:
        """Change a stored job; False if there is none, or none of the change."""
        with self._lock(fcntl.LOCK_EX):
            stored = self.read(job_id)
            changed = None if stored is None else how(stored)
            if stored is None or changed is None:
                return False
            self._write(changed, stored.revision or 0)
            return True

    def delete(self, job_id: str) -> bool:
        with self._lock(fcntl.LOCK_EX):
            stored = self.read(job_id)
            if stored is None:
                return False
            # In this order: a kill in between leaves a number that is greater than needed.
            _replace(self._revision, str(max(self._last_deleted(), stored.revision or 0)))
            self._path(job_id).unlink()
            _sync(self._jobs)
            return True

    def read(self, job_id: str) -> CollectionJob | None:
        try:
            content = self._path(job_id).read_bytes()
        except FileNotFoundError:
            self._jobs.stat()  # the job is unknown only if the store is there
            return None
        return _job(self._path(job_id), content)

    def read_all(self, wanted: Callable[[CollectionJob], bool]) -> list[CollectionJob]:
        with self._lock(fcntl.LOCK_SH):
            jobs = [job for job in self._each() if wanted(job)]
        return sorted(jobs, key=lambda job: (job.created_at, job.id))

    def _each(self) -> Iterator[CollectionJob]:
        for path in self._jobs.iterdir():
            if path.suffix == ".json":
                yield _job(path, path.read_bytes())

    def _write(self, job: CollectionJob, former: int) -> None:
        _replace(self._path(job.id), to_json(job.with_revision(former + 1)))

    def _last_deleted(self) -> int:
        try:
            return int(self._revision.read_text())
        except FileNotFoundError:
            return 0
        except ValueError as error:
            raise RepositoryError(f"{self._revision} is damaged: {error}") from error

    def _path(self, job_id: str) -> Path:
        return self._jobs / f"{sha256(job_id.encode()).hexdigest()}.json"

    @contextmanager
    def _lock(self, kind: int) -> Generator[None]:
        # Opened anew each time: the lock belongs to the open file, so it also parts the threads
        # of one process, and the system lets it go when the process dies.
        with (self.directory / "lock").open("ab") as file:
            fcntl.flock(file, kind)
            yield


def _job(path: Path, content: bytes) -> CollectionJob:
    try:
        return from_json(content)
    except ValueError as error:
        raise RepositoryError(f"{path} is damaged: {error}") from error


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is there wholly or not at all, and still there after a power cut."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
