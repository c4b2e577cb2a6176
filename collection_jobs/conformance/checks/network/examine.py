"""TIME-1: calls while the network stalls, while connections are cut, and when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from collection_jobs.conformance.checks.contention.history_adapter import judge
from collection_jobs.conformance.checks.contention.topologies import Opening
from collection_jobs.conformance.checks.interleavings.watchdog import Blocked, watched
from collection_jobs.conformance.checks.network.deeds import CROWD, OPENING, Caller, Deed, deeds
from collection_jobs.conformance.checks.network.proxy import Proxy
from collection_jobs.conformance.report.findings import Finding
from collection_jobs.conformance.running.clients import Recording
from collection_jobs.conformance.running.open_store import Pulse, patiently
from collection_jobs.conformance.running.targets import Proxied
from collection_jobs.conformance.spec.calls import PATIENCE, Call, code, example_job, make
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["Examined", "NoWayThrough", "examine_network"]

LAW = "TIME-1"

_MARGIN = 2.0
"""Seconds that a call may take on top of its time-out, at least, on a busy machine."""
_DELAY = 0.05
_FEW = 4
"""Stores that are opened at once while all is well."""


class NoWayThrough(Exception):  # noqa: N818 - it says why there is nothing to examine
    """The store cannot be opened by way of a proxy that forwards everything."""


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


@dataclass(slots=True)
class Examined:
    """What came of it.

    Attributes:
        finding: The breach, if there is one.
        calls: How many calls, openings and closings met a failing network.
        failures: In how many ways it failed.
    """

    finding: Finding | None = None
    calls: int = 0
    failures: int = 0

    def __str__(self) -> str:
        """What was covered."""
        return (
            f"{self.calls} calls, openings and closings, some of them cancelled, by way of a proxy"
            f" that failed in {self.failures} ways and came back"
        )


def examine_network(
    proxied: Proxied,
    opening: Opening,
    new_directory: Callable[[], Path],
    *,
    capabilities: frozenset[str],
    progress: Callable[[int, int], None],
) -> Examined:
    """Let the network fail in every way, each on a new store.

    Args:
        proxied: How to reach the stores by way of a proxy.
        opening: Opens the store in a directory, past the proxy.
        new_directory: Gives a new one.
        capabilities: What the adapter can do beyond the nine methods.
        progress: Told how many of how many ways were tried.

    Raises:
        NoWayThrough: The stores cannot be reached by way of a proxy.
    """
    examined = Examined()
    for number, failure in enumerate(_FAILURES):
        progress(number, len(_FAILURES))
        trial = _tried(proxied, opening, new_directory(), failure, capabilities)
        examined.calls += trial.calls
        examined.failures += 1
        if trial.complaint is not None:
            examined.finding = _finding(failure, trial.complaint, proxied.time_out)
            break
    return examined


def _tried(
    proxied: Proxied,
    opening: Opening,
    directory: Path,
    failure: _Failure,
    capabilities: frozenset[str],
) -> _Trial:
    with Proxy(*proxied.server) as proxy:
        trial = _Trial(proxied, opening, directory, proxy, failure)
        try:
            watched(lambda: trial.run(capabilities), lambda: trial.pulse.beats)
        except Blocked as blocked:
            trial.complaint = trial.complaint or _Complaint(str(blocked))
    return trial


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What went wrong, in whose hands, and the calls that show it, where they are some."""

    text: str
    deed: Deed | None = None
    calls: tuple[str, ...] = ()


@dataclass(slots=True)
class _Trial:
    """One store, by way of a proxy that fails once."""

    proxied: Proxied
    opening: Opening
    directory: Path
    proxy: Proxy
    failure: _Failure
    pulse: Pulse = field(default_factory=Pulse)
    complaint: _Complaint | None = None
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
            if caller.complaint is not None:
                self.complaint = _Complaint(caller.complaint, caller.deed)
                return
        await self._look(about)

    async def _fail_and_recover(self, callers: Iterable[Caller]) -> None:
        callers = list(callers)
        _, late = await asyncio.wait({caller.ready for caller in callers}, timeout=2 * PATIENCE)
        if late:
            raise NoWayThrough(f"by way of a proxy: no answer within {2 * PATIENCE:g} s")
        for caller in callers:
            if (error := caller.ready.result()) is not None:
                raise NoWayThrough(f"by way of a proxy: {type(error).__name__}: {error}")
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
        """See that a new handle works by way of the proxy, and what is there in the end."""
        try:
            async with patiently(self._through()) as repository:
                for call in (Call("save", (example_job(_NEW),)), Call("get_by_id", (_NEW,))):
                    outcome = await make(call, repository)
                    if outcome.error is not None:
                        raise outcome.error
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises is what the kit judges
            text = f"{type(error).__name__}: {error}"
            self.complaint = _Complaint(f"after the network had come back, a new handle: {text}")
            return
        names = [deed.name for deed in about]
        await self._ask(Call("get_by_id", (name,)) for name in names)
        events = self.recording.events
        # What the calls on a job show by themselves is told in fewer words than what listings show.
        refusals = judge(names, [event for event in events if not event.call.is_listing])
        for refusal in (refusals or judge(names, events))[:1]:
            self.complaint = _Complaint(refusal.message, None, refusal.timeline)

    async def _ask(self, calls: Iterable[Call]) -> None:
        """Make calls past the proxy."""
        async with patiently(self.opening(self.directory)) as repository:
            for call in calls:
                number = self.recording.begin("past the proxy", call)
                self.recording.end(number, await make(call, repository))

    def _through(self) -> AbstractAsyncContextManager[CollectionJobRepository]:
        return self.proxied.factory(self.directory, self.proxy.host, self.proxy.port)

    @property
    def _limit(self) -> float:
        return self.proxied.time_out + max(_MARGIN, self.proxied.time_out / 2)


def _finding(failure: _Failure, complaint: _Complaint, time_out: float) -> Finding:
    text = (
        f"{complaint.text}. {failure.told} Each call must end within the adapter's time-out, here"
        f" {time_out:g} s, with a true answer or a RepositoryError"
    )
    opened, failed = "async with opening as repository:  # by way of a proxy", f"# {failure.told}"
    deed = complaint.deed
    if deed is None:
        history = [opened, f"    {failed}", *complaint.calls]
    elif deed.what == OPENING:
        history = [failed, opened]
    else:
        history = [opened, f"    await repository.save({code(example_job(deed.name))})"]
        history.append(f"    {failed}")
        history += [f"    # {CROWD} other calls on this repository are under way."] * deed.crowded
        history += [] if deed.step is None else [f"    {deed.step}"]
    if deed is not None and deed.cancelled:
        history.append("# It is cancelled soon after it began.")
    return Finding(LAW, text, (*history, f"# {complaint.text}"))
