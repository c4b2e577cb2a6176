"""Contention: many callers on one job at once, and what they did, held against the laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import takewhile

from collection_jobs.conformance.checks.contention.sharing import (
    check_sharing,
    check_sharing_at_once,
)
from collection_jobs.conformance.checks.contention.workloads import (
    Round,
    hand_over,
    kinds,
    rounds,
    shorter,
)
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.history.history import Event, is_hung
from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.running.open_store import Pulse
from collection_jobs.conformance.running.processes import WorkerDied, WorkerFailed
from collection_jobs.conformance.running.runner import keep
from collection_jobs.conformance.running.topologies import Topology, in_one_process, in_processes
from collection_jobs.conformance.running.watchdog import Blocked, watched
from collection_jobs.conformance.spec.calls import Call, Kept, Step
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import CONCURRENT_LAWS

__all__ = ["examine_contention"]

"""What only shows when callers are at work at the same time."""

_SHORT_TIMEOUT = 1.0
"""Seconds for an adapter to open a store in a second process that it does not say it can."""
_GLANCE = 2
"""Rounds of each kind for an adapter that does not declare what they would show."""
_SHORTER = 60
"""Rounds of few calls that are tried to tell a violation in few words."""
_OF_THEIR_OWN = frozenset({"SAVE-3", "SAVE-4", "SAVE-5", "STATS-1"})
"""Laws that a handle that lags behind can break for a reason of their own."""

_LONGEST = 12
"""Lines of a finding's history."""
_VAGUE = frozenset(
    {"ATOMIC-1", "FAILED-1", "GET-1", "SAVE-1", "SAVE-4", "STATS-1", "STATUS-1", "STATUS-3"}
)
"""What a history of many lost changes may look like."""


@dataclass(frozen=True, slots=True)
class _Contest:
    """What all the topologies have in common, and what came of it.

    Attributes:
        plan: What is examined.
        progress: Told how many rounds are done.
        findings: The broken laws, one of each.
        topologies: Where the clients ran.
        rounds: The rounds that were run.
        notes: What could not be tried, and why.
        convicted: The kinds of rounds that broke a law: they are not run again.
        pulse: Beats while the event loops of this process run.
        blocked: What blocked a thread for good.
        alone: The laws that broke when one caller made a round's calls one after another.
    """

    plan: Plan
    progress: Callable[[int], None]
    findings: dict[str, Finding] = field(default_factory=dict[str, Finding])
    topologies: list[str] = field(default_factory=list[str])
    rounds: list[Round] = field(default_factory=list[Round])
    notes: list[str] = field(default_factory=list[str])
    convicted: set[str] = field(default_factory=set[str])
    pulse: Pulse = field(default_factory=Pulse)
    blocked: list[str] = field(default_factory=list[str])
    alone: dict[str, Finding] = field(default_factory=dict[str, Finding])

    @property
    def covered(self) -> str:
        """What was covered."""
        tried = f"{len(self.rounds)} rounds of concurrent calls, {', '.join(self.topologies)}"
        return "; ".join([tried, *self.notes])

    def hold(self, topology: Topology, count: int) -> None:
        """Run the rounds in one topology, until a call is not answered any more."""
        self.topologies.append(topology.name)
        if topology.handles > 1 and not self._handed_over(topology):
            return
        for round_ in rounds(self.plan.seed, count, self.plan.capabilities):
            if round_.kind in self.convicted:
                continue
            self.rounds.append(round_)
            self.progress(len(self.rounds))
            events = _play(topology, round_)
            seen = check_among(round_.ids, events)
            hung = any(map(is_hung, events))
            if seen and self._one_caller_is_served(round_):
                self.convicted.add(round_.kind)
                as_met = hung or not self.plan.profile.shrinks
                finding = None if as_met else self._shorter(topology, round_)
                self.add(finding or _finding(seen[0], round_, topology))
            if hung:
                return

    def _handed_over(self, topology: Topology) -> bool:
        """Whether each handle sees what the others did, when nothing is done at once."""
        round_, events = _hand_over(topology, self.plan.capabilities)
        seen = check_among(round_.ids, events)
        if not seen or not self._one_caller_is_served(_in_one_go(round_, events)):
            return True
        finding = _finding(seen[0], round_, topology)
        # On one handle the same calls keep every law; whichever is broken here, it is because what
        # one handle was told did not take effect for the other.
        law = finding.law if finding.law in _OF_THEIR_OWN else "ATOMIC-1"
        self.add(replace(finding, law=law))
        return False

    def _shorter(self, topology: Topology, round_: Round) -> Finding | None:
        """Return the same violation among fewer calls, if it shows among them."""
        for short in shorter(round_, self.plan.seed, _SHORTER):
            events = _play(topology, short)
            seen = check_among(short.ids, events)
            if seen and self._one_caller_is_served(short):
                return _finding(seen[0], short, topology)
            if any(map(is_hung, events)):
                break
        return None

    def add(self, finding: Finding) -> None:
        """Keep the first finding of each law."""
        self.findings.setdefault(finding.law, finding)

    def _one_caller_is_served(self, round_: Round) -> bool:
        """Whether the same calls, made by one caller one after another, keep every law.

        If they do not, the violation is one that a caller alone can see: it would only be blamed
        on a wrong law here, and is told as one caller sees it.
        """
        for turn in range(2):
            with in_one_process(
                self.plan.opening, self.plan.new_directory(), 1, self.pulse
            ) as topology:
                events = _play_alone(topology, round_, in_turns=bool(turn))
                found = check_among(round_.ids, events)
                if found:
                    self.alone.setdefault(found[0].law, _of_one_caller(found[0], events))
                    return False
        return True


