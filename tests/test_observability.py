"""What a service sees of its repository: slow calls, spans and durations, and what the log says."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from collection_jobs import (
    CollectionJob,
    CollectionJobRepository,
    InMemoryCollectionJobRepository,
    JobNotFoundError,
    JobStatus,
    LeasesJobs,
    RepositoryError,
    SavesMany,
    open_repository,
)
from collection_jobs.adapters.sqlite import SQLiteCollectionJobRepository, schema
from collection_jobs.adapters.sqlite.schema import SQLITE_SCHEMA_VERSION
from collection_jobs.adapters.sqlite.settings import SQLiteSettings
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.observability import instrument, log_slow_calls
from collection_jobs.observability.observing import observe_calls
from tests.adapters.schemas import restore
from tests.adapters.sqlite_support import plain_connection
from tests.dict_repository import DictRepository

SLOW = "collection_jobs.observability.slow_calls"


class Telemetry:
    """Providers that keep what they are given."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader])

    def watch(self, repository: CollectionJobRepository, **options: Any) -> None:
        instrument(
            repository,
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            **options,
        )

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def durations(self) -> dict[str, int]:
        """How many calls were measured, by method."""
        found = self._reader.get_metrics_data()
        assert found is not None
        (metric,) = found.resource_metrics[0].scope_metrics[0].metrics
        assert (metric.name, metric.unit) == ("db.client.operation.duration", "s")
        points: Any = metric.data.data_points
        return {point.attributes["db.operation.name"]: point.count for point in points}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


# Slow calls


