"""Fixed programs that create a job anew: by each method, after each deletion, before each change.

What a deletion leaves behind shows only where the next creation, and then a change of what was
left, both fail to clear it. So the three are tried in every combination, whichever methods the
adapter has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import cycle, islice, product

from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.domains import FEW_INSTANTS
from collection_jobs.conformance.spec.drawn_jobs import rich_job
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.status import JobStatus

__all__ = ["programs_of_recreations"]

_SYMBOLS = ("BTC", "ETH", "XRP")
_DELETIONS = {
    "delete": Step("delete", ("a",)),
    "delete_finished": Step("delete_finished", (FEW_INSTANTS[-1], (JobStatus.COMPLETED,))),
}


def programs_of_recreations(capabilities: Collection[str]) -> Iterator[Program]:
    """Yield the programs, each for a new store.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    able = operations(capabilities)
    deletions = [_DELETIONS[one.name] for one in able if one.name in _DELETIONS]
    creations = [one for one in able if one.writes and (one.takes("job") or one.takes("jobs"))]
    for number, (deletion, creation) in enumerate(product(deletions, creations)):
        yield tuple(_recreated(deletion, creation, able, number))


def _recreated(
    deletion: Step, creation: Operation, able: Collection[Operation], number: int
) -> Iterator[Step]:
    """Delete a job of which everything is known, create a bare one of its id, and change that.

    Each method changes one symbol; in the program of another number, another one.
    """
    bare = example_job("a", symbols=_SYMBOLS)
    created = Step(creation.name, ((bare,) if creation.takes("jobs") else bare,))
    claims = [one.step("a") for one in able if one.name == "claim"]
    reads = [one.step("a") for one in able if not one.writes and one.takes("job_id")]
    of_symbols = [one for one in able if one.takes("symbol")]
    symbols = islice(cycle(_SYMBOLS), number, None)
    changes = (
        *(one.step("a", symbol=symbol) for one, symbol in zip(of_symbols, symbols, strict=False)),
        Step("update_status", ("a", JobStatus.RUNNING)),
        *claims,
    )
    for change in changes:
        yield Step("save", (rich_job("a"),))
        yield from claims
        yield Step("save", (rich_job("a", status=JobStatus.COMPLETED),))
        yield from (deletion, created, Step("get_by_id", ("a",)), change)
        yield from reads
        yield Step("delete", ("a",))
