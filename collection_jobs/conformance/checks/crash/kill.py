"""DURABLE-1: processes killed at work, and what the store holds when it is opened again."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from random import Random

from collection_jobs.conformance.checks.crash.durability_checker import DurabilityChecker
from collection_jobs.conformance.checks.crash.each_site import EachSite
from collection_jobs.conformance.checks.crash.large_changes import LargeChanges
from collection_jobs.conformance.checks.crash.workload import IDS, life, looks
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.report.capability_report import Observation
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import CallBegan, CallEnded, Close, Open, Work
from collection_jobs.conformance.running.processes import (
    Worker,
    WorkerDied,
    WorkerFailed,
)
from collection_jobs.conformance.spec.calls import Step
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.operations import OPERATIONS

__all__ = ["examine_kills"]

_LAW = "DURABLE-1"
_MANY = frozenset(
    name
    for name, one in OPERATIONS.items()
    if one.laws.one_instant is not None or (one.counts_jobs and one.writes)
)
"""The methods that change several jobs at one instant: processes are killed within them, too."""

_CHANGES = 6
"""Changes that each client makes in one life, if it is not killed before."""
_LONG, _FEWEST = 280, 20
"""Changes of each client in a long life, at most; and the fewest kills of which some are given to
what happens only in one: a log that is merged every hundred changes, a file that is full."""
_RARELY = 0.3
"""How many of the processes die at a place that only a long life passes, where there is one."""
_MORE = 3
"""Kills after the first finding, in search of one that is told in fewer calls."""
_AT_SITE = 0.7
"""How many of the processes die at a site, and not at a random moment."""
_LIKELY = 2
"""They die before half of the times that it was passed once: each life is another."""
_WITHIN_MANY = 0.6
"""How many of the others are killed within a ``save_many``, where the adapter has it."""
_ONE_AT_AN_END_IN = 6
"""One more for so many processes is killed while it opens the store or closes it."""
_GLANCE = 4
"""Kills for an adapter that does not declare to be durable."""


def examine_kills(plan: Plan) -> Examination:
    """Kill processes that work on one store, one after another.

    An adapter that does not declare to be durable is only looked at: whether it is. The same seed
    gives the same programs, but a moment is not hit twice.
    """
    if plan.target.spec is None:
        return Examination([], "", {_LAW: NO_SPEC})
    declared = "durable" in plan.capabilities
    history = _History(plan)
    kills = plan.profile.kills if declared else min(plan.profile.kills, _GLANCE)
    history.first_life()
    if declared and kills >= _FEWEST:
        history.long_life(min(_LONG, kills // 2 + 10))
    last = kills
    while history.kills < last:
        plan.progress(history.kills, kills)
        if not history.next_life(dies=True):
            break
        if history.findings:
            more = _MORE if plan.profile.shrinks else 0
            last = min(kills, history.kills + more) if declared else 0
    else:
        history.next_life(dies=False)
        if declared and kills >= _FEWEST:
            history.ends(kills // _ONE_AT_AN_END_IN)
            history.large_changes(LargeChanges(plan))
    return history.examination(declared=declared)


class _History:
    """One store and the processes that worked on it."""

    def __init__(self, plan: Plan) -> None:
        self.kills = 0
        self.findings: list[Finding] = []
        self._directory = plan.new_directory()
        self._random = Random(f"{plan.seed} crash")  # noqa: S311 - not for secrets
        self._capabilities = plan.capabilities
        self._acknowledged = 0
        self._checker = DurabilityChecker(IDS)
        self._long_random = Random(f"{plan.seed} long lives")  # noqa: S311 - not for secrets
        self._sites = EachSite(self._random, _LIKELY)
        self._rare = EachSite(self._long_random, _LIKELY)
        self._long = 0
        self._seconds = 0.0
        self._many_seconds = 0.0
        self._large = 0
        self._at_the_ends = 0
        self._first = True
        self._fork_server = plan.fork_server()

    def examination(self, *, declared: bool) -> Examination:
        """Say what came of it all."""
        lost = any(finding.law == _LAW for finding in self.findings)
        was = "process was" if self.kills == 1 else "processes were"
        how = f"{self.kills} {was} killed at work, after {self._acknowledged} acknowledged calls,"
        how += f" and {'some' if lost else 'none'} of them were lost"
        observed = Observation("durable", not lost, how)
        covered = f"{self.kills} processes killed, after {self._acknowledged} acknowledged calls"
        if self._at_the_ends:
            covered += f", {self._at_the_ends} while they opened the store or closed it"
        covered += f", and {self._large} within changes too large for one batch" * bool(self._large)
        found = sorted(self.findings, key=lambda finding: len(finding.history))
        if lost:
            # That revisions start again in a store that lost its jobs is no news.
            found = [finding for finding in found if finding.law == _LAW and declared]
        first = {finding.law: finding for finding in reversed(found)}
        return Examination(list(first.values()), covered, {}, (observed,))

    def first_life(self) -> None:
        """Let a process come to its end and close the store: the measure for those killed."""
        worker = self._open(counting=True)
        if worker is None:
            return
        with worker, suppress(WorkerDied):
            began = time.monotonic()
            worker.order(Work(life(self._random, _CHANGES, self._capabilities), told=True))
            self._sites.passed = self._follow(worker)
            self._seconds = time.monotonic() - began
            self._checker.note_wrong(_look(worker, self._capabilities))
            worker.ask(Close())
        self._first = False

    def long_life(self, changes: int) -> None:
        """Let a process make many changes and close the store: what it passes then only."""
        self._long = changes
        worker = self._open(counting=True)
        if worker is None:
            return
        with worker, suppress(WorkerDied):
            self.findings += self._checker.reopened(_look(worker, self._capabilities))
            worker.order(Work(life(self._long_random, changes, self._capabilities), told=True))
            sites = self._follow(worker)
            common = self._sites.passed
            self._rare.passed = {site: sites[site] for site in sites if site not in common}
            worker.ask(Close())

    def next_life(self, *, dies: bool) -> bool:
        """Open the store, look at it, and work on it until the end; whether it could be opened."""
        rarely = dies and self._rare.passed and self._long_random.random() < _RARELY
        site = (self._rare.following() if rarely else self._site()) if dies else None
        worker = self._open(counting=site is not None)
        if worker is None:
            return False
        with worker:
            try:
                self.findings += self._checker.reopened(_look(worker, self._capabilities))
            except (WorkerDied, WorkerFailed) as error:
                self._cannot("read", str(error))
                return False
            if dies:
                self._live_and_die(worker, site, self._long if rarely else _CHANGES)
        return True

    def ends(self, kills: int) -> None:
        """Kill processes that open the store, and others that close it, by turns."""
        opening, closing = EachSite(self._random), EachSite(self._random)
        for number in range(kills):
            sites, doing = (opening, "opened") if number % 2 else (closing, "closed")
            known, site = len(self.findings), sites.following()
            if not self._die_at_an_end(sites, site, closes=sites is closing):
                return
            goes_on = self.next_life(dies=False)
            where = "" if site is None else f" ({site[0]})"
            self.findings[known:] = [
                replace(one, message=f"{one.message}; a process that {doing} it was killed{where}")
                for one in self.findings[known:]
            ]
            if not goes_on or self.findings[known:]:
                return
            self._at_the_ends += 1

    def _die_at_an_end(
        self, sites: EachSite, site: tuple[str, int] | None, *, closes: bool
    ) -> bool:
        """Let a process work, and close the store or leave it to another one that opens it.

        Without a site, nothing dies before its time, and the sites that are passed are noted.
        """
        worker = self._open(counting=closes)
        if worker is None:
            return False
        with worker, suppress(WorkerDied, WorkerFailed):
            worker.order(Work(life(self._random, 1, self._capabilities), told=True))
            self._follow(worker)
            if closes:
                sites.passed = worker.ask(Close(site)).sites
        if not closes:
            opened = Open(self._directory, 1, deadline(), site)
            with (
                self._fork_server.worker(counting=True) as other,
                suppress(WorkerDied, WorkerFailed),
            ):
                sites.passed = other.ask(opened, deadline() + 2).sites
        return True

    def large_changes(self, changes: LargeChanges) -> None:
        """Kill processes within changes that are made in parts, each on a store of its own."""
        finding = changes.examine()
        self.findings += [] if finding is None else [finding]
        self._large = changes.kills

    def _open(self, *, counting: bool) -> Worker | None:
        worker = self._fork_server.worker(counting=counting)
        try:
            worker.ask(Open(self._directory, 1, deadline()), deadline() + 2)
        except (WorkerDied, WorkerFailed) as error:
            worker.close()
            if counting:  # which may be what it takes so long for
                return self._open(counting=False)
            self._cannot("opened", str(error))
            return None
        return worker

    def _cannot(self, what: str, error: str) -> None:
        when = "after its process was killed" if self.kills else "again"
        text = f"the store could not be {what} {when}: {error}"
        calls = "# Calls on the store are under way when the process is killed. Then:"
        self.findings.append(Finding(_LAW, text, (calls, "async with opening as repository:")))

    def _live_and_die(self, worker: Worker, site: tuple[str, int] | None, changes: int) -> None:
        random = self._random if changes == _CHANGES else self._long_random
        clients = life(random, changes, self._capabilities)
        calls = self._random.randrange(sum(len(client.steps) for client in clients))
        delay = self._random.uniform(0, 2 * self._seconds / max(1, self._checker.acknowledged))
        within = site is None and self._many_seconds and self._random.random() < _WITHIN_MANY
        if within:
            delay = self._random.uniform(0, self._many_seconds)
        with suppress(WorkerDied):
            worker.order(Work(clients, told=True, die_at=site))
            told = calls if site is None and not within else None
            self._follow(worker, told, until_many=bool(within))
            time.sleep(delay)
        worker.kill()
        self.kills += 1
        with suppress(WorkerDied):
            self._follow(worker)
        self._acknowledged = self._checker.acknowledged

    def _site(self) -> tuple[str, int] | None:
        """Where the process is to kill itself; None where it is killed at a random moment."""
        return self._sites.following() if self._random.random() < _AT_SITE else None

    def _follow(
        self, worker: Worker, calls: int | None = None, *, until_many: bool = False
    ) -> dict[str, int]:
        """Keep account of so many calls, or of all, or until one begins that changes several jobs.

        Returns:
            The sites that the work passed, if it is done.

        Raises:
            WorkerDied: The process ended.
        """
        while calls is None or calls > 0:
            match worker.tell():
                case CallBegan(number, _, call):
                    self._checker.began(number, call)
                    if until_many and call.method in _MANY:
                        break
                case CallEnded(number, outcome):
                    if self._first and self._checker.method(number) in _MANY:
                        seconds = (outcome.ended - outcome.began).total_seconds()
                        self._many_seconds = min(self._many_seconds or seconds, 2 * seconds)
                    finding = self._checker.ended(number, outcome, first_life=self._first)
                    if finding is not None:
                        self.findings.append(finding)
                    calls = None if calls is None else calls - 1
                case done:
                    return dict(getattr(done, "sites", {}))
        return {}


def _look(worker: Worker, capabilities: frozenset[str]) -> tuple[Event, ...]:
    steps = tuple(Step(call.method, call.arguments) for call in looks(capabilities))
    return worker.ask(Work((Client("kit", steps),))).events