def examine_contention(plan: Plan) -> Examination:
    """Run rounds of concurrent calls on one handle and, where they are shared, on several.

    The same seed gives the same programs; when each call is made beside which others is up to the
    machine.
    """
    shared = "shared" in plan.capabilities
    total = plan.profile.rounds * len(kinds(plan.capabilities)) * (3 if shared else 1)
    contest = _Contest(plan, lambda done: plan.progress(min(done, total), total))
    _unless_it_blocks(contest, lambda: _hold_on_one_handle(contest))
    if shared and not contest.blocked:
        _unless_it_blocks(contest, lambda: _hold_on_handles(contest))
    observed: list[Observation] = []
    unchecked: dict[str, str] = {}
    if shared and plan.target.spec is None:
        unchecked = dict.fromkeys(CONCURRENT_LAWS, NO_SPEC)
    elif shared:
        observed.append(_hold_in_processes(contest))
    elif plan.target.spec is not None and not contest.findings:
        observed.append(_glance(contest))
    findings = list((contest.findings or contest.alone).values())
    return Examination(findings, contest.covered, unchecked, tuple(observed))


def _unless_it_blocks(contest: _Contest, hold: Callable[[], None]) -> None:
    """Hold rounds in this process, on a thread that is left behind if a call blocks it for good."""
    try:
        watched(hold, lambda: contest.pulse.beats)
    except Blocked as blocked:
        contest.blocked.append(str(blocked))
        history = ("# Concurrent calls, in one process:", f"# {blocked}")
        contest.add(Finding("ATOMIC-1", f"among concurrent calls, {blocked}", history))


def _hold_on_one_handle(contest: _Contest) -> None:
    directory = contest.plan.new_directory()
    with in_one_process(contest.plan.opening, directory, 1, contest.pulse) as topology:
        contest.hold(topology, contest.plan.profile.rounds)
        _add(contest, check_sharing_at_once(topology, contest.plan.capabilities))


def _hold_on_handles(contest: _Contest) -> None:
    """Run the rounds on several handles; note it where a store does not open twice in a process."""
    plan, handles = contest.plan, contest.plan.profile.processes
    try:
        directory = plan.new_directory()
        topology = in_one_process(plan.opening, directory, handles, contest.pulse)
        opened = _Entered(topology)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it does not open there
        contest.notes.append(f"not on {handles} handles of one process: {error}")
        return
    with opened as entered:
        contest.hold(entered, plan.profile.rounds)
        _add(contest, check_sharing(entered))


def _add(contest: _Contest, finding: Finding | None) -> None:
    if finding is not None:
        contest.add(finding)


class _Entered:
    """A context that is entered already: an error of the entering is told from later ones."""

    def __init__(self, context: AbstractContextManager[Topology]) -> None:
        self._context = context
        self._setting = context.__enter__()

    def __enter__(self) -> Topology:
        return self._setting

    def __exit__(self, *exc_info: object) -> None:
        self._context.__exit__(*exc_info)  # type: ignore[arg-type] # passed on as it came


def _hold_in_processes(contest: _Contest) -> Observation:
    """Run rounds in several processes; return what was seen of ``shared``."""
    plan, processes = contest.plan, contest.plan.profile.processes
    before = set(contest.findings)
    try:
        with in_processes(plan.fork_server(), plan.new_directory(), processes) as topology:
            contest.hold(topology, plan.profile.rounds)
    except (WorkerFailed, WorkerDied) as error:
        text = f"{plan.target.name} declares shared, but among {processes} processes: {error}"
        history = (
            "# In one process:",
            "async with opening as repository:",
            "    # In another, meanwhile:",
            "    async with opening as repository:",
            "        ...",
        )
        contest.findings.setdefault("STATUS-2", Finding("STATUS-2", text, history))
    broken = sorted(set(contest.findings) - before)
    how = f"{processes} processes worked on one store at once"
    how += f", and {', '.join(broken)} broke" if broken else ", and no law broke"
    return Observation("shared", not broken, how)


