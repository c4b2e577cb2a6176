"""Passing time: what a store holds does not expire while nobody asks for it.

Under the deterministic loop the loop's clock jumps by minutes, hours and a day between calls, and
`time.monotonic` with it. The other clocks of the system are not moved: what an adapter takes from
these, or from an engine, shows in one real wait, which a thorough run makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from collection_jobs.conformance.checks.interleavings.inert_loop import (
    Deadlock,
    Livelock,
    Unsupported,
)
from collection_jobs.conformance.checks.interleavings.loop import DeterministicLoop
from collection_jobs.conformance.checks.interleavings.programs import Replay
from collection_jobs.conformance.checks.interleavings.thread_steps import may_run_in_steps
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, Recording
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.open_store import Pulse
from collection_jobs.conformance.running.runner import ProgramRunner, make
from collection_jobs.conformance.running.topologies import several
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.errors import CollectionJobError
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus

__all__ = ["examine_passing_time"]

_LAW = "GET-1"
_OF_THEIR_OWN = frozenset({"ERROR-1", "ATOMIC-1"})
_JUMPS = (10, 30, 60, 600, 3_600, 86_400)
"""Seconds by which the loop's clock jumps."""
_STEPS = 400_000
"""Steps of the loop after which a clock that ticks by itself is not followed any further."""
_ALL = 1_000_000
_KEPT = ("pending", "running")
_LONGEST = 12


def examine_passing_time(plan: Plan) -> Examination:
    """Let time pass on an open store, and see that it holds what it held, and works."""
    jumped, found = _by_virtual_time(plan)
    told = [jumped]
    if found is None and plan.profile.wait:
        waited, found = _by_waiting(plan)
        told.append(waited)
    return Examination([] if found is None else [found], "; ".join(told))


def _by_virtual_time(plan: Plan) -> tuple[str, Finding | None]:
    recording, passed = Recording(), list[float]()

    async def main() -> None:
        async with several(plan.opening, plan.new_directory(), 1) as (repository,):
            await _play(repository, recording, plan.capabilities, _JUMPS, passed)

    loop = DeterministicLoop(  # type: ignore[abstract] # it adds what it refuses later
        Replay(),
        step_limit=_STEPS,
        threads=lambda: may_run_in_steps(plan.capabilities),
    )
    try:
        watched(lambda: loop.run(main()), lambda: loop.steps)
    except (Unsupported, Blocked, CollectionJobError) as error:
        why = str(error)
        return f"no time was moved, for the adapter does not run under a virtual clock: {why}", None
    except (Deadlock, Livelock):
        pass  # what was seen up to then is judged
    told = f"the event loop's clock moved by up to {max(passed, default=0):,g} s between two calls"
    return told, _judged(recording.events, f"after up to {max(passed, default=0):,g} s")


def _by_waiting(plan: Plan) -> tuple[str, Finding | None]:
    """Wait once, for real; an open handle must serve as before."""
    recording, pulse, seconds = Recording(), Pulse(), plan.profile.wait

    async def main() -> None:
        pulse.beat(asyncio.get_running_loop())
        async with several(plan.opening, plan.new_directory(), 1) as (repository,):
            await _play(repository, recording, plan.capabilities, (seconds,), [])

    with suppress(CollectionJobError, Blocked):  # an opening that fails is another check's business
        watched(lambda: asyncio.run(main()), lambda: pulse.beats)
    return f"one wait of {seconds:g} s", _judged(recording.events, f"after {seconds:g} s")


async def _play(
    repository: CollectionJobRepository,
    recording: Recording,
    capabilities: frozenset[str],
    pauses: Sequence[float],
    passed: list[float],
) -> None:
    """Save jobs; after each pause read them, call every method on a new job, and read again."""
    runner = ProgramRunner("caller", lambda call: make(call, repository), recording)
    await runner.run(_setup())
    await runner.run(_reads())
    for number, pause in enumerate(pauses):
        await asyncio.sleep(pause)
        passed.append(pause)
        await runner.run((*_reads(), *_changes(capabilities, number), *_reads()))
        if check_among(_ids(recording.events), recording.events):
            break


def _setup() -> Program:
    return (
        *(Step("save", (example_job(id_),)) for id_ in _KEPT),
        Step("update_status", ("running", JobStatus.RUNNING)),
        Step("add_failed_symbol", ("running", "ETH", "timed out")),
    )


def _reads() -> Program:
    return (
        *(Step(method, (id_,)) for id_ in _KEPT for method in ("get_by_id", "get_stats")),
        Step("list_recent", (_ALL,)),
        Step("get_running_jobs"),
    )


def _changes(capabilities: frozenset[str], number: int) -> Program:
    id_ = f"new {number}"
    return (
        Step("save", (example_job(id_),)),
        *(one.step(id_, limit=_ALL) for one in operations(capabilities)),
        Step("add_failed_symbol", ("running", "BTC", f"timed out {number} times")),
    )


def _ids(events: Sequence[Event]) -> set[str]:
    return {id_ for event in events for id_ in event.call.job_ids}


def _judged(events: Sequence[Event], after: str) -> Finding | None:
    found = next(iter(check_among(_ids(events), events)), None)
    if found is None:
        return None
    at = next((n for n, one in enumerate(events) if str(one.call) in found.message), len(events))
    about = [one for one in events[: at + 1] if found.job_id in {None, *one.call.job_ids}]
    lines = [f"await {one.call}  # {one.outcome}" for one in about[-_LONGEST + 1 :]]
    text = f"{after} in which nothing was asked, {found.message}"
    # Whatever the answer shows, it is the time that has changed it.
    law = found.law if found.law in _OF_THEIR_OWN else _LAW
    return Finding(law, text, (*lines, f"# Then, {after}: {found.message}"))
