"""TIME-1: calls while the network stalls, while connections are cut, and when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from collection_jobs.conformance.checks.network.deeds import CROWD, OPENING, Caller, Deed, deeds
from collection_jobs.conformance.checks.network.proxy import Proxy
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Recording
from collection_jobs.conformance.running.configuration import Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.open_store import Pulse, open_with_timeout
from collection_jobs.conformance.running.patience import wait_for_tasks
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.running.targets import Proxied
from collection_jobs.conformance.running.topologies import Opening
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.calls import Call, code, example_job
from collection_jobs.conformance.spec.capabilities import NETWORK, not_declared
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["examine_network"]

_LAW = "TIME-1"

_MARGIN = 2.0
"""Seconds that a call may take on top of its time-out, at least, on a busy machine."""
_DELAY = 0.05
_FEW = 4
"""Stores that are opened at once while all is well."""


class _NoWayThrough(Exception):  # noqa: N818 - it says why there is nothing to examine
    """The store cannot be opened through a proxy that forwards everything."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """One way for the network to fail.

    Attributes:
        told: What it does, as a sentence.
        begin: Makes it fail.
        cancels: Whether what is under way is cancelled, too, in a second run of everything.
    """

    told: str
    begin: Callable[[Proxy], None]
    cancels: bool = False


_FAILURES = (
    _Failure(
        "The network stalls: nothing is forwarded any more.",
        lambda one: one.stall("request", "answer"),
        cancels=True,
    ),
    _Failure(
        "The network stalls in one direction: requests arrive, and answers do not.",
        lambda one: one.stall("answer"),
        cancels=True,
    ),
    _Failure(
        "The connection is cut in the middle of the next request.", lambda one: one.cut("request")
    ),
    _Failure(
        "The connection is cut in the middle of the next answer.", lambda one: one.cut("answer")
    ),
    _Failure(
        "Every connection, new ones too, is cut in the middle of its next answer.",
        lambda one: one.cut("answer", new=True),
    ),
    _Failure("All that is sent arrives 50 ms later.", lambda one: one.slow_down(_DELAY)),
)


_NEW = "new"


def examine_network(plan: Plan) -> Examination:
    """Let the network fail in every way, each on a new store."""
    proxied = plan.target.proxied
    if proxied is None:
        return Examination([], "", skipped=not_declared(NETWORK))
    calls = failures = 0
    findings: list[Finding] = []
    try:
        for failures, failure in enumerate(_FAILURES, 1):
            plan.progress(failures - 1, len(_FAILURES))
            trial = _tried(proxied, plan, failure)
            calls += trial.calls
            if trial.seen is not None:
                findings.append(_finding(failure, trial.seen, proxied.time_out))
                break
    except _NoWayThrough as error:
        return Examination([], "", inapplicable={_LAW: f"the store does not open {error}"})
    covered = (
        f"{calls} calls, openings and closings, some of them cancelled, through a proxy"
        f" that failed in {failures} ways and came back"
    )
    return Examination(findings, covered)


def _tried(proxied: Proxied, plan: Plan, failure: _Failure) -> _Trial:
    with Proxy(*proxied.server) as proxy:
        trial = _Trial(proxied, plan.opening, plan.new_directory(), proxy, failure)
        try:
            watched(lambda: trial.run(plan.capabilities), lambda: trial.pulse.beats)
        except Blocked as blocked:
            trial.seen = trial.seen or _Seen(Violation(_LAW, str(blocked)))
    return trial


@dataclass(frozen=True, slots=True)
class _Seen:
    """A violation, in whose hands, and the calls that show it, where they are some."""

    violation: Violation
    deed: Deed | None = None
    calls: tuple[str, ...] = ()


@dataclass(slots=True)
class _Trial:
    """One store, through a proxy that fails once."""

    proxied: Proxied
    opening: Opening
    directory: Path
    proxy: Proxy
    failure: _Failure
    pulse: Pulse = field(default_factory=Pulse)
    seen: _Seen | None = None
    calls: int = 0
    recording: Recording = field(default_factory=Recording)

    def run(self, capabilities: frozenset[str]) -> None:
        """Do everything on an event loop of its own, which is not waited for where it hangs."""
        loop = asyncio.new_event_loop()
        # A driver whose connection is cut may leave errors that nobody asks for: they are no news.
        loop.set_exception_handler(lambda loop, context: None)
        try:
            loop.run_until_complete(self._play(capabilities))
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=_MARGIN))
            loop.run_until_complete(asyncio.sleep(0))  # connections that were let go of are closed
            loop.close()

    async def _play(self, capabilities: frozenset[str]) -> None:
        self.pulse.beat(asyncio.get_running_loop())
        about = list(deeds(capabilities, cancelled=False))
        about += deeds(capabilities, cancelled=True) if self.failure.cancels else ()
        await self._ask(Call("save", (example_job(deed.name),)) for deed in about)
        few = asyncio.Semaphore(_FEW)
        callers = [
            Caller(deed, self._through(), self.recording, self._limit, few) for deed in about
        ]
        lives = [asyncio.create_task(caller.live()) for caller in callers]
        await self._fail_and_recover(callers)
        await asyncio.wait(lives, timeout=0)
        for caller in callers:
            if caller.violation is not None:
                self.seen = _Seen(caller.violation, caller.deed)
                return
        await self._look(about)

    async def _fail_and_recover(self, callers: Iterable[Caller]) -> None:
        callers = list(callers)
        if await wait_for_tasks({caller.ready for caller in callers}, 2 * deadline()):
            raise _NoWayThrough(f"through a proxy: no answer within {2 * deadline():g} s")
        for caller in callers:
            if (error := caller.ready.result()) is not None:
                raise _NoWayThrough(f"through a proxy: {type(error).__name__}: {error}")
        self.failure.begin(self.proxy)
        for caller in callers:
            caller.failed.set()
        await asyncio.gather(*(caller.done.wait() for caller in callers))
        self.calls += len(callers)
        self.proxy.recover()
        for caller in callers:
            caller.back.set()
        await asyncio.gather(*(caller.at_rest.wait() for caller in callers))

    async def _look(self, about: Iterable[Deed]) -> None:
        """See that a new handle works through the proxy, and what is there in the end."""
        try:
            async with open_with_timeout(self._through()) as repository:
                for call in (Call("save", (example_job(_NEW),)), Call("get_by_id", (_NEW,))):
                    outcome = await make(call, repository)
                    if outcome.error is not None:
                        raise outcome.error
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is what the kit judges
            text = f"{type(error).__name__}: {error}"
            text = f"after the network had come back, a new handle: {text}"
            self.seen = _Seen(Violation(_LAW, text))
            return
        names = [deed.name for deed in about]
        await self._ask(Call("get_by_id", (name,)) for name in names)
        events = self.recording.events
        # What the calls on a job show by themselves is told in fewer words than what listings show.
        found = check_among(names, [event for event in events if not event.call.is_listing])
        for finding in (found or check_among(names, events))[:1]:
            self.seen = _Seen(Violation(_LAW, finding.message), None, finding.history)

    async def _ask(self, calls: Iterable[Call]) -> None:
        """Make calls past the proxy."""
        async with open_with_timeout(self.opening(self.directory)) as repository:
            for call in calls:
                number = self.recording.begin("past the proxy", call)
                self.recording.end(number, await make(call, repository))

    def _through(self) -> AbstractAsyncContextManager[CollectionJobRepository]:
        return self.proxied.factory(self.directory, self.proxy.host, self.proxy.port)

    @property
    def _limit(self) -> float:
        return self.proxied.time_out + max(_MARGIN, self.proxied.time_out / 2)


def _finding(failure: _Failure, seen: _Seen, time_out: float) -> Finding:
    text = (
        f"{seen.violation.message}. {failure.told} Each call must end within the adapter's"
        f" time-out, here {time_out:g} s, with a true answer or a RepositoryError"
    )
    opened, failed = "async with opening as repository:  # through a proxy", f"# {failure.told}"
    deed = seen.deed
    if deed is None:
        history = [opened, f"    {failed}", *seen.calls]
    elif deed.what == OPENING:
        history = [failed, opened]
    else:
        history = [opened, f"    await repository.save({code(example_job(deed.name))})"]
        history.append(f"    {failed}")
        history += [f"    # {CROWD} other calls on this repository are under way."] * deed.crowded
        history += [] if deed.step is None else [f"    {deed.step}"]
    if deed is not None and deed.cancelled:
        history.append("# It is cancelled soon after it began.")
    return Finding(_LAW, text, (*history, f"# {seen.violation.message}"))
