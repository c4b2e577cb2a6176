"""Adapters that give back something else than the contract says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NewType

from collection_jobs import CollectionJob, JobStats, JobStatus


class SaveSaysWhether:
    async def save(self, job: CollectionJob) -> bool: ...  # wrong: save


class SaveGivesTheJob:
    async def save(self, job: CollectionJob) -> CollectionJob: ...  # wrong: save


class SaveGivesTheRevision:
    async def save(self, job: CollectionJob) -> int | None: ...  # wrong: save


class GetGivesARow:
    async def get_by_id(self, job_id: str) -> dict[str, object] | None: ...  # wrong: get_by_id


class GetGivesFalse:
    async def get_by_id(self, job_id: str) -> CollectionJob | bool: ...  # wrong: get_by_id


class GetGivesAList:
    async def get_by_id(self, job_id: str) -> list[CollectionJob]: ...  # wrong: get_by_id


class DeleteGivesNothing:
    async def delete(self, job_id: str) -> None: ...  # wrong: delete


class DeleteCounts:
    async def delete(self, job_id: str) -> int: ...  # wrong: delete


class DeleteGivesTheJob:
    async def delete(self, job_id: str) -> CollectionJob | None: ...  # wrong: delete


class ListGivesATuple:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> tuple[CollectionJob, ...]: ...


class ListGivesIds:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> list[str]: ...


class ListGivesAPage:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, offset: int = 0
    ) -> tuple[list[CollectionJob], int]: ...


class ListGivesRows:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: datetime | None = None
    ) -> list[dict[str, object]]: ...


class ListGivesASequence:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: datetime | None = None
    ) -> Sequence[CollectionJob]: ...


class ListGivesNone:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: datetime | None = None
    ) -> list[CollectionJob] | None: ...


class ListWithHoles:
    async def get_running_jobs(self) -> list[CollectionJob | None]: ...  # wrong: get_running_jobs


class RunningIterates:
    async def get_running_jobs(self) -> Iterator[CollectionJob]: ...  # wrong: get_running_jobs


class RunningGivesASet:
    async def get_running_jobs(self) -> set[CollectionJob]: ...  # wrong: get_running_jobs


class RunningById:
    async def get_running_jobs(self) -> dict[str, CollectionJob]: ...  # wrong: get_running_jobs


class RunningCounts:
    async def get_running_jobs(self) -> int: ...  # wrong: get_running_jobs


_Candles = NewType("_Candles", CollectionJob)
"""A narrower job."""


class ListOfNarrowerJobs:
    """A list is invariant: a caller may append any job to the one that it was given."""

    async def get_running_jobs(self) -> list[_Candles]: ...  # wrong: get_running_jobs


class UpdateGivesNothing:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> None: ...


class UpdateGivesTheJob:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> CollectionJob | None: ...


class UpdateGivesTheStatus:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> JobStatus: ...


class UpdateMayNotKnow:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None = None
    ) -> bool | None: ...


class FailedSaysWhether:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, symbol: str, error: str
    ) -> bool: ...


class StatsAsDict:
    async def get_stats(self, job_id: str) -> dict[str, int]: ...  # wrong: get_stats


class StatsAsTuple:
    async def get_stats(self, job_id: str) -> tuple[int, int, int] | None: ...  # wrong: get_stats


class StatsAsObject:
    async def get_stats(self, job_id: str) -> object: ...  # wrong: get_stats


class StatsAsJob:
    async def get_stats(self, job_id: str) -> CollectionJob | None: ...  # wrong: get_stats


class StatsOrZero:
    async def get_stats(self, job_id: str) -> JobStats | int: ...  # wrong: get_stats
