"""The closing of a store while calls are pending: each ends, truly, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, Recording, is_hung
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.open_store import Pulse, open_with_timeout
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import ProgramRunner, make, observe
from collection_jobs.conformance.running.topologies import Opening
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.calls import Call, NoAnswer, example_job
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import OPERATIONS, operations
from collection_jobs.errors import CollectionJobError, RepositoryClosedError
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["examine_pending"]

_LAW, _LOST = "ERROR-1", "DURABLE-1"
_WAITS, _MORE_WAITS = (0, 1, 2, 5), (3, 4, 7, 10, 15, 20, 30, 50, 100)
"""How many rounds of the event loop the calls have before the closing begins."""
_TIMES, _MORE_TIMES = 2, 8
"""How many calls of each method are pending."""
_ALL = 1_000_000
_SHOWN = 3


def examine_pending(plan: Plan) -> Examination:
    """Close stores while calls of every method are pending, after ever more of their steps.

    Each call must end with an answer or RepositoryClosedError; what was acknowledged must be there
    when a durable store is opened again; and where a store is shared, another handle that is opened
    meanwhile must work.
    """
    pulse, pending = Pulse(), _Pending(plan.opening, plan.capabilities)
    waits = (*_WAITS, *_MORE_WAITS) if plan.profile.on_disk else _WAITS
    times = _MORE_TIMES if plan.profile.on_disk else _TIMES

    def run() -> Finding | None:
        for number, wait in enumerate(waits):
            plan.progress(number, len(waits))
            found = asyncio.run(pending.close(plan.new_directory(), wait, times, pulse))
            if found is not None:
                return found
        return None

    try:
        found = watched(run, lambda: pulse.beats)
    except Blocked as blocked:
        found = Finding(_LAW, f"while the store was closed, {blocked}", (f"# {blocked}",))
    return Examination([] if found is None else [found], str(pending))


@dataclass(slots=True)
class _Pending:
    """Calls that are pending when a store is closed.

    Attributes:
        opening: The store in a directory.
        capabilities: What the adapter can do.
        answered: How many calls were answered, of how many pending ones.
    """

    opening: Opening
    capabilities: frozenset[str]
    answered: int = 0
    pending: int = 0
    closings: int = 0
    recording: Recording = field(default_factory=Recording)

    def __str__(self) -> str:
        """Say what was covered."""
        return (
            f"{self.closings} closings with {self.pending} calls pending, of which"
            f" {self.answered} were answered"
        )

    async def close(self, directory: Path, wait: int, times: int, pulse: Pulse) -> Finding | None:
        """Open a store, make the calls, close it after some rounds of the loop, and look."""
        pulse.beat(asyncio.get_running_loop())
        self.recording = Recording()
        context = self.opening(directory)
        repository = await context.__aenter__()
        calls = list(self._calls(times))
        saves = [Call("save", (example_job(id_),)) for call in calls for id_ in call.job_ids]
        await asyncio.gather(*(self._ask("before", call, repository) for call in saves))
        tasks = [asyncio.create_task(self._ask("pending", call, repository)) for call in calls]
        for _ in range(wait):
            await asyncio.sleep(0)
        meanwhile = asyncio.create_task(self._open_another(directory))
        left = await observe(context.__aexit__(None, None, None), deadline())
        late = await wait_for_tasks(tasks, deadline() + 1)
        other = await meanwhile
        self.closings += 1
        events = [event for event in self.recording.events if event.client == "pending"]
        self.pending += len(events)
        self.answered += sum(_is_answered(event) for event in events)
        found = self._wrong_end(events, calls, len(late))
        if found is None and isinstance(left.error, NoAnswer):
            found = _finding("closing the store gave no answer", events, len(calls))
        if found is None and left.error and not isinstance(left.error, CollectionJobError):
            found = _finding(f"closing the store {left}", events, len(calls))
        if found is None and other is not None:
            found = _finding(f"meanwhile, on another handle, {other}", events, len(calls))
        if found is None and "durable" in self.capabilities:
            found = await self._lost(directory, calls)
        return found

    def _calls(self, times: int) -> Iterator[Call]:
        for number in range(times):
            for one in operations(self.capabilities):
                yield one.call(f"{one.name} {number}", limit=_ALL)

    async def _ask(self, client: str, call: Call, repository: CollectionJobRepository) -> None:
        runner = ProgramRunner(client, lambda call: make(call, repository), self.recording)
        await runner.ask(call)

    async def _open_another(self, directory: Path) -> str | None:
        """Open the store once more while it is being closed, where it can be open twice."""
        if "shared" not in self.capabilities:
            return None
        try:
            async with open_with_timeout(self.opening(directory)) as repository:
                job = Call("save", (example_job("meanwhile"),))
                outcome = await make(job, repository)
                return None if outcome.error is None else f"{job} {outcome}"
        except CollectionJobError:
            return None  # it may be open once in a process: then others see to it
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
            return f"opening the store raised {type(error).__name__}: {error}"

    def _wrong_end(
        self, events: Sequence[Event], calls: Sequence[Call], late: int
    ) -> Finding | None:
        """Return the finding where a call has not ended, or not as it may."""
        hung = [event for event in events if is_hung(event) or event.outcome is None]
        if late or hung:
            text = f"{max(late, len(hung))} calls gave no answer"
            return _finding(text, hung or events, len(calls))
        for event in events:
            error = None if event.outcome is None else event.outcome.error
            if error is None or isinstance(error, RepositoryClosedError):
                continue
            if not isinstance(error, OPERATIONS[event.call.method].refusals):
                return _finding(f"{event.call} {event.outcome}", [event], len(calls))
        return None

    async def _lost(self, directory: Path, calls: Sequence[Call]) -> Finding | None:
        """Open the store again, and hold what was acknowledged against what is there."""
        ids = sorted({id_ for call in calls for id_ in call.job_ids})
        async with open_with_timeout(self.opening(directory)) as repository:
            for id_ in ids:
                await self._ask("opened again", Call("get_by_id", (id_,)), repository)
        told = [_unknown(event) if _is_closed(event) else event for event in self.recording.events]
        found = check_among(ids, told)
        if not found:
            return None
        text = (
            f"the store was closed while calls were pending, and opened again; {found[0].message}"
        )
        return Finding(_LOST, text, found[0].history)


def _is_answered(event: Event) -> bool:
    return event.outcome is not None and event.outcome.error is None


def _is_closed(event: Event) -> bool:
    return event.outcome is not None and isinstance(event.outcome.error, RepositoryClosedError)


def _unknown(event: Event) -> Event:
    return Event(event.client, event.call, event.began)


def _finding(message: str, events: Sequence[Event], pending: int) -> Finding:
    text = (
        f"while the store was closed with {pending} calls pending, {message}; each must end with an"
        " answer or RepositoryClosedError"
    )
    lines = [f"asyncio.create_task({event.call})" for event in events[:_SHOWN]]
    return Finding(
        _LAW,
        text,
        (
            "repository = await opening.__aenter__()",
            *lines,
            f"# {pending} calls are pending.",
            "await opening.__aexit__(None, None, None)",
            f"# {message}",
        ),
    )