async def test_a_slow_call_is_logged_without_its_arguments(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with InMemoryCollectionJobRepository() as repository:
        log_slow_calls(repository, timedelta())
        await repository.save(example_job("secret"))
        with pytest.raises(JobNotFoundError):
            await repository.add_failed_symbol("gone", "BTC", "secret")
    lines = [record for record in caplog.records if record.name == SLOW]
    assert [record.levelno for record in lines] == [logging.WARNING] * 2
    first, second = (record.getMessage() for record in lines)
    assert first.startswith("save took 0.0")
    assert first.endswith(" s and returned")
    assert second.startswith("add_failed_symbol took 0.0")
    assert second.endswith(" s and raised JobNotFoundError")
    assert "secret" not in caplog.text


async def test_a_quick_call_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with InMemoryCollectionJobRepository() as repository:
        log_slow_calls(repository)
        await repository.save(example_job("a"))
    assert caplog.records == []


class Waits(InMemoryCollectionJobRepository):
    """Waits for something that never comes."""

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        await asyncio.Event().wait()
        raise AssertionError(job_id)


async def test_a_cancelled_call_is_logged_and_stays_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Waits() as repository:
        log_slow_calls(repository, timedelta())
        call = asyncio.ensure_future(repository.get_by_id("a"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert [record.getMessage().partition(" and ")[2] for record in caplog.records] == [
        "raised CancelledError"
    ]


@pytest.mark.parametrize(
    ("threshold", "error", "said"),
    [
        (1.0, TypeError, "threshold must be a timedelta, not float: 1.0"),
        (timedelta(seconds=-1), ValueError, "threshold must be 0 or longer: "),
    ],
)
def test_a_threshold_that_is_none_is_refused(
    threshold: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        log_slow_calls(InMemoryCollectionJobRepository(), threshold)


# Spans and durations


async def test_each_call_has_a_span_and_a_duration(telemetry: Telemetry, tmp_path: Path) -> None:
    async with SQLiteCollectionJobRepository(tmp_path / "jobs.db") as repository:
        telemetry.watch(repository)
        await repository.save_many([example_job("a"), example_job("b")])
        await repository.list_recent()
        await repository.claim_next("worker", timedelta(minutes=1))
    saved, listed, claimed = telemetry.spans()
    assert [span.name for span in (saved, listed, claimed)] == [
        *("save_many jobs", "list_recent jobs", "claim_next jobs")
    ]
    assert listed.attributes == {
        "db.system.name": "sqlite",
        "db.collection.name": "jobs",
        "db.operation.name": "list_recent",
        "db.response.returned_rows": 2,
    }
    assert telemetry.durations() == {"save_many": 1, "list_recent": 1, "claim_next": 1}


class Fails(InMemoryCollectionJobRepository):
    """Cannot read."""

    async def get_by_id(self, job_id: str) -> CollectionJob | None:
        raise RepositoryError(f"no {job_id} for user:password")


async def test_only_a_failure_is_an_error_and_nothing_shows_what_it_says(
    telemetry: Telemetry,
) -> None:
    async with Fails() as repository:
        telemetry.watch(repository, system="other_sql")
        with pytest.raises(JobNotFoundError):
            await repository.add_failed_symbol("secret", "BTC", "boom")
        with pytest.raises(RepositoryError):
            await repository.get_by_id("secret")
        with pytest.raises(ValueError, match="limit"):
            await repository.list_recent(-1)
    refused, failed, wrong = telemetry.spans()
    errors = {
        span.name: (span.status.status_code, (span.attributes or {})["error.type"])
        for span in (refused, failed, wrong)
    }
    assert errors == {
        "add_failed_symbol jobs": (StatusCode.UNSET, "JobNotFoundError"),
        "get_by_id jobs": (StatusCode.ERROR, "RepositoryError"),
        "list_recent jobs": (StatusCode.ERROR, "ValueError"),
    }
    assert failed.attributes is not None
    assert failed.attributes["db.system.name"] == "other_sql"
    told = [span.to_json() for span in telemetry.spans()]
    assert not [text for text in told if "secret" in text or "password" in text]


async def test_the_engine_of_another_adapter_is_left_out(telemetry: Telemetry) -> None:
    async with DictRepository() as repository:
        telemetry.watch(repository)
        assert await repository.get_by_id("a") is None
    (span,) = telemetry.spans()
    assert span.attributes is not None
    assert "db.system.name" not in span.attributes


async def test_without_opentelemetry_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'collection_jobs\[otel\]'"):
        instrument(InMemoryCollectionJobRepository())


# Any repository


async def test_an_observed_repository_is_still_itself(telemetry: Telemetry) -> None:
    async with InMemoryCollectionJobRepository() as repository:
        log_slow_calls(repository)
        telemetry.watch(repository)
        assert type(repository) is InMemoryCollectionJobRepository
        assert isinstance(repository, CollectionJobRepository)
        assert isinstance(repository, SavesMany)
        assert isinstance(repository, LeasesJobs)
        assert repository.save.__doc__ == InMemoryCollectionJobRepository.save.__doc__
        await repository.save(example_job("a"))
        assert await repository.update_status(job_id="a", status=JobStatus.RUNNING)
        found = await repository.get_by_id("a")
        assert found is not None
        assert found.status is JobStatus.RUNNING


class Closed(DictRepository):
    """Takes no attribute in the place of one method, which is not the first."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "get_stats":
            raise AttributeError(f"object attribute {name!r} is read-only")
        super().__setattr__(name, value)


def test_a_repository_without_room_for_attributes_is_refused() -> None:
    said = "'get_stats' of Closed cannot be set: object attribute 'get_stats' is read-only"
    closed = Closed()
    save = closed.save
    with pytest.raises(TypeError, match=said):
        observe_calls(closed, lambda name, arguments: pytest.fail(name))
    assert closed.save == save


# The adapters' own log


async def test_a_new_file_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, "collection_jobs")
    path = tmp_path / "jobs.db"
    async with open_repository(f"sqlite:///{path}"):
        pass
    assert caplog.messages == [f"created the tables of {str(path)!r}"]


@pytest.mark.parametrize("version", [1, SQLITE_SCHEMA_VERSION - 1])
async def test_a_migration_is_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, version: int
) -> None:
    caplog.set_level(logging.INFO, "collection_jobs")
    path = tmp_path / "jobs.db"
    restore(version, path)
    async with open_repository(f"sqlite:///{path}"):
        pass
    assert caplog.messages == [
        f"migrated {str(path)!r} from version {version} of its tables to {SQLITE_SCHEMA_VERSION}"
    ]


def test_waiting_for_a_lock_is_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "collection_jobs")
    monkeypatch.setattr(schema, "_WORTH_TELLING", 0.0)
    path = tmp_path / "jobs.db"
    with plain_connection(path) as one, plain_connection(path) as other:
        other.execute("BEGIN IMMEDIATE")

        def begin() -> None:
            try:
                one.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                other.execute("ROLLBACK")
                raise

        schema.retry_while_locked(SQLiteSettings.of(path, "FULL", 60, create=True), begin)
    (said,) = caplog.messages
    assert said.startswith("waited 0.0")
    assert said.endswith(f" s for another's lock of {str(path)!r}")


def test_nothing_is_printed_where_nobody_has_configured_logging() -> None:
    script = (
        "import logging, collection_jobs.adapters.sqlite as adapter\n"
        "logging.getLogger(adapter.__name__).warning('nobody asked')"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout + ran.stderr == ""
