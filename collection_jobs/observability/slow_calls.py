"""Slow calls: a warning in the log for each call that took longer than it should."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from time import perf_counter

from collection_jobs.observability.observing import observe_calls
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.validation import type_name

__all__ = ["log_slow_calls"]

_LOG = logging.getLogger(__name__)


def log_slow_calls(
    repository: CollectionJobRepository, threshold: timedelta = timedelta(seconds=1)
) -> None:
    """Log a warning for each call on the repository that takes longer than a threshold.

    The logger is ``collection_jobs.observability.slow_calls``. A message has the method, the time
    and how the call ended, and none of its arguments. The time is what the caller waits: it
    includes waiting for the event loop, for a lock and for a connection.

    Args:
        repository: Any repository; it is changed, and observed until it is closed for good.
        threshold: The longest time that is not worth a warning.

    Raises:
        TypeError: The threshold is no timedelta, or the repository's attributes cannot be set.
        ValueError: The threshold is negative.
    """
    if not isinstance(threshold, timedelta):
        raise TypeError(f"threshold must be a timedelta, not {type_name(threshold)}: {threshold!r}")
    if threshold < timedelta():
        raise ValueError(f"threshold must be 0 or longer: {threshold!r}")
    seconds = threshold.total_seconds()

    @contextmanager
    def timed(method: str, _arguments: tuple[object, ...]) -> Generator[None]:
        began = perf_counter()
        ending = "returned"
        try:
            yield
        except BaseException as error:
            ending = f"raised {type(error).__name__}"
            raise
        finally:
            took = perf_counter() - began
            if took > seconds:
                _LOG.warning("%s took %.3f s and %s", method, took, ending)

    observe_calls(repository, timed)
