"""Telemetry: an OpenTelemetry span and a measured duration for every call on a repository.

Names and attributes are those of OpenTelemetry's semantic conventions for database clients
(https://opentelemetry.io/docs/specs/semconv/database/), so that dashboards made for these work.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, cast

from collection_jobs.errors import CollectionJobError, RepositoryError
from collection_jobs.observability.observing import observe_calls
from collection_jobs.protocol import CollectionJobRepository

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["instrument"]

_SYSTEMS = {"sqlite": "sqlite", "postgres": "postgresql"}
"""What the conventions call an engine, by the folder of its adapter."""
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""The bounds that the conventions advise, in seconds."""


def instrument(
    repository: CollectionJobRepository,
    *,
    system: str | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Make a span for each call on the repository, and measure how long it takes.

    A span is named after the method, such as ``claim_next jobs``. Its attributes, and those of the
    histogram ``db.client.operation.duration`` (in seconds), are:

    * ``db.operation.name``: the method.
    * ``db.collection.name``: ``jobs``.
    * ``db.system.name``: the engine, if it is known.
    * ``error.type``: the class of the error, if the call raised one.

    Spans also have ``db.response.returned_rows``, if the call returned a list. Refusals, such as
    StaleJobError, are answers, and a cancelled call did not fail: only a RepositoryError, and an
    error that is none of the contract's, sets the status of the span to ERROR. No attribute has an
    argument, a URL or an error's message.

    Args:
        repository: Any repository; it is changed, and observed until it is closed for good.
        system: The engine, as the conventions name it; None: it is known of the adapters of this
            package, and left out for others.
        tracer_provider: Where spans go; None: to the global provider.
        meter_provider: Where durations go; None: to the global provider.

    Raises:
        ModuleNotFoundError: ``opentelemetry-api`` is not installed.
        TypeError: The repository's attributes cannot be set.
    """
    try:
        from opentelemetry import metrics, trace
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "spans and metrics need OpenTelemetry: pip install 'collection_jobs[otel]'",
            name=error.name,
        ) from error
    calls = _InstrumentedCalls(
        system or _system_of(repository),
        trace.get_tracer(__name__, tracer_provider=tracer_provider),
        metrics.get_meter(__name__, meter_provider=meter_provider).create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        ),
    )
    observe_calls(repository, calls.observe)


def _system_of(repository: CollectionJobRepository) -> str | None:
    """Return the engine of an adapter of this package, or of a class derived from one."""
    for base in type(repository).__mro__:
        module = base.__module__.split(".")
        if module[:2] == ["collection_jobs", "adapters"]:
            return _SYSTEMS.get(module[2])
    return None


def _is_failure(error: BaseException) -> bool:
    """Return whether a call failed: a refusal is an answer, and so is a caller's cancellation."""
    if isinstance(error, CollectionJobError):
        return isinstance(error, RepositoryError)
    return isinstance(error, Exception)


class _InstrumentedCalls:
    """The calls on one repository."""

    def __init__(self, system: str | None, tracer: Tracer, durations: Histogram) -> None:
        self._tracer = tracer
        self._durations = durations
        self._attributes: dict[str, str] = {"db.collection.name": "jobs"}
        if system is not None:
            self._attributes["db.system.name"] = system

    @contextmanager
    def observe(self, method: str, _arguments: tuple[object, ...]) -> Generator[_Span]:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        attributes = self._attributes | {"db.operation.name": method}
        began = perf_counter()
        with self._tracer.start_as_current_span(
            f"{method} jobs",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,  # its message may show what the caller saves
            set_status_on_exception=False,
        ) as span:
            try:
                yield _Span(span)
            except BaseException as error:
                attributes["error.type"] = type(error).__qualname__
                span.set_attribute("error.type", attributes["error.type"])
                if _is_failure(error):
                    span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                self._durations.record(perf_counter() - began, attributes)


class _Span:
    """The span of one call."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def returned(self, value: object) -> None:
        """Say how many jobs a listing returned."""
        if isinstance(value, list):
            self._span.set_attribute("db.response.returned_rows", len(cast("list[object]", value)))
