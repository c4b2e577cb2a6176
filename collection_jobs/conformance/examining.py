"""The examination of a target: one check after another, whatever its adapter does meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Protocol

from collection_jobs.conformance.beside.messages import ChecksWanted
from collection_jobs.conformance.beside.second_process import SecondProcess, has_room_for_two
from collection_jobs.conformance.report.tokens import pack, unpack
from collection_jobs.conformance.running.configuration import (
    Check,
    Examination,
    Plan,
    Profile,
)
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.deciding import told_if_undecided
from collection_jobs.conformance.running.early_endings import Escaped, Overdue
from collection_jobs.conformance.running.not_implemented import finding_of
from collection_jobs.conformance.running.pace import measure_pace
from collection_jobs.conformance.running.probing import Probed, probe
from collection_jobs.conformance.running.processes import workers_print
from collection_jobs.conformance.running.stores import Stores
from collection_jobs.conformance.running.targets import Target
from collection_jobs.conformance.running.watchdog import until_overdue
from collection_jobs.conformance.spec.calls import Step
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.verdicts import Examined

__all__ = ["FIRST_LOOK", "OF_A_WHOLE_CHECK", "Examining", "Listener", "first_findings"]

OF_A_WHOLE_CHECK = frozenset(
    {"check", "profile", "seed", "law", "in_memory", "capabilities", "deadline"}
)
"""What the token of a finding holds that is searched for again by its whole check."""

FIRST_LOOK = "opening"
"""What the first look at a target is called where the names of checks stand."""


def first_findings(probed: Probed) -> list[Finding]:
    """Return what the first look at a target found: calls that do not return, or are not there."""
    before = (Step("save", OPERATIONS["save"].call("a").arguments),)
    found = [overdue.finding(before) for overdue in probed.overdue]
    return [*found, finding_of(probed.unwritten)] if probed.unwritten else found


class Listener(Protocol):
    """Is told of an examination while it goes on."""

    def progress(self, check: str, done: int, total: int) -> None:
        """Hear how much of a check is done, and of how much."""
        ...

    def paced(self, opening: float, call: float, seconds: float) -> None:
        """Hear the seconds of an opening and of a call, and about how many the checks will take."""
        ...

    def ended(self, check: str, findings: Sequence[Finding], done: int, total: int) -> None:
        """Hear that a check has ended, as the how-manieth of how many, and what it found."""
        ...


class Examining:
    """All checks of one target.

    A method that does not return is passed over from then on: the checks that can pass over calls
    are made without it, the others are not made, and what they would have examined is not checked.

    Attributes:
        probed: What the first look told; known after `run`.
        examined: The results so far.
        less: What was made less of the profile, because the adapter is slow; empty for nothing.
    """

    def __init__(
        self, target: Target, stores: Stores, profile: Profile, seed: int, listener: Listener
    ) -> None:
        """Prepare; nothing is opened yet."""
        self.probed: Probed = Probed()
        self.examined: list[Examined] = []
        self.less: str = ""
        self._target = target
        self._stores = stores
        self._profile = profile
        self._seed = seed
        self._listener = listener
        self._overdue: list[Overdue] = []

    def run(self, checks: Sequence[Check]) -> None:
        """Look at the target, then run the checks.

        Raises:
            TargetError: The target cannot be opened, or is not a repository.
            Interrupted: The user has asked for the end.
        """
        self._listener.progress(FIRST_LOOK, 0, 1)
        self._look()
        if self.probed.unwritten:
            checks = [check for check in checks if check.early]
        elif not self._overdue:
            self._fit_profile()
        examined: dict[str, Examined] = {}
        with ExitStack() as stack:
            second = self._second_process(checks)
            if second is not None:
                stack.enter_context(second)
            for number, check in enumerate(_those_beside_last(checks, second), 1):
                made = Examined(check.laws, self._examination_by_either(check, second))
                examined[check.name] = made
                self._listener.ended(check.name, made.examination.findings, number, len(checks))
        self.examined += (examined[check.name] for check in checks)

    def _look(self) -> None:
        try:
            self.probed = probe(self._target, self._stores.open)
        except Escaped as escaped:
            self._overdue = [Overdue(FIRST_LOOK, None)]
            self._add([escaped.finding()])
            return
        self._overdue = list(self.probed.overdue)
        self._add(first_findings(self.probed))

    def _fit_profile(self) -> None:
        """Measure what the adapter's calls cost, and plan no more than there is time for."""
        try:
            pace = until_overdue(partial(measure_pace, self._stores.open))
        except (Overdue, Escaped):
            return  # not at every call: the checks will tell of it
        self._listener.paced(pace.opening, pace.call, pace.estimate(self._profile))
        self.less = pace.told(self._profile)
        self._profile = pace.fitted(self._profile)

    def _add(self, findings: list[Finding]) -> None:
        if findings:
            laws = frozenset(finding.law for finding in findings)
            examination = self._with_tokens(Examination(findings, ""), FIRST_LOOK)
            findings = examination.findings
            self.examined.append(Examined(laws, examination))
            self._listener.ended(FIRST_LOOK, findings, 0, 1)

    def _second_process(self, checks: Sequence[Check]) -> SecondProcess | None:
        """Start a second process for the checks that can be made there, if that pays."""
        wanted = tuple(check.name for check in checks if check.beside)
        if self._overdue or self.probed.unwritten or not wanted or len(wanted) == len(checks):
            return None
        target = self._target
        # What stores leave outside of their directories is removed by who has made them.
        if target.spec is None or target.discard is not None or not has_room_for_two():
            return None
        if "durable" not in self.probed.capabilities:
            return None  # little of them applies, and a process takes longer to start
        request = ChecksWanted(
            wanted,
            self._stores.new_directory(),
            self._stores.in_memory,
            self.probed,
            self._profile,
            self._seed,
            workers_print(),
        )
        return SecondProcess(target, request)

    def _examination_by_either(self, check: Check, second: SecondProcess | None) -> Examination:
        """Take what the second process has found; make the check here where it has not."""
        if second is None:
            return self._examination(check)
        second.listen()
        if not check.beside or self._overdue or not second.has(check.name):
            return self._examination(check)
        progress = partial(self._listener.progress, check.name)
        progress(0, 1)
        found = second.examination(check.name, progress, self._stores.look_for_interruption)
        if found is not None:
            return self._with_tokens(found, check.name)
        found = self._examination(check)
        if second.ended is None or found.findings:
            return found
        reason = f"{second.ended}, and another one, which did the same, did not"
        return replace(found, unchecked=dict.fromkeys(check.laws, reason))

    def _examination(self, check: Check) -> Examination:
        """Run a check, again without a method that passed its deadline, as often as one does."""
        findings: list[Finding] = []
        while (reason := self._reason_to_skip(check)) is None:
            silent = tuple(overdue.method for overdue in self._overdue)
            try:
                run = partial(until_overdue, partial(check.run, self._plan(check, silent)))
                examination = told_if_undecided(check.laws, run)
            except Overdue as overdue:
                findings.append(overdue.finding())
                self._overdue.append(overdue)
            except Escaped as escaped:
                findings.append(escaped.finding())
                reason = f"the adapter ended the event loop: {findings[-1].message}"
                break
            else:
                examination = self._without(silent, check, examination)
                return self._with_tokens(
                    replace(examination, findings=[*findings, *examination.findings]), check.name
                )
        examination = Examination(findings, "", unchecked=dict.fromkeys(check.laws, reason))
        return self._with_tokens(examination, check.name)

    def _reason_to_skip(self, check: Check) -> str | None:
        """Return why a check cannot be made any more, or None."""
        if not self._overdue or (check.early and not any(one.ends_all for one in self._overdue)):
            return None
        return self._overdue[-1].reason

    def _without(
        self, silent: tuple[str, ...], check: Check, examination: Examination
    ) -> Examination:
        """Say which laws were not examined by a check that has passed over some methods."""
        reasons = {
            law: overdue.reason
            for overdue in self._overdue
            if overdue.method in silent
            for law in check.laws
            if LAWS[law].waits_for((overdue.method,)) or _is_of(law, overdue.method)
        }
        return replace(examination, unchecked={**examination.unchecked, **reasons})

    def _plan(self, check: Check, silent: tuple[str, ...]) -> Plan:
        progress = partial(self._listener.progress, check.name)
        plan = self._stores.plan(self.probed, self._profile, self._seed, progress)
        return replace(plan, unwritten=(*plan.unwritten, *silent))

    def _with_tokens(self, examination: Examination, check: str) -> Examination:
        """Let each finding's token hold all that it depended on.

        One that has no token gets one that repeats the whole check.
        """
        held = {
            "check": check,
            "profile": self._profile.name,
            "seed": self._seed,
            "in_memory": self._stores.in_memory,
            "capabilities": sorted(self.probed.capabilities),
            "deadline": deadline(),
        }
        findings = [
            replace(finding, token=pack({**held, "law": finding.law, **_held_by(finding)}))
            for finding in examination.findings
        ]
        return replace(examination, findings=findings)


def _those_beside_last(checks: Sequence[Check], second: SecondProcess | None) -> list[Check]:
    """Return the checks in the order in which they are made here, or waited for.

    The second process begins with the first of those that can be made there, and this one, when it
    has made its own, with the last.
    """
    if second is None:
        return list(checks)
    beside = [check for check in checks if check.beside]
    return [*(check for check in checks if not check.beside), *reversed(beside)]


def _held_by(finding: Finding) -> Mapping[str, object]:
    return {} if finding.token is None else unpack(finding.token)


def _is_of(law: str, method: str) -> bool:
    """Whether a law is one of the optional Protocol that a method belongs to."""
    return method in METHODS and METHODS[method] == LAWS[law].capability
