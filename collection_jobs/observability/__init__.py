"""What a service sees of its repository: calls that are slow, spans and metrics of every call."""

from collection_jobs.observability.slow_calls import log_slow_calls
from collection_jobs.observability.telemetry import instrument

__all__ = ["instrument", "log_slow_calls"]
