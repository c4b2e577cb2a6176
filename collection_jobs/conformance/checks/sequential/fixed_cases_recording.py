"""Fixed programs about failures that are permanent or counted, and about cursors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.domain_queries import CURSORS
from collection_jobs.conformance.spec.domain_texts import FEW_TEXTS, LONG_TEXTS
from collection_jobs.conformance.spec.domains import INSTANTS, values_of
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["cursors", "permanent_failures"]

_THREE = ("BTC", "ETH", "XRP")
_UNKNOWN = (("a", "DOGE"), ("a", "btc"), ("unknown", "BTC"))
_OFTEN = Step("save", (rich_job("a", failure_counts={"BTC": 2**31, "ETH": 2**53}),))
_GIVEN_BACK = tuple(
    Step("update_status", ("a", one)) for one in (JobStatus.RUNNING, JobStatus.PENDING)
)
_COPY = Held("job", (Change("with_failed_symbol", ("BTC", "late")),))
_MICROSECOND = timedelta(microseconds=1)


def _look(*ids: str) -> Iterator[Step]:
    for job_id in ids:
        yield Step("get_by_id", (job_id,))
        yield Step("get_stats", (job_id,))


def _saved(job: CollectionJob) -> Iterator[Step]:
    yield Step("save", (job,))
    yield Step("get_by_id", (job.id,))


def _fails(symbol: str, error: str, *permanent: bool) -> Step:
    return Step("add_failure", ("a", symbol, error, *permanent))


def permanent_failures(*, completes: bool) -> Iterator[Step]:
    """Record failures of both kinds over every outcome, count them, and have them refused.

    Args:
        completes: Whether the adapter records completions, too.
    """
    for text in FEW_TEXTS:
        yield from _saved(rich_job("a"))
        for permanent in (True, False):
            for symbol in (*_THREE, "BTC"):
                yield _fails(symbol, text, permanent)
                yield from _look("a")
    for text in LONG_TEXTS:
        yield _fails("BTC", text)
        yield Step("get_by_id", ("a",))
        yield _fails("ETH", text, True)
        yield Step("get_by_id", ("a",))
    yield from _one_after_another(completes=completes)
    for job_id, symbol in _UNKNOWN:
        yield Step("get_by_id", ("a",), keep="job")
        yield Step("add_failure", (job_id, symbol, "boom", True))
        yield from _look("a", job_id)
        yield Step("save", (_COPY,))
        yield from _look("a")


def _one_after_another(*, completes: bool) -> Iterator[Step]:
    """Follow one outcome of a symbol by another; the count goes on, the mark is of the last."""
    completion = Step("add_completed_symbol", ("a", "BTC", 7))
    ordinary = Step("add_failed_symbol", ("a", "BTC", "timeout"))
    by_a_copy = (
        Step("get_by_id", ("a",), keep="job"),
        Step("save", (Held("job", (Change("with_completed_symbol", ("BTC", 5)),)),)),
    )
    for between in (
        (ordinary,),
        (_fails("BTC", "timeout"),),
        (completion,) if completes else (),
        by_a_copy,
        (*_GIVEN_BACK, *by_a_copy),
        (Step("get_by_id", ("a",), keep="job"), Step("save", (Held("job"),))),
        (Step("save", (example_job("a"),)),),
        (_OFTEN,),
        (_OFTEN, _fails("BTC", "gone")),
        (Step("delete", ("a",)), Step("save", (example_job("a", symbols=_THREE),))),
    ):
        yield from _saved(rich_job("a"))
        for permanent in (True, True, False, True):
            yield _fails("BTC", "gone", permanent)
            yield Step("get_by_id", ("a",))
        for step in between:
            yield step
            yield from _look("a")
        for step in (ordinary, _fails("ETH", "gone", True), ordinary):
            yield step
            yield Step("get_by_id", ("a",))


def _sets(symbol: str, until: datetime) -> Step:
    return Step("set_cursor", ("a", symbol, until))


def cursors(*, completes: bool) -> Iterator[Step]:
    """Set cursors of every symbol, at and beyond both bounds, and see what ends one.

    Args:
        completes: Whether the adapter records completions, too.
    """
    for symbol in _THREE:
        yield from _saved(rich_job("a"))
        yield Step("get_by_id", ("a",), keep="job")
        for until in CURSORS:
            yield _sets(symbol, until)
            yield Step("get_by_id", ("a",))
        yield _sets(symbol, CURSORS[1])
        yield _sets(symbol, CURSORS[1])
        yield Step("get_by_id", ("a",))
        yield Step("save", (_COPY,))  # fresh, where the symbol had completed
        yield from _look("a")
    yield from _ends(completes=completes)
    yield from _of_other_ranges()
    for job_id, symbol in _UNKNOWN:
        for until in (CURSORS[1], CURSORS[-1] + timedelta(days=1)):
            yield Step("set_cursor", (job_id, symbol, until))
            yield from _look("a", job_id)


def _ends(*, completes: bool) -> Iterator[Step]:
    """End a cursor by a completion, and by no other change; each symbol has its own."""
    completion = (Step("add_completed_symbol", ("a", "BTC", 7)),) if completes else ()
    by_a_copy = (
        Step("get_by_id", ("a",), keep="job"),
        Step("save", (Held("job", (Change("with_completed_symbol", ("BTC", 5)),)),)),
    )
    for between in (
        completion,
        by_a_copy,
        (Step("add_failed_symbol", ("a", "BTC", "timeout")),),
        (Step("add_failed_symbol", ("a", "ETH", "timeout")),),
        (*_GIVEN_BACK, *completion),
        (Step("get_by_id", ("a",), keep="job"), Step("save", (Held("job"),))),
        (Step("save", (example_job("a", symbols=_THREE),)),),
        (Step("delete", ("a",)), Step("save", (example_job("a", symbols=_THREE),))),
    ):
        yield from _saved(example_job("a", symbols=_THREE))
        for symbol, until in zip(_THREE, CURSORS[1:], strict=False):
            yield _sets(symbol, until)
            yield Step("get_by_id", ("a",))
        for step in between:
            yield step
            yield from _look("a")
        yield _sets("BTC", CURSORS[0])
        yield from _look("a")
        yield Step("add_failed_symbol", ("a", "BTC", "timeout"))
        yield from _look("a")
        yield _sets("BTC", CURSORS[2])
        yield from _look("a")


def _of_other_ranges() -> Iterator[Step]:
    """Set cursors of every age, kept to the microsecond, within the range of the stored job."""
    instants = sorted(values_of(INSTANTS))
    whole = example_job("a", start=instants[0], end=instants[-1])
    yield from _saved(whole)
    for instant in instants:
        yield _sets("BTC", instant)
        yield Step("get_by_id", ("a",))
    first, last = CURSORS[1], CURSORS[1] + _MICROSECOND
    yield from _saved(example_job("a", start=first, end=last))
    for until in (first, last, first - _MICROSECOND, last + _MICROSECOND, whole.end):
        yield _sets("ETH", until)
        yield Step("get_by_id", ("a",))
