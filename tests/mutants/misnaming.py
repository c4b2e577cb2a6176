"""Stores that take one id for another, or lose an id, for some ids."""

from __future__ import annotations

import posixpath
import re
import unicodedata
import zlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

from typing_extensions import override

from collection_jobs import CollectionJob, JobStatus
from collection_jobs.errors import JobNotFoundError
from tests.mutants.stores import Memory
from tests.mutants.tried import LARGE, ONE, changed, tried

LOOKED_UP = ("GET-1", "DELETE-1", "STATUS-1", "FAILED-3", "STATS-1", "SAVE-1", "SAVE-2", "SAVE-3")


class Keyed(Memory):
    """The in-memory repository, which looks jobs up by something that it makes of their ids."""

    def key(self, job_id: str) -> str:
        """What stands for the id."""
        return job_id

    def taken_for(self, job_id: str) -> str:
        """The id of the job that is found where this one is looked up."""
        if job_id in self._jobs:
            return job_id
        key = self.key(job_id)
        return next((other for other in self._jobs if self.key(other) == key), job_id)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        found = await super().get_by_id(job_id)
        return self._jobs.get(self.taken_for(job_id)) if found is None else found


@tried(ONE, *LOOKED_UP)
class FirstSixtyFour(Keyed):
    """Has an index of the first 64 characters, and does not look at the others."""

    @override
    def key(self, job_id: str) -> str:
        return job_id[:64]


@tried(ONE, *LOOKED_UP)
class CleansPaths(Keyed):
    """Uses ids as paths: ``a//b`` and ``./a/b`` are the same file."""

    @override
    def key(self, job_id: str) -> str:
        return posixpath.normpath(job_id)


@tried(ONE, *LOOKED_UP)
class FileNames(Keyed):
    """Makes file names of ids: what a file name cannot hold is an underscore."""

    @override
    def key(self, job_id: str) -> str:
        return job_id.translate(dict.fromkeys(map(ord, '/\\:*?"<>|'), "_"))


@tried(ONE, *LOOKED_UP)
class WindowsNames(Keyed):
    """Uses ids as names of files, on a system that drops dots and blanks at their end."""

    @override
    def key(self, job_id: str) -> str:
        return job_id.rstrip(". ") or job_id


@tried(ONE, *LOOKED_UP)
class UnquotesIds(Keyed):
    """Finds ``a b`` where it is asked for ``a%20b``."""

    @override
    def key(self, job_id: str) -> str:
        return unquote(job_id)


@tried(ONE, *LOOKED_UP)
class NumbersAsNumbers(Keyed):
    """Has a column whose type turns texts into numbers where it can: ``1e3`` is ``1000``."""

    @override
    def key(self, job_id: str) -> str:
        try:
            return str(float(job_id))
        except ValueError:
            return job_id


@tried(ONE, *LOOKED_UP)
class WideIsNarrow(Keyed):
    """Compares ids in the form of compatibility: full-width digits are digits."""

    @override
    def key(self, job_id: str) -> str:
        return unicodedata.normalize("NFKC", job_id)


@tried(ONE, *LOOKED_UP)
class IgnoresTheInvisible(Keyed):
    """Has a collation that gives no weight to what has no width."""

    @override
    def key(self, job_id: str) -> str:
        return "".join(c for c in job_id if unicodedata.category(c) != "Cf") or job_id


@tried(ONE, *LOOKED_UP)
class CaseBeyondAscii(Keyed):
    """Folds the case of what is not ASCII."""

    @override
    def key(self, job_id: str) -> str:
        return job_id if job_id.isascii() else job_id.casefold()


@tried(ONE, *LOOKED_UP)
class NextKey(Keyed):
    """Seeks to the first key at or after the id, and checks that it begins with it."""

    @override
    def taken_for(self, job_id: str) -> str:
        return min((other for other in self._jobs if other.startswith(job_id)), default=job_id)


