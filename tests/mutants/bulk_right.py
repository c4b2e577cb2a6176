"""Stores of unusual designs that keep every law however large they become."""

from __future__ import annotations

import gzip
import pickle
import sys
import zlib
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from collection_jobs import CollectionJob
from collection_jobs.adapters.sorted_keys import SortedKeys
from collection_jobs.documents import from_json, to_json
from tests.mutants.bulk import Large, put
from tests.mutants.stores import LogStore
from tests.mutants.table import is_right


@is_right
class CompactsItsLog(LogStore):
    """Writes its log anew when it is opened and has grown, with nothing but what is stored."""

    @override
    def replace_all(self, jobs: dict[str, CollectionJob], revision: int) -> None:
        super().replace_all(jobs, revision)
        if self.path.stat().st_size < 100_000:
            return
        new = self.path.with_suffix(".new")
        former, file = self.path, self.file
        try:
            self.path, self.file = new, new.open("wb", buffering=0)
            # The last revision stays, in a deletion of a job that never was.
            for job in sorted(jobs.values(), key=lambda job: job.revision or 0):
                self._revision = job.revision or 0
                self.append(job.id, job)
            self._revision = revision
            self.append("", None)
            new.replace(former)
        except BaseException:
            self.file = file
            raise
        finally:
            self.path = former
        if file is not None:
            file.close()


@is_right
class PackedLog(LogStore):
    """Packs each record as JSON, compressed."""

    @override
    def append(self, job_id: str, job: CollectionJob | None) -> None:
        body = None if job is None else (gzip.compress(to_json(job).encode(), 1), job.revision)
        content = pickle.dumps((self._revision, job_id, body))
        self.write(len(content).to_bytes(4, "big") + content)

    @override
    def record(self, content: bytes) -> tuple[int, str, CollectionJob | None]:
        revision, job_id, body = pickle.loads(content)  # noqa: S301 - our own file
        if body is None:
            return revision, job_id, None
        packed, of_job = body
        try:
            text = gzip.decompress(packed)
        except zlib.error as error:
            raise EOFError(str(error)) from error
        return revision, job_id, from_json(text).with_revision(of_job)


@is_right
class Sharded(Large):
    """Parts its jobs by the checksums of their ids, and compares the ids."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.shards: dict[int, dict[str, CollectionJob]] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.shards.setdefault(zlib.crc32(job.id.encode()), {})[job.id] = self._jobs[job.id]

    @override
    async def delete(self, job_id: str) -> bool:
        deleted = await super().delete(job_id)
        self.shards.get(zlib.crc32(job_id.encode()), {}).pop(job_id, None)
        return deleted

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        await super().get_by_id(job_id)
        return self.shards.get(zlib.crc32(job_id.encode()), {}).get(job_id)


@is_right
class LazyIndex(Large):
    """Sorts its keys anew at every listing, and does not say that it scales."""

    capabilities: ClassVar[frozenset[str]] = frozenset()

    @override
    def _read(self, keys: Any, limit: int) -> list[CollectionJob]:
        fresh = SortedKeys()
        for job in self._jobs.values():
            fresh.add((job.created_at, job.id))
        return super()._read(keys, limit)


@is_right
class SmallCache(Large):
    """Caches a hundred jobs, and drops whatever is written."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.cache: OrderedDict[str, CollectionJob] = OrderedDict()

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.cache.pop(job.id, None)

    @override
    async def delete(self, job_id: str) -> bool:
        self.cache.pop(job_id, None)
        return await super().delete(job_id)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        with suppress(KeyError, TypeError):
            self._check_open()
            self.cache.move_to_end(job_id)
            return self.cache[job_id]
        job = await super().get_by_id(job_id)
        if job is not None:
            self.cache[job_id] = job
            if len(self.cache) > 100:
                self.cache.popitem(last=False)
        return job


@is_right
class LeapingRevisions(Large):
    """Numbers its changes in steps of a millionth of a second, beyond 2**53."""

    @override
    def _put(self, job: CollectionJob) -> None:
        self._revision += 2**60
        super()._put(job)


@is_right
class InternsItsTexts(Large):
    """Keeps one object for equal texts."""

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(put(job, source=sys.intern(job.source)))
