"""Stores with a limit that only the large stores of *standard* reach: a statement, a document.

`BUGS` gives for each the laws that convict it; the stores of *quick* are too small for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import override

from collection_jobs import CollectionJob, RepositoryError
from tests.mutants.bulk_queries import LargeWithAll

BUGS: dict[type[Any], frozenset[str]] = {}

_COLUMNS = 16
_MOST_PARAMETERS = 65_535
"""Of a statement, by PostgreSQL's protocol, which counts them in two bytes."""
_MOST_OF_SQLITE = 32_766
_MOST_BYTES = 16 * 2**20
"""Of a document, as in MongoDB."""


def breaks(*laws: str) -> Callable[[type[Any]], type[Any]]:
    """Enter a mutant into the table."""

    def enter(mutant: type[Any]) -> type[Any]:
        BUGS[mutant] = frozenset(laws)
        return mutant

    return enter


def refused(count: int, what: str) -> RepositoryError:
    """What an adapter makes of the driver's refusal."""
    error = RepositoryError(f"{count:,} {what}")
    error.__cause__ = OverflowError(f"{count:,} {what}")
    return error


@breaks("MANY-1")
class OneInsert(LargeWithAll):
    """Saves many jobs by one INSERT, which has a parameter for each column of each."""

    @override
    async def save_many(self, jobs: Iterable[CollectionJob]) -> None:
        given = list(jobs)
        if len(given) * _COLUMNS > _MOST_PARAMETERS:
            raise refused(len(given) * _COLUMNS, "query arguments")
        await super().save_many(given)


@breaks("SAVE-2")
class OneInsertOfSymbols(LargeWithAll):
    """Inserts the symbols of a job by one statement."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if type(job) is CollectionJob and len(job.symbols) > _MOST_OF_SQLITE:
            raise refused(len(job.symbols), "SQL variables")
        await super().save(job)


@breaks("SAVE-2")
class OneDocument(LargeWithAll):
    """Keeps a job as one document of 16 MB at most."""

    @override
    async def save(self, job: CollectionJob) -> None:
        if type(job) is CollectionJob:
            texts = (*job.failed_symbols.values(), *job.metadata.values())
            size = sum(map(len, texts))
            if size > _MOST_BYTES:
                raise refused(size, "bytes in a document")
        await super().save(job)
