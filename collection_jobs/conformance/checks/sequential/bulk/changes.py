"""Drawn calls: changes with arguments from the domains, for any method of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.spec.calls import Call, Change, Held, Step
from collection_jobs.conformance.spec.domains import DOMAINS, values_of
from collection_jobs.conformance.spec.drawn_jobs import draw_job
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.conformance.spec.model import Facts
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.conformance.spec.purging import is_purged
from collection_jobs.fields import FieldKind
from collection_jobs.query import JobQuery
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
_LAST = datetime.max.replace(tzinfo=UTC)
_ALL = 1_000_000


def _just_after(instant: datetime) -> datetime:
    return instant if instant == _LAST else instant + timedelta(microseconds=1)


def _conditions_met(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield conditions that a job meets, or that leave it out by a microsecond."""
    yield {"source": facts.source}
    yield {"symbol": facts.symbols[len(facts.symbols) // 2]}
    yield {"statuses": (JobStatus(facts.status),)}
    yield {"created_from": facts.created_at}
    yield {"created_before": facts.created_at}
    yield {"created_before": _just_after(facts.created_at)}
    yield {"with_failures": bool(facts.failed_symbols)}
    if facts.metadata:
        yield {"metadata": dict(sorted(facts.metadata)[:2])}
    if isinstance(facts.finished_at, datetime):
        yield {"finished_before": facts.finished_at}
        yield {"finished_before": _just_after(facts.finished_at)}


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
        for number in range(count if ids else 0):
            job_id = self.random.choice(ids)
            if number % 9 == 0:
                yield from self._deletion(job_id)
            elif number % 5 == 0:
                yield from self._copy(job_id)
            else:
                operation = self.random.choice(writes)
                if operation.counts_jobs:
                    yield from self.purge(operation)
                else:
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

    def purge(self, operation: Operation) -> Iterator[Step]:
        """Purge the jobs of one status that ended before one of them, or with it; read them."""
        status = self.random.choice((JobStatus.COMPLETED, JobStatus.CANCELLED))
        known = (state.facts for state in self.oracle.states.values())
        facts_of_ended = [
            facts
            for facts in known
            if facts is not None
            and facts.status == str(status.value)
            and isinstance(facts.finished_at, datetime)
        ]
        if not facts_of_ended:
            return
        some = self.random.sample(facts_of_ended, min(20, len(facts_of_ended)))
        ended = min(facts.finished_at for facts in some if isinstance(facts.finished_at, datetime))
        before = ended if self.random.random() < 0.3 else _just_after(ended)
        step = operation.step("a", before=before, statuses=(status,), limit=_ALL)
        call = Call(step.method, step.arguments)
        gone = [facts.id for facts in facts_of_ended if is_purged(call, facts)]
        yield step
        yield from (Step("get_by_id", (job_id,)) for job_id in gone)

    def query(self) -> JobQuery:
        """Return a query of up to three conditions, each of which some stored job meets."""
        stored = [state.facts for state in self.oracle.states.values() if state.facts is not None]
        given: dict[str, Any] = {}
        for _ in range(self.random.randint(1, 3) if stored else 0):
            facts = self.random.choice(stored)
            given |= self.random.choice(tuple(_conditions_met(facts)))
        return JobQuery(**given)

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
            # A store may say of a job that it has none, which no job may.
            return self.random.choice(("BTC",) if facts is None else facts.symbols or ("BTC",))
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
