"""GET-2 among several callers: none shares what it is given with another, or with the store."""

from __future__ import annotations

from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.topologies import Topology
from collection_jobs.conformance.spec.calls import Step, code, example_job, spoil
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import Facts, facts_of
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.conformance.spec.signatures import LISTS_JOBS
from collection_jobs.job import CollectionJob

__all__ = ["check_sharing", "check_sharing_at_once"]

LAW = "GET-2"

_ID = "given out"
_JOB = example_job(_ID, completed_symbols={"BTC": 500}, failed_symbols={"ETH": "boom"})
_GET = Step("get_by_id", (_ID,))


def check_sharing(topology: Topology) -> Finding | None:
    """Misuse a job that one handle gave out, and see that the other still has it as it was.

    Args:
        topology: A store that is open twice in this process.
    """
    topology.run([Client("1", (Step("save", (_JOB,)),), 0)])
    held, other = _get(topology, 0), _get(topology, 1)
    if held is None or other is None:
        return None  # what is wrong then is not this law's business
    before = facts_of(other)
    spoil(held)
    again = _get(topology, 1)
    topology.run([Client("1", (Step("delete", (_ID,)),), 0)])
    after = None if again is None else facts_of(again)
    if after == before and facts_of(other) == before:
        return None
    return _finding(before, facts_of(other), after)


def check_sharing_at_once(topology: Topology, capabilities: frozenset[str]) -> Finding | None:
    """Ask twice at the same moment, and see that both callers have an answer of their own.

    Who asks for what another one is already asking for may be given the same answer, but not the
    same list: one of them may change it.
    """
    topology.run([Client("1", (Step("save", (_JOB,)),), 0)])
    shared = None
    for operation in operations(capabilities):
        if not operation.writes:
            step = operation.step(_ID)
            events = topology.run([Client(name, (step,), 0) for name in ("1", "2")])
            one, other = (event.outcome.value if event.outcome else None for event in events)
            if one is other and isinstance(one, list | dict):
                shared = step
                break
    topology.run([Client("1", (Step("delete", (_ID,)),), 0)])
    if shared is None:
        return None
    call = str(shared).removeprefix("await ")
    kind = "list" if shared.method in LISTS_JOBS else "dict"
    return Finding(
        LAW,
        f"two callers of {call} were given one and the same {kind}: what either does to it, the"
        " other one sees",
        (
            f"one, other = await asyncio.gather({call}, {call})",
            "one is other  # True",
        ),
    )


def _get(topology: Topology, handle: int) -> CollectionJob | None:
    (event,) = topology.run([Client("1", (_GET,), handle)])
    value = None if event.outcome is None else event.outcome.value
    return value if isinstance(value, CollectionJob) else None


def _finding(before: Facts, other: Facts, after: Facts | None) -> Finding:
    now = "None" if after is None else dict(after.completed_symbols)
    what = "a job that a caller held from one handle" if other != before else "the stored job"
    message = f"{what} changed when a caller misused the job that another handle had given it"
    history = (
        f"await first.save({code(_JOB)})",
        f"job = await first.get_by_id({_ID!r})",
        f"other = await second.get_by_id({_ID!r})",
        "spoil(job)",
        f"await second.get_by_id({_ID!r})  # now it has completed {now}",
    )
    return Finding(LAW, message, history)
