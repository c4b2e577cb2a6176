"""LifecycleMachine: a Hypothesis state machine that drives a store through its jobs' lifecycles."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from collection_jobs.conformance.checks.sequential import strategies
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.running.oracle_runner import OracleRunner
from collection_jobs.conformance.spec.calls import SPOIL, Change, Held, Step, example_job
from collection_jobs.conformance.spec.findings import LawBroken
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation
from collection_jobs.conformance.spec.signatures import jobs_named
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.status import JobStatus

__all__ = ["LifecycleMachine"]


class LifecycleMachine(RuleBasedStateMachine):
    """One caller's random walk: save, claim, fail, complete, retry, delete and look, in any order.

    A class derived from it says in ``new_store`` what is driven. After every change the job is
    read back, so that a violation is laid to the call that made it. Each method of the registry
    that has no rule here gets one below.
    """

    muted: Collection[str] = frozenset()
    unwritten: Collection[str] = ()
    capabilities: Collection[str] = frozenset()

    def new_store(self) -> OpenStore:
        """Return a store that is open and empty."""
        raise TypeError(f"{type(self).__name__} must say in new_store what it drives")

    def broke(self, error: LawBroken) -> None:
        """Raise a violation: by itself the machine fails; the search collects them."""
        raise error

    def __init__(self) -> None:
        """Open a store."""
        super().__init__()
        self._store = self.new_store()
        self._runner = OracleRunner(self._store.repository, self.muted, self.unwritten)
        self._ids: tuple[str, ...] = ()

    def teardown(self) -> None:
        """Close the store."""
        self._store.close()

    def _do(self, *steps: Step) -> None:
        for step in steps:
            try:
                self._store.run(self._runner.run(step))
            except LawBroken as error:
                self.broke(error)

    def _change(self, place: int, method: str, *arguments: Any) -> None:
        job_id = self._ids[place]
        self._do(Step(method, (job_id, *arguments)), Step("get_by_id", (job_id,)))

    @initialize(ids=strategies.pools())
    def _choose_ids(self, ids: tuple[str, ...]) -> None:
        self._ids = ids

    @rule(place=strategies.PLACES, fields=strategies.fields(), name=strategies.NAMES)
    def save(self, place: int, fields: dict[str, Any], name: str) -> None:
        """Save a job that no store has given out, read it back and hold it."""
        job = example_job(self._ids[place], **fields)
        self._do(Step("save", (job,)), Step("get_by_id", (job.id,), keep=name))

    @rule(place=strategies.PLACES, name=strategies.NAMES)
    def hold(self, place: int, name: str) -> None:
        """Read a job and hold it."""
        self._do(Step("get_by_id", (self._ids[place],), keep=name))

    # No rule asks what is held or stored: were the choices to depend on what the repository does,
    # Hypothesis could not repeat them on one that does not always do the same.

    @rule(name=strategies.NAMES, changes=st.lists(strategies.changes(), max_size=1))
    def save_held(self, name: str, changes: list[Change]) -> None:
        """Save a held job, changed or not: it may be stale by now."""
        held = self._runner.held.get(name)
        self._do(Step("save", (Held(name, tuple(changes)),)))
        if isinstance(held, CollectionJob):
            self._do(Step("get_by_id", (held.id,)))

    @rule(name=strategies.NAMES)
    def spoil_held(self, name: str) -> None:
        """Misuse a held job."""
        self._do(Step(SPOIL, (name,)))

    @rule(place=strategies.PLACES)
    def delete(self, place: int) -> None:
        """Delete a job, stored or not, and look for its remains."""
        job_id = self._ids[place]
        self._change(place, "delete")
        self._do(Step("get_stats", (job_id,)), Step("list_recent"))

    @rule(place=strategies.PLACES)
    def walk(self, place: int) -> None:
        """Claim a job and complete it, as a worker does."""
        for status in (JobStatus.RUNNING, JobStatus.COMPLETED):
            self._change(place, "update_status", status)

    def call(self, operation: Operation, drawn: Mapping[str, Any], *, misused: bool) -> None:
        """Call a method; what it changes is read back, and what it lists may be misused.

        Args:
            operation: The method.
            drawn: Its arguments as `strategies.hostile_arguments` draws them.
            misused: Whether the caller misuses the list that it is given.
        """
        arguments = (
            strategies.with_ids(one.name, drawn[one.name], self._ids)
            for one in operation.parameters
            if one.name in drawn
        )
        step = Step(operation.name, tuple(arguments))
        if misused:
            step = Step(SPOIL, (step,))
        changed = self._ids_of(step) if operation.writes else []
        if operation.writes and operation.counts_jobs:
            changed = list(self._ids)  # whichever they were
        self._do(step, *(Step("get_by_id", (job_id,)) for job_id in changed))

    def _ids_of(self, step: Step) -> list[str]:
        """Return the ids of the jobs that a step names, those that are held included."""
        ids = dict[str, None]()
        for one in jobs_named(step.method, step.arguments):
            job = self._runner.held.get(one.name) if isinstance(one, Held) else one
            if isinstance(job, Lease):
                job = job.job
            if job is not None:
                ids[job if isinstance(job, str) else job.id] = None
        return list(ids)


def _rule_of(operation: Operation) -> Any:
    """Return the rule that calls a method with arguments of all kinds."""

    def call(machine: LifecycleMachine, **drawn: Any) -> None:
        misused = drawn.pop("misused", False)
        machine.call(operation, drawn, misused=misused)

    drawn = strategies.hostile_arguments(operation)
    if operation.effect in ("lists", "counts"):
        drawn["misused"] = st.booleans()
    # Hypothesis puts the rules in the order of these names.
    call.__name__ = call.__qualname__ = operation.name
    with_arguments: Callable[..., Any] = rule
    made = with_arguments(**drawn)(call)
    capability = operation.capability
    if capability is None:
        return made
    return precondition(lambda machine: capability in machine.capabilities)(made)


for _operation in OPERATIONS.values():
    # `hold` reads a job, in order to keep it.
    if (
        _operation.name not in (*vars(LifecycleMachine), "get_by_id")
        and not _operation.is_of_leases
    ):
        setattr(LifecycleMachine, _operation.name, _rule_of(_operation))
