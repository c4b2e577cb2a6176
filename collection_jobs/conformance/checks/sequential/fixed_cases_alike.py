"""Fixed programs about texts that look alike: as ids, as symbols and keys, and as values.

Each family is stored together, so that there is somebody to take for the one that is asked for;
and each member is asked for when it is gone, by every method, while the others are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.lookalikes import FAMILIES, SEPARATORS
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.query import JobQuery

__all__ = ["programs_of_lookalikes"]

_TEXTS = tuple(text for family in FAMILIES.values() for text in family)


def programs_of_lookalikes(capabilities: frozenset[str]) -> Iterator[Program]:
    """Yield the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    about_one = tuple(one for one in operations(capabilities) if _is_about_one(one))
    for family in FAMILIES.values():
        yield (*_gone(family, about_one), *_gone(family[::-1], about_one[:1]))
    names = {one.name for one in operations(capabilities)}
    yield (*_values(), *_asked(names))
    yield tuple(_within_one_job())
    yield tuple(_joined())


def _is_about_one(operation: Operation) -> bool:
    """Whether an operation is given an id, and is neither its deletion nor about leases."""
    return operation.takes("job_id") and not (operation.name == "delete" or operation.is_of_leases)


def _gone(family: Sequence[str], about_one: Sequence[Operation]) -> Iterator[Step]:
    """Ask for each before it is saved and after it was deleted, while others are there."""
    for number, job_id in enumerate(family):
        yield Step("get_by_id", (job_id,))
        yield Step("save", (example_job(job_id, source=f"source {number}"),))
        yield Step("get_by_id", (job_id,))
    for job_id in family:
        yield Step("get_by_id", (job_id,))
        yield Step("delete", (job_id,))
        for operation in about_one:
            yield operation.step(job_id)
        yield Step("delete", (job_id,))
    yield Step("list_recent")


def _values() -> Iterator[Step]:
    """Save every member of every family in every field that holds a text."""
    for number, text in enumerate(_TEXTS):
        job_id = f"job {number}"
        job = example_job(
            job_id,
            source=text,
            timeframe=text,
            symbols=(text, "another"),
            error_message=text,
            failed_symbols={"another": text},
            metadata={"ticket": text, text: ""},
        )
        yield Step("save", (job,))
        yield Step("get_by_id", (job_id,))
        yield Step("add_failed_symbol", (job_id, text, text))
        yield Step("get_by_id", (job_id,))


def _asked(names: Collection[str]) -> Iterator[Step]:
    """Find and count the jobs of each text, by one of the conditions in turn."""
    for number, text in enumerate(_TEXTS):
        of_text = JobQuery(source=text), JobQuery(symbol=text), JobQuery(metadata={"ticket": text})
        if "find" in names:
            yield Step("find", (of_text[number % 2],))
        if "count" in names:
            yield Step("count", (of_text[(number + 1) % 2 * 2],))


def _within_one_job() -> Iterator[Step]:
    """Save a family as the symbols of one job, each with an outcome, and as keys of metadata."""
    for named, family in FAMILIES.items():
        numbered = {name: number for number, name in enumerate(family, 1)}
        texts = {name: f"error {number}" for name, number in numbered.items()}
        for outcome, outcomes in {"completed_symbols": numbered, "failed_symbols": texts}.items():
            job_id = f"{named}, {outcome}"
            job = example_job(job_id, symbols=family, metadata=texts, **{outcome: outcomes})
            yield Step("save", (job,))
            yield Step("get_by_id", (job_id,))
        yield Step("save", (example_job(named, symbols=family),))
        yield Step("get_by_id", (named,))
        for name in family:
            yield Step("add_failed_symbol", (named, name, texts[name]))
        yield Step("get_by_id", (named,))
        yield Step("get_stats", (named,))


def _joined() -> Iterator[Step]:
    """Record outcomes of jobs and symbols that are the same when they are joined by a separator."""
    for separator in SEPARATORS:
        outer, inner = f"a{separator}b", f"b{separator}c"
        for job_id, symbols in (("a", (inner, "c")), (outer, ("c", inner))):
            yield Step("save", (example_job(job_id, symbols=symbols),))
            yield Step("get_by_id", (job_id,))
        yield Step("add_failed_symbol", ("a", inner, "of the first"))
        yield Step("get_by_id", (outer,))
        yield Step("add_failed_symbol", (outer, "c", "of the second"))
        yield Step("get_by_id", ("a",))
        yield Step("save", (example_job("a", symbols=(inner, "c")),))
        yield Step("get_by_id", (outer,))
        yield Step("delete", ("a",))
        yield Step("get_by_id", (outer,))
        yield Step("delete", (outer,))
