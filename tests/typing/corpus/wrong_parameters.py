"""Adapters whose parameters are wrong: names, kinds, order, number, types."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Literal, NewType
from uuid import UUID

from collection_jobs import CollectionJob, JobStats, JobStatus


class RenamedJob:
    async def save(self, work: CollectionJob) -> None: ...  # wrong: save


class RenamedId:
    async def get_by_id(self, id: str) -> CollectionJob | None: ...  # wrong: get_by_id


class RenamedIdOfDelete:
    async def delete(self, jobid: str) -> bool: ...  # wrong: delete


class RenamedLimit:
    async def list_recent(  # wrong: list_recent
        self, count: int = 100, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class RenamedSince:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, after: datetime | None = None
    ) -> list[CollectionJob]: ...


class RenamedOffset:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100, skip: int = 0
    ) -> list[CollectionJob]: ...


class RenamedErrorMessage:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error: str | None = None
    ) -> bool: ...


class RenamedSymbol:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, ticker: str, error: str
    ) -> None: ...


class PrivateParameter:
    async def get_stats(self, __job_id: str) -> JobStats | None: ...  # wrong: get_stats


class PositionalOnly:
    async def save(self, job: CollectionJob, /) -> None: ...  # wrong: save


class PositionalOnlyFirst:
    async def update_status(  # wrong: update_status
        self, job_id: str, /, status: JobStatus, error_message: str | None = None
    ) -> bool: ...


class KeywordOnly:
    async def save(self, *, job: CollectionJob) -> None: ...  # wrong: save


class KeywordOnlyPaging:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, *, limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]: ...


class KeywordOnlySince:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, *, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class KeywordOnlyError:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, symbol: str, *, error: str
    ) -> None: ...


class SwappedIdAndStatus:
    async def update_status(  # wrong: update_status
        self, status: JobStatus, job_id: str, error_message: str | None = None
    ) -> bool: ...


class SwappedLimitAndOffset:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, offset: int = 0, limit: int = 100
    ) -> list[CollectionJob]: ...


class SwappedSymbolAndError:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, error: str, symbol: str
    ) -> None: ...


class WithoutOffset:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int = 100
    ) -> list[CollectionJob]: ...


class WithoutSince:
    async def list_recent(self, limit: int = 100) -> list[CollectionJob]: ...  # wrong: list_recent


class WithoutErrorMessage:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus
    ) -> bool: ...


class WithoutId:
    async def get_stats(self) -> JobStats | None: ...  # wrong: get_stats


class ExtraRequired:
    async def save(self, job: CollectionJob, overwrite: bool) -> None: ...  # wrong: save


class ExtraRequiredKeyword:
    async def delete(self, job_id: str, *, force: bool) -> bool: ...  # wrong: delete


class ExtraRequiredWhereNoneIs:
    async def get_running_jobs(  # wrong: get_running_jobs
        self, limit: int
    ) -> list[CollectionJob]: ...


class ExtraInFront:
    async def get_by_id(  # wrong: get_by_id
        self, session: object, job_id: str
    ) -> CollectionJob | None: ...


class ExtraOptionalInTheMiddle:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, offset: int = 0, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class RequiredLimit:
    async def list_recent(  # wrong: list_recent
        self, limit: int, since: datetime | None = None
    ) -> list[CollectionJob]: ...


class RequiredSince:
    async def list_recent(  # wrong: list_recent
        self, limit: int, since: datetime | None
    ) -> list[CollectionJob]: ...


class RequiredErrorMessage:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str | None
    ) -> bool: ...


class RequiredPaging:
    async def list_by_status(  # wrong: list_by_status
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]: ...


class OnlyArgs:
    async def save(self, *args: CollectionJob) -> None: ...  # wrong: save


class OnlyKwargs:
    async def save(self, **kwargs: CollectionJob) -> None: ...  # wrong: save


class ArgsBehindTheFirst:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, *rest: str
    ) -> None: ...


_Candles = NewType("_Candles", CollectionJob)
"""A narrower job."""


class NarrowerJob:
    async def save(self, job: _Candles) -> None: ...  # wrong: save


class JobAsDict:
    async def save(self, job: dict[str, object]) -> None: ...  # wrong: save


class IdAsInt:
    async def get_by_id(self, job_id: int) -> CollectionJob | None: ...  # wrong: get_by_id


class IdAsUuid:
    async def delete(self, job_id: UUID) -> bool: ...  # wrong: delete


class IdAsBytes:
    async def get_stats(self, job_id: bytes) -> JobStats | None: ...  # wrong: get_stats


class OneStatus:
    async def list_by_status(  # wrong: list_by_status
        self, status: Literal[JobStatus.RUNNING], limit: int = 100, offset: int = 0
    ) -> list[CollectionJob]: ...


class _OwnStatus(Enum):
    PENDING = "pending"


class StatusOfItsOwn:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: _OwnStatus, error_message: str | None = None
    ) -> bool: ...


class StatusNeverNone:
    async def update_status(  # wrong: update_status
        self, job_id: str, status: JobStatus, error_message: str = ""
    ) -> bool: ...


class SinceNeverNone:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: datetime = datetime.min
    ) -> list[CollectionJob]: ...


class SinceAsText:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: str | None = None
    ) -> list[CollectionJob]: ...


class SinceAsTimestamp:
    async def list_recent(  # wrong: list_recent
        self, limit: int = 100, since: float | None = None
    ) -> list[CollectionJob]: ...


class LimitAsText:
    async def list_recent(  # wrong: list_recent
        self, limit: str = "100", since: datetime | None = None
    ) -> list[CollectionJob]: ...


class ErrorAsException:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, symbol: str, error: Exception
    ) -> None: ...


class SymbolAsTuple:
    async def add_failed_symbol(  # wrong: add_failed_symbol
        self, job_id: str, symbol: tuple[str, str], error: str
    ) -> None: ...