def _glance(contest: _Contest) -> Observation:
    """See whether several processes can share a store though the adapter does not say so."""

    def tell_nobody(done: int) -> None:
        pass

    plan = contest.plan
    aside = _Contest(plan, tell_nobody, convicted=contest.convicted, pulse=contest.pulse)
    try:
        directory = plan.new_directory()
        with in_processes(plan.fork_server(), directory, 2, timeout=_SHORT_TIMEOUT) as topology:
            round_, events = _hand_over(topology, plan.capabilities)
            if check_among(round_.ids, events):
                shown, came = False, "one did not see what the other had done"
            else:
                aside.hold(topology, _GLANCE)
                shown, came = not aside.findings, "no law broke"
                if not shown:
                    came = f"{', '.join(sorted(aside.findings))} broke"
    except (WorkerFailed, WorkerDied) as error:
        shown, came = False, str(error)
    how = f"2 processes opened one store at once: {came}"
    return Observation("shared", shown, how)


def _play(topology: Topology, round_: Round) -> list[Event]:
    """Make a round's calls, look at the jobs afterwards, and remove them."""
    clients = [
        Client(chr(ord("A") + number), steps, number % topology.handles)
        for number, steps in enumerate(round_.clients)
    ]
    events = topology.run([Client("before", round_.setup)])
    events += topology.run(clients)
    events += topology.run([Client("after", _steps(round_.looks), topology.handles - 1)])
    if not any(map(is_hung, events)):
        topology.run([Client("end", tuple(Step("delete", (id_,)) for id_ in round_.ids))])
    return events


def _play_alone(topology: Topology, round_: Round, *, in_turns: bool) -> list[Event]:
    """Make a round's calls one after another: client by client, or each a step in turn."""
    programs = [list(steps) for steps in round_.clients]
    events = topology.run([Client("before", round_.setup)])
    if not in_turns:
        for number, steps in enumerate(programs):
            events += topology.run([Client(str(number), tuple(steps))])
    held: dict[int, dict[str, Kept]] = {}
    while in_turns and any(programs):
        for number, steps in enumerate(programs):
            if steps:
                step = steps.pop(0)
                mine = held.setdefault(number, {})
                made = topology.run([Client(str(number), (step,), held=mine)])
                events += made
                _hold(mine, step, made)
    return [*events, *topology.run([Client("after", _steps(round_.looks))])]


def _hand_over(topology: Topology, capabilities: frozenset[str]) -> tuple[Round, list[Event]]:
    """Make calls one after another, each on another handle than the one before."""
    round_, steps = hand_over(topology.handles, capabilities)
    events: list[Event] = []
    held: dict[str, Kept] = {}
    for handle, step in steps:
        made = topology.run([Client(f"handle {handle + 1}", (step,), handle, held)])
        _hold(held, step, made)
        events += made
        if any(map(is_hung, made)):
            break
    topology.run([Client("end", tuple(Step("delete", (id_,)) for id_ in round_.ids))])
    return round_, events


def _in_one_go(round_: Round, events: Sequence[Event]) -> Round:
    """Return the calls that were handed over, as those of one client."""
    steps = tuple(Step(event.call.method, event.call.arguments) for event in events)
    return replace(round_, clients=(steps,))


def _hold(held: dict[str, Kept], step: Step, made: Iterable[Event]) -> None:
    for event in made:
        if event.outcome is not None:
            keep(held, step, event.outcome)


def _steps(calls: Iterable[Call]) -> tuple[Step, ...]:
    return tuple(Step(call.method, call.arguments) for call in calls)


def _finding(found: Finding, round_: Round, topology: Topology) -> Finding:
    # Where each call is one of the same few, it is told which law they are about; who lost what to
    # whom can often not be told any more.
    law = round_.law if found.law in _VAGUE and round_.law is not None else found.law
    again = "The seed makes the same calls again, not their timing."
    about = f"# {round_.about}, {topology.name}. {again}"
    setup = (*map(str, round_.setup), "# What each call saw, and when:")
    room = _LONGEST - 1 - len(found.history)
    history = (about, *(setup if len(setup) <= room else ()), *found.history[-_LONGEST + 1 :])
    return Finding(law, found.message, history)


def _of_one_caller(found: Finding, events: Sequence[Event]) -> Finding:
    """Return what one caller saw, with the last calls up to it on the job that it is about."""
    before = list(takewhile(lambda event: str(event) not in found.message, events))
    upto = events[: len(before) + 1]
    about = [event for event in upto if found.job_id is None or found.job_id in event.call.job_ids]
    lines = [f"await {event.call}  # {event.outcome}" for event in about[-_LONGEST:]]
    return Finding(found.law, found.message, tuple(lines) or found.history)
