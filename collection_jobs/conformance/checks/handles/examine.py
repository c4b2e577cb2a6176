"""Several handles of one process, opened and closed while others write; other processes; a kill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Any

from collection_jobs.conformance.checks.handles.alternating import alternate
from collection_jobs.conformance.checks.handles.judgement import judge_script
from collection_jobs.conformance.checks.handles.knowledge import see_each_other
from collection_jobs.conformance.checks.handles.play import Played, play
from collection_jobs.conformance.checks.handles.script import (
    KILL,
    OPEN,
    SERVICE,
    Line,
    founding,
    is_call,
    script,
    stages,
)
from collection_jobs.conformance.checks.handles.shrinking import shrink_script
from collection_jobs.conformance.history.checker import check_among
from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.report.tokens import pack
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Close, Open, Work
from collection_jobs.conformance.running.processes import ForkServer, WorkerDied, WorkerFailed
from collection_jobs.conformance.running.topologies import Opening, in_one_process
from collection_jobs.conformance.spec.calls import Step, example_job
from collection_jobs.conformance.spec.capabilities import not_declared
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.errors import RepositoryError

__all__ = ["examine_handles", "find_handles_again"]

_CHECK = "several handles"
"""The check's name, which its tokens hold."""
_FOUNDINGS = 1
"""How often processes open a new store at once, for each script that is drawn."""
_AGAIN = 10
"""How often a script is played that is to show its finding again: the timing is the machine's."""


@dataclass(slots=True)
class _Used:
    """What came of it.

    Attributes:
        findings: The broken laws, one of each.
        stores: How many scripts were played, each on a store of its own.
        handles: How many handles of one process were open at once, at most.
        openings: How often a handle was opened.
        processes: How many processes opened a store.
        killed: How many of them were killed.
        acknowledged: How many calls were.
        turns: How many calls two handles of one process made by turns.
        notes: What could not be tried, and why.
    """

    findings: dict[str, Finding] = field(default_factory=dict[str, Finding])
    stores: int = 0
    handles: int = 0
    openings: int = 0
    processes: int = 0
    killed: int = 0
    acknowledged: int = 0
    turns: int = 0
    notes: list[str] = field(default_factory=list[str])

    def add(self, played: Played) -> None:
        """Count what was played."""
        self.stores += 1
        self.killed += len(played.killed)
        self.processes += len({event.client[0] for event in played.events})
        self.openings += sum(event.call.method == OPEN for event in played.events)
        self.acknowledged += sum(event.outcome is not None for event in played.calls)
        mine = {event.client for event in played.events if event.client[0] == SERVICE}
        self.handles = max(self.handles, len(mine) - 1)

    def __str__(self) -> str:
        """Say what was covered."""
        tried = (
            f"{_counted(self.handles, 'handle')} of one process, opened and closed"
            f" {self.openings} times beside"
            f" {_counted(self.processes - self.stores, 'other process', 'es')} on"
            f" {_counted(self.stores, 'store')}, {_counted(self.killed, 'process', 'es')} killed,"
            f" {self.acknowledged} acknowledged calls, and {self.turns} on two handles by turns"
        )
        return "; ".join([tried, *self.notes])

    @property
    def observed(self) -> Observation:
        """What was seen of ``shared``."""
        broken = ", ".join(sorted(self.findings))
        return Observation("shared", not broken, f"{self}: {broken or 'no law'} broke")


