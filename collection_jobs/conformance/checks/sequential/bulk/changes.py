"""Drawn calls: changes with arguments from the domains, for any method of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.spec.calls import Change, Held, Step
from collection_jobs.conformance.spec.domains import DOMAINS, values_of
from collection_jobs.conformance.spec.drawn_jobs import draw_job
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.fields import FieldKind
from collection_jobs.status import JobStatus

__all__ = ["Drawing"]

_SHORT = 300
_VALUES = {
    kind: tuple(
        value for value in values_of(domain) if not (isinstance(value, str) and len(value) > _SHORT)
    )
    for kind, domain in DOMAINS.items()
}
_INSTANTS = values_of(DOMAINS[FieldKind.INSTANT])
_STATUSES = tuple(JobStatus)


@dataclass(frozen=True, slots=True)
class Drawing:
    """Draws calls on the jobs of a store.

    Attributes:
        random: Where they come from.
        oracle: Knows which jobs are stored.
        capabilities: What the adapter can do beyond the nine methods.
    """

    random: Random
    oracle: BulkOracle
    capabilities: frozenset[str]

    @property
    def writes(self) -> list[Operation]:
        """The methods that change jobs, but for those of leases."""
        return [one for one in operations(self.capabilities) if one.writes and not one.is_of_leases]

    def changes(self, ids: Sequence[str], count: int) -> Iterator[Step]:
        """Yield so many changes of some jobs, each with a look at what came of it."""
        writes = [one for one in self.writes if one.name != "delete"]
        for number in range(count):
            job_id = self.random.choice(ids)
            if number % 9 == 0:
                yield from self._deletion(job_id)
            elif number % 5 == 0:
                yield from self._copy(job_id)
            else:
                operation = self.random.choice(writes)
                yield self.step(operation, job_id)
                yield Step("get_by_id", (job_id,))

    def _deletion(self, job_id: str) -> Iterator[Step]:
        """Delete a job, and mostly use its id again."""
        yield Step("delete", (job_id,))
        yield Step("get_by_id", (job_id,))
        if self.random.random() < 0.8:
            yield Step("save", (draw_job(self.random, job_id),))
            yield Step("get_by_id", (job_id,))

    def _copy(self, job_id: str) -> Iterator[Step]:
        """Read a job, change the copy, and save it; it may be another's meanwhile, or stale."""
        name = self.random.choice(("job", "other"))
        yield Step("get_by_id", (job_id,), keep=name)
        if self.random.random() < 0.3:
            yield Step("add_failed_symbol", (job_id, "BTC", "meanwhile"))
            yield Step("get_by_id", (job_id,))
        change = Change("replace", keywords=(("timeframe", self.random.choice(("1m", "4h"))),))
        yield Step("save", (Held(name, (change,)),))
        yield Step("get_by_id", (job_id,))

    def step(self, operation: Operation, job_id: str) -> Step:
        """Return a call with drawn arguments, about one job where it names jobs."""
        parameters = operation.parameters_of(())
        given = {one.name: self._argument(one.name, job_id) for one in parameters}
        return operation.step(job_id, self.random.randrange(1_000), **given)

    def _argument(self, parameter: str, job_id: str) -> Any:
        kind = kind_of(parameter)
        if kind.name == "job":
            return draw_job(self.random, job_id)
        if kind.name == "jobs":
            return (draw_job(self.random, job_id),)
        if kind.name == "symbol":
            facts = self.oracle.states[job_id].facts if job_id in self.oracle.states else None
            return self.random.choice(("BTC",) if facts is None else facts.symbols)
        if kind.name == "time":
            return self.instant()
        if kind.domain is not None:
            return self.random.choice(_VALUES[kind.domain])
        if kind.few:
            return self.random.choice(kind.few)
        return kind.example(job_id, self.random.randrange(1_000))

    def instant(self) -> Any:
        """Return an instant, in some zone."""
        return in_zone(self.random.choice(list(IN_ZONES)), self.random.choice(_INSTANTS))
