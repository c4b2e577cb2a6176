"""Shrinking: from a run that broke a law to the shortest program and schedule that break it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from collection_jobs.conformance.checks.interleavings.programs import (
    ConcurrentProgram,
)
from collection_jobs.conformance.checks.interleavings.schedules import (
    Frontier,
    Prefix,
    RunsPrograms,
)
from collection_jobs.conformance.checks.interleavings.trace import Trace
from collection_jobs.conformance.report.tokens import pack
from collection_jobs.conformance.spec.findings import Finding

__all__ = ["Witness", "present", "rerun", "shrink_witness"]

_TRIES = 4
"""How often a schedule is run again that does not show its violation: a real engine takes time."""
_RUNS = 2_000
"""How many runs to spend on one finding: a program that is a call shorter is not worth more."""
_LONG = 20
"""Calls of a program that takes as long as several, and so is run less often."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A program and a schedule that break a law, and how that was told when it was seen first."""

    law: str
    program: ConcurrentProgram
    prefix: Prefix
    preemptions: int
    told: str = ""

    @property
    def size(self) -> tuple[int, int, int]:
        """Fewer calls are shorter, then fewer preemptions, then fewer choices."""
        return self.program.size, self.preemptions, len(self.prefix)


def shrink_witness(witness: Witness, runner: RunsPrograms) -> Witness:
    """Take away calls as long as the law stays broken, then preemptions."""
    most = _RUNS // (1 + witness.program.size // _LONG)
    budget = runner.runs + most
    shrunk = True
    while shrunk and runner.runs < budget:
        shrunk = False
        for program in _smaller(witness.program):
            found = _break(program, witness.law, witness.preemptions, runner, budget)
            if found is not None:
                witness, shrunk = found, True
                break
    fewest = _break(witness.program, witness.law, witness.preemptions, runner, runner.runs + most)
    return fewest or witness


def _break(
    program: ConcurrentProgram, law: str, preemptions: int, runner: RunsPrograms, budget: int
) -> Witness | None:
    """Return the schedule of fewest preemptions under which a program breaks a law."""
    frontier = Frontier(program)
    for bound, early in product(range(preemptions + 1), (False, True)):
        for prefix, execution in frontier.run(runner, bound, early=early):
            for found in execution.findings:
                if found.law == law:
                    return Witness(law, program, prefix, bound, found.message)
            if runner.runs >= budget:
                return None
    return None


def _smaller(program: ConcurrentProgram) -> Iterator[ConcurrentProgram]:
    """Yield the programs that have one call less."""
    for at in range(len(program.setup)):
        yield replace(program, setup=program.setup[:at] + program.setup[at + 1 :])
    for at, steps in enumerate(program.clients):
        for step in range(len(steps)):
            fewer = steps[:step] + steps[step + 1 :]
            rest = (fewer,) if fewer else ()
            clients = program.clients[:at] + rest + program.clients[at + 1 :]
            if clients:
                yield replace(program, clients=clients)


def present(witness: Witness, runner: RunsPrograms) -> Finding:
    """Run it once more, and write down the program, the schedule and why the law is broken."""
    for _ in range(_TRIES):
        trace = Trace()
        execution, _ = runner.run(witness.program, witness.prefix, trace)
        found = next((one for one in execution.findings if one.law == witness.law), None)
        if found is not None:
            break
    else:
        text = f"{witness.told} (seen once: the same schedule did not show it again)"
        return Finding(witness.law, text, witness.program.lines(), token=_token(witness, runner))
    many = "" if witness.preemptions == 1 else "s"
    told = [
        f"One schedule that breaks the law, with {witness.preemptions} preemption{many}:",
        *trace.lines,
        "The calls that matter, and when each lasted:",
        *found.history,
    ]
    history = (*witness.program.lines(), *(f"# {line}" for line in told))
    return Finding(witness.law, found.message, history, found.timeline, _token(witness, runner))


def rerun(runner: RunsPrograms, held: dict[str, Any]) -> Finding | None:
    """Run what a token holds once more: the finding, if its law is broken again."""
    program = ConcurrentProgram(held["setup"], held["clients"])
    witness = Witness(held["law"], program, held["prefix"], held["preemptions"])
    for _ in range(_TRIES):
        execution, _ = runner.run(program, witness.prefix)
        if witness.law in execution.laws:
            return present(witness, runner)
    return None


def _token(witness: Witness, runner: RunsPrograms) -> str:
    held = {
        **runner.held,
        "check": "interleavings",
        "law": witness.law,
        "setup": witness.program.setup,
        "clients": witness.program.clients,
        "prefix": witness.prefix,
        "preemptions": witness.preemptions,
    }
    return pack(held)