@tried(ONE, "DELETE-1", "GET-1", "SAVE-1")
class DeletesByPattern(Memory):
    """Deletes with a pattern, as KEYS and DEL of a key-value store are put together."""

    @override
    async def delete(self, job_id: str) -> bool:
        for other in list(self._jobs):
            if other != job_id and fnmatchcase(other, job_id):
                await super().delete(other)
        return await super().delete(job_id)


@tried(ONE, "DELETE-1", "GET-1", "SAVE-1")
class DeletesByPrefix(Memory):
    """Deletes all keys that begin with the id and a colon, to delete the job's outcomes."""

    @override
    async def delete(self, job_id: str) -> bool:
        for other in list(self._jobs):
            if other.startswith(f"{job_id}:"):
                await super().delete(other)
        return await super().delete(job_id)


@tried(ONE, "FAILED-1", "SAVE-1", "GET-1", "STATS-1")
class OutcomesByJoinedKey(Memory):
    """Keeps failures under ``job:symbol``, whichever of them the colon belongs to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.failures: dict[str, str] = {}

    @override
    def _put(self, job: CollectionJob) -> None:
        for symbol in job.symbols:
            self.failures.pop(f"{job.id}:{symbol}", None)
        for symbol, error in job.failed_symbols.items():
            self.failures[f"{job.id}:{symbol}"] = error
        super()._put(job)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        if job is None:
            return None
        return changed(
            job,
            failed_symbols={
                symbol: self.failures[f"{job.id}:{symbol}"]
                for symbol in job.symbols
                if f"{job.id}:{symbol}" in self.failures and symbol not in job.completed_symbols
            },
        )


@tried(LARGE, *LOOKED_UP)
class ForgetsWithItsFilter(Memory):
    """Asks a Bloom filter first, from which deleting a job takes the bits of others, too."""

    BITS = 2**14

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.bits: set[int] = set()

    def hashes(self, job_id: str) -> Iterable[int]:
        """The bits of an id."""
        encoded = job_id.encode()
        return {zlib.crc32(encoded) % self.BITS, zlib.adler32(encoded) % self.BITS}

    @override
    def _put(self, job: CollectionJob) -> None:
        super()._put(job)
        self.bits.update(self.hashes(job.id))

    @override
    async def delete(self, job_id: str) -> bool:
        self.bits.difference_update(self.hashes(job_id))
        return await super().delete(job_id)

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        job = await super().get_by_id(job_id)
        return job if self.bits.issuperset(self.hashes(job_id)) else None


@tried(LARGE, "SAVE-2", "SAVE-1", *LOOKED_UP)
class BelievesItsFilter(Memory):
    """Has a Bloom filter of ids, and takes an id that it says may be there for one that is."""

    BITS = 2**14

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.bits: set[int] = set()

    @override
    async def save(self, job: CollectionJob) -> None:
        bit = zlib.crc32(job.id.encode()) % self.BITS
        if bit in self.bits and job.id not in self._jobs and len(self._jobs) > 100:
            return  # it is there, so nothing has to be inserted
        self.bits.add(bit)
        await super().save(job)


@tried(ONE, "STATUS-1", "FAILED-3", "FAILED-1", "STATUS-3", "SAVE-4", "GET-1")
class UpdatesByCase(Keyed):
    """Reads by the exact id, and updates with a condition that ignores case."""

    @override
    def key(self, job_id: str) -> str:
        return job_id.casefold()

    @override
    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        return await Memory.get_by_id(self, job_id)

    @override
    async def update_status(
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool:
        return await super().update_status(self.taken_for(job_id), status, error_message)

    @override
    def _existing(self, job_id: str) -> CollectionJob:
        try:
            return super()._existing(job_id)
        except JobNotFoundError:
            return super()._existing(self.taken_for(job_id))


@tried(ONE, *LOOKED_UP)
class EscapesWithADash(Keyed):
    """Names a file after the id, with odd characters as ``-2f-``; the dash itself stays."""

    @override
    def key(self, job_id: str) -> str:
        return re.sub(r"[^\w-]", lambda odd: f"-{ord(odd[0]):x}-", job_id)
