"""The jobs of a store of any size: the same for every candidate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from collection_jobs import CollectionJob, JobStatus

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT")
SOURCE, TIMEFRAME = "binance", "1m"
START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 2, 1, tzinfo=UTC)
CANDLES = 44_640
ERROR = "HTTP 429: too many requests"
RUNNING = 100
"""How many jobs of a store are RUNNING, whatever its size."""

OUTCOMES = (
    *((SYMBOLS[0], CANDLES, None), (SYMBOLS[1], CANDLES, None), (SYMBOLS[2], None, ERROR)),
    *((SYMBOLS[3], None, None), (SYMBOLS[4], None, None)),
)
"""What became of each symbol of a stored job: candles or an error."""

_COMPLETED = MappingProxyType({it: candles for it, candles, _ in OUTCOMES if candles is not None})
_FAILED = MappingProxyType({it: error for it, _, error in OUTCOMES if error is not None})


def job_id(number: int) -> str:
    """Return the id of a stored job."""
    return f"job-{number:08}"


def created_at(number: int) -> datetime:
    """Jobs are a second apart."""
    return START + timedelta(seconds=number)


def status_of(number: int, size: int) -> JobStatus:
    """Make a hundred RUNNING; of ten others three are PENDING, one FAILED, six COMPLETED."""
    if number % (size // RUNNING) == 0:
        return JobStatus.RUNNING
    rest = number % 10
    if rest in (1, 2, 3):
        return JobStatus.PENDING
    return JobStatus.FAILED if rest == 4 else JobStatus.COMPLETED


def pending(size: int) -> list[int]:
    """Return the numbers of the stored jobs that are PENDING."""
    return [n for n in range(size) if status_of(n, size) is JobStatus.PENDING]


def stored_job(number: int, size: int) -> CollectionJob:
    """Return a job that the store holds at first, with two symbols completed and one failed."""
    status, instant = status_of(number, size), created_at(number)
    began = None if status is JobStatus.PENDING else instant
    ended = instant if status in (JobStatus.FAILED, JobStatus.COMPLETED) else None
    # By names: benchmarks.regression builds it with former states of the package, too.
    return CollectionJob(
        id=job_id(number),
        source=SOURCE,
        symbols=SYMBOLS,
        timeframe=TIMEFRAME,
        start=START,
        end=END,
        created_at=instant,
        status=status,
        started_at=began,
        finished_at=ended,
        error_message=ERROR if status is JobStatus.FAILED else None,
        completed_symbols=_COMPLETED,
        failed_symbols=_FAILED,
    )


def new_job(number: int) -> CollectionJob:
    """Return a job that is saved for the first time."""
    return CollectionJob(
        id=f"new-{number:08}",
        source=SOURCE,
        symbols=SYMBOLS,
        timeframe=TIMEFRAME,
        start=START,
        end=END,
        created_at=created_at(10**7 + number),
    )