def _counted(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{plural if number != 1 else ''}"


@dataclass(frozen=True, slots=True)
class _Trial:
    """What plays scripts on new stores."""

    opening: Opening
    new_directory: Callable[[], Path]
    fork_server: ForkServer
    linked: bool
    shrinks: bool = True

    def play(self, lines: Sequence[Line]) -> Played:
        directory = self.new_directory()
        return play(self.fork_server, _places(directory, linked=self.linked), lines)

    def is_served_alone(self, lines: Sequence[Line]) -> bool:
        """Whether the same calls keep every law when one caller makes them on one handle."""
        steps = tuple(line.step for part in stages(lines) for line in part if is_call(line))
        with in_one_process(self.opening, self.new_directory(), 1) as setting:
            events = setting.run([Client("alone", steps)])
        return not check_among({id_ for event in events for id_ in event.call.job_ids}, events)


def examine_handles(plan: Plan) -> Examination:
    """Play scripts, each on a new store, until one breaks a law; then tell it in few lines.

    Processes are killed if the adapter is durable. The same seed gives the same scripts; when each
    call is made is up to the machine.
    """
    if "shared" not in plan.capabilities:
        return Examination([], "", skipped=not_declared("shared"))
    if plan.target.spec is None:
        return Examination([], "", skipped=NO_SPEC)
    used = _use(plan, plan.fork_server())
    return Examination(list(used.findings.values()), str(used), {}, (used.observed,))


def _use(plan: Plan, fork_server: ForkServer) -> _Used:
    random = Random(f"{plan.seed} handles")  # noqa: S311 - not for secrets
    used, count = _Used(), plan.profile.scripts
    linked = _opens_by_link(fork_server, plan.new_directory())
    refusal = _refuses_a_second_handle(fork_server, plan.new_directory())
    if refusal is not None:
        said = plan.target.without_secrets(refusal)
        used.notes.append(f"not on several handles of one process: {said}")
    opening, shrinks = plan.opening, plan.profile.shrinks
    trial = _Trial(opening, plan.new_directory, fork_server, linked, shrinks)
    if refusal is None:
        used.findings = _by_turns(plan, used)
        if used.findings:
            return used
    kills, places = "durable" in plan.capabilities, 2 if linked else 1
    drawn = (script(random, plan.capabilities, places=places, kills=kills) for _ in range(count))
    every = [*repeat(founding(), _FOUNDINGS * count), *drawn]
    for number, lines in enumerate(every):
        plan.progress(number, len(every))
        used.findings = _found(trial, lines if refusal is None else _on_one_handle(lines), used)
        if used.findings:
            break
    return used


def _by_turns(plan: Plan, used: _Used) -> dict[str, Finding]:
    directory = plan.new_directory()
    try:
        with in_one_process(plan.opening, directory, 2) as setting:
            used.turns, found = alternate(setting, plan.capabilities, directory)
        if found is None:
            calls, found = see_each_other(plan)
            used.turns += calls
    except RepositoryError as error:  # of the opening or the closing: those of calls are recorded
        said = plan.target.without_secrets(str(error))
        raised = f"{type(error).__name__}: {said}"
        text = f"a new store was opened twice in one process, and that raised {raised}"
        found = Finding("ATOMIC-1", text, (f"# opening a new store twice raised {raised}",))
    return {} if found is None else {found.law: found}


def _found(trial: _Trial, lines: tuple[Line, ...], used: _Used) -> dict[str, Finding]:
    """Play a script; what it shows, unless one caller alone would see it too."""
    played = trial.play(lines)
    used.add(played)
    found = judge_script(played)
    if not found or not trial.is_served_alone(lines):
        return {}
    if trial.shrinks:
        return _told_shortly(trial, lines, found)
    return {one.law: _with_token(trial, one, lines) for one in found}


def find_handles_again(plan: Plan, token: dict[str, Any]) -> list[Finding]:
    """Play the script of a token some times, until it shows its finding again."""
    lines = [Line(*one) for one in token["lines"]]
    linked = bool(token["linked"])
    trial = _Trial(plan.opening, plan.new_directory, plan.fork_server(), linked)
    for _ in range(_AGAIN):
        found = [one for one in judge_script(trial.play(lines)) if one.law == token["law"]]
        if found:
            return found
    return []


def _told_shortly(
    trial: _Trial, lines: tuple[Line, ...], found: list[Finding]
) -> dict[str, Finding]:
    """Give the first finding the shortest script that shows it; leave the others as found."""
    first = found[0]

    def shows(shorter: tuple[Line, ...]) -> Finding | None:
        again = judge_script(trial.play(shorter))
        return next((one for one in again if one.law == first.law), None)

    short, first = shrink_script(lines, first, shows)
    told = {first.law: _with_token(trial, first, short)}
    return {one.law: _with_token(trial, one, lines) for one in found} | told


def _with_token(trial: _Trial, finding: Finding, lines: Sequence[Line]) -> Finding:
    plain = [(one.stage, one.process, one.handle, one.step) for one in lines]
    held = {"check": _CHECK, "law": finding.law, "linked": trial.linked, "lines": tuple(plain)}
    return replace(finding, token=pack(held))


def _on_one_handle(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Let handle 1 do it all, for an adapter that opens a store once in each process."""
    opens = next(line for line in lines if line.step.method == OPEN)
    return tuple(
        line if line.process != SERVICE or line.step.method == KILL else replace(line, handle=1)
        for line in lines
        if line.process != SERVICE or line is opens or is_call(line) or line.step.method == KILL
    )


def _places(directory: Path, *, linked: bool) -> tuple[Path, ...]:
    if not linked:
        return (directory,)
    link = directory.with_name(f"{directory.name}-link")
    link.symlink_to(directory, target_is_directory=True)
    return directory, link


def _refuses_a_second_handle(fork_server: ForkServer, directory: Path) -> str | None:
    """Return what an adapter says that opens no store twice in one process; None where it does."""
    with fork_server.worker(counting=False) as worker, suppress(WorkerDied):
        try:
            worker.ask(Open(directory, 1, deadline()))
            worker.ask(Close())
            worker.ask(Open(directory, 2, deadline()))
        except WorkerFailed as error:
            return str(error) if error.ours else None
    return None


def _opens_by_link(fork_server: ForkServer, directory: Path) -> bool:
    """Whether a symbolic link to a store's directory opens that store.

    It is tried where a store keeps files in its directory: only these are sure to be the same by
    another path, and what the kit does not know of is not left behind elsewhere.
    """
    save = Work((Client("kit", (Step("save", (example_job("a"),)),)),))
    look = Work((Client("kit", (Step("get_by_id", ("a",)),)),))
    with fork_server.worker(counting=False) as worker, suppress(WorkerFailed, WorkerDied, OSError):
        worker.ask(Open(directory, 1, deadline()))
        worker.ask(save)
        worker.ask(Close())
        if not any(path.is_file() for path in directory.rglob("*")):
            return False
        _, link = _places(directory, linked=True)
        worker.ask(Open(link, 1, deadline()))
        (event,) = worker.ask(look).events
        worker.ask(Close())
        return event.outcome is not None and event.outcome.value is not None
    return False
