"""How surely, how soon and with how short a history the kit convicts each planted bug.

    python benchmarks/power.py [--seeds 20] [--only NAME ...] [--write]

Each bug is looked for by the check that is meant for it, in the standard profile, once for each
seed; the interleavings are exhaustive and know no chance, so they are run once. Seconds are on the
clock, until the finding is shrunk. Run it from the root of the project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent.parent))

from collection_jobs.conformance import Finding, Target, verify
from collection_jobs.conformance.checks import CHECKS
from collection_jobs.conformance.plan import PROFILES, Profile
from collection_jobs.protocol import CollectionJobRepository
from tests.mutants import race_table, races, sequential, torn

PAGE = Path(__file__).parent.parent / "docs" / "power.md"
_STANDARD = PROFILES["standard"]
_CALLER = ("wrong inputs", "a closed repository", "one caller")
_RACES = (races, torn)  # each enters its mutants into race_table


@dataclass(frozen=True)
class Case:
    """One planted bug, the laws that convict it, and the checks that look for it."""

    name: str
    target: Target
    laws: frozenset[str]
    checks: tuple[str, ...]
    by_chance: bool = True


@dataclass(frozen=True)
class Trial:
    """What came of one search."""

    seconds: float
    findings: tuple[Finding, ...]


def cases() -> Iterator[Case]:
    """Every planted bug."""
    for mutant, laws in sequential.BUGS.items():
        yield Case(mutant.__name__, _target(mutant), laws, _CALLER)
    for race, known in race_table.RACES.items():
        yield Case(race.__name__, _target(race), known.laws, ("interleavings",), by_chance=False)


def _target(make: Callable[[], object]) -> Target:
    store = cast("Callable[[], AbstractAsyncContextManager[CollectionJobRepository]]", make)
    return Target("planted", lambda directory: store())


def look_for(case: Case, seed: int) -> Trial:
    """Look for one bug as the standard profile does, and stop when it is found.

    One caller's search goes through the corners first: when they are enough, it stops there.
    """
    began = perf_counter()
    profiles: list[Profile] = [_STANDARD]
    if "one caller" in case.checks:
        profiles.insert(0, replace(_STANDARD, walks=0))
    checks = [check for check in CHECKS if check.name in case.checks]
    findings: tuple[Finding, ...] = ()
    for profile in profiles:
        findings = verify(case.target, profile=profile, seed=seed, checks=checks).findings
        if case.laws <= {finding.law for finding in findings}:
            break
    return Trial(perf_counter() - began, findings)


def row(case: Case, trials: list[Trial]) -> str:
    """A row of the table."""
    found = [trial for trial in trials if case.laws <= {it.law for it in trial.findings}]
    histories = [_calls(finding) for trial in found for finding in trial.findings]
    laws = ", ".join(sorted(case.laws))
    if not found:
        return f"| {case.name} | {laws} | 0 of {len(trials)} | | |"
    seconds = median(trial.seconds for trial in found)
    calls = median(histories)
    return f"| {case.name} | {laws} | {len(found)} of {len(trials)} | {seconds:.1f} | {calls:g} |"


def _calls(finding: Finding) -> int:
    """How many calls a history makes."""
    return sum("repository." in line and not line.startswith("#") for line in finding.history)


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", action="store_true", help="write docs/power.md")
    asked: Any = parser.parse_args()
    lines = ["| planted bug | laws | found | seconds | calls |", "|---|---|---|---|---|"]
    print("\n".join(lines))
    for case in cases():
        if asked.only and case.name not in asked.only:
            continue
        seeds = range(asked.seeds if case.by_chance else 1)
        lines.append(row(case, [look_for(case, seed) for seed in seeds]))
        print(lines[-1], flush=True)
    if asked.write:
        PAGE.write_text("\n".join([_HEAD.format(seeds=asked.seeds), *lines, ""]))


_HEAD = """# How sharp the kit is

Each planted bug, the laws that must convict it, in how many searches of the standard profile all
of them did ({seeds} seeds; the exhaustive interleavings know no chance and are run once), the
median of the seconds on the clock until its findings were shrunk, and the median number of calls
in a history. `nox -s power` makes this page.
"""

if __name__ == "__main__":
    main()
