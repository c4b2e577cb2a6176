"""The matrix: what six type checkers, and the look at run time, say of the corpus of adapters.

    python -m tests.typing.matrix wheel=ENV/bin/python stubs=ENV/bin/python

Each setting is an interpreter in whose environment the checkers find the package's types, or the
stubs alone. It prints the matrix and every deviation from what the corpus expects; the exit status
is 1 if there is any. `nox -s types` makes the environments and runs it.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from collection_jobs.conformance.static import check_class
from collection_jobs.conformance.static.check import methods_named
from collection_jobs.conformance.static.checkers import CHECKERS, Job
from collection_jobs.conformance.static.diagnostics import Diagnostic
from collection_jobs.conformance.static.probe import Probe, make_probe
from tests.typing.cases import Case, write_corpus

HERE = Path(__file__).parent
PROBE = "probe.py"
RIGHT_FILES = ("api.py", "without_runtime.py")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one checker says in one setting.

    Attributes:
        named: For each case that it rejects, by name, the methods that it names.
        lines: Every line with an error, as (file, line).
        seconds: How long it took.
    """

    named: Mapping[str, frozenset[str]]
    lines: frozenset[tuple[str, int]]
    seconds: float


def judge(name: str, python: str, directory: Path, probe: Probe) -> Verdicts:
    """Run one checker over the corpus, the probe of it and the files that must be right."""
    began = time.perf_counter()
    job = Job(directory, tuple(sorted(path.name for path in directory.glob("*.py"))), python=python)
    verdicts = read_verdicts(CHECKERS[name].run(job), probe)
    return replace(verdicts, seconds=time.perf_counter() - began)


def read_verdicts(found: list[Diagnostic], probe: Probe) -> Verdicts:
    """Sort what a checker said by the adapters that it speaks of."""
    named: dict[str, set[str]] = {}
    for diagnostic in found:
        if Path(diagnostic.file).name == PROBE and probe.at(diagnostic.line).sees is None:
            target = probe.at(diagnostic.line).target
            named.setdefault(target or PROBE, set()).update(_methods(probe, diagnostic))
    return Verdicts(
        {target: frozenset(methods) for target, methods in named.items()},
        frozenset((Path(item.file).name, item.line) for item in found),
        0.0,
    )


def _methods(probe: Probe, diagnostic: Diagnostic) -> list[str]:
    method = probe.at(diagnostic.line).method
    return methods_named(diagnostic.message) if method is None else [method]


def is_rejected(case: Case, checker: str, verdicts: Verdicts) -> bool:
    """Whether a checker rejects a case: through the probe, or where the corpus says otherwise."""
    written = (f"{case.module}.py", case.line) in verdicts.lines
    return str(case) in verdicts.named or (checker in case.own_file and written)


def deviation(case: Case, checker: str, verdicts: Verdicts) -> str | None:
    """How a checker's verdict on a case differs from the expected one; None when it does not."""
    rejected = is_rejected(case, checker, verdicts)
    named = verdicts.named.get(str(case), frozenset())
    if case.group == "right":
        return f"rejected, for {sorted(named)}" if rejected else None
    if case.group == "invisible":
        return None if rejected == (checker in case.seen_by) else f"seen: {rejected}"
    if not rejected:
        return "accepted"
    if named == {case.method} or (checker in case.own_file and not named):
        return None
    return f"rejected for {sorted(named)}, not {case.method}"


def run_time_deviation(case: Case) -> str | None:
    """How the run-time half of check differs from what is expected of it and of its lines."""
    report = check_class(str(case), checkers=())
    if case.group == "right":
        return str(report) if report.verdict == "findings" else None
    faulty = {method.name for method in report.methods if method.faults}
    if case.group == "invisible" and bool(faulty) == bool(case.unseen):
        return f"found at run time: {sorted(faulty)}"
    if faulty - {case.method}:
        return f"found at run time: {sorted(faulty)}, not {case.method}"
    where = {method.name: method.location for method in report.methods}[case.method]
    line = 0 if where is None else where.line
    return None if line == case.line else f"{case.method} is located at {line}, not {case.line}"


def compare(settings: Mapping[str, Verdicts]) -> Iterator[str]:
    """The lines on which one checker reports an error in one setting and not in another."""
    (first, expected), *others = settings.items()
    for name, verdicts in others:
        for file, line in sorted(expected.lines ^ verdicts.lines):
            where = first if (file, line) in expected.lines else name
            yield f"{file}:{line} is an error from the {where} only"


def main(arguments: list[str] | None = None) -> int:
    """Print the matrix and the deviations."""
    parser = argparse.ArgumentParser(description="Run the type checkers over the corpus.")
    parser.add_argument("settings", nargs="+", metavar="NAME=PYTHON")
    given: list[str] = parser.parse_args(arguments).settings
    named = (item.partition("=") for item in given)
    pythons = {name: str(Path(python).absolute()) for name, _, python in named}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name).resolve()
        cases = write_corpus(directory)
        probe = make_probe((case.module, case.qualname) for case in cases)
        (directory / PROBE).write_text(probe.text, encoding="utf-8")
        for file in RIGHT_FILES:
            shutil.copy(HERE / file, directory)
        results = {
            checker: {
                setting: judge(checker, python, directory, probe)
                for setting, python in pythons.items()
            }
            for checker in CHECKERS
        }
        sys.path.insert(0, str(directory))
        importlib.invalidate_caches()
        run_time = {str(case): run_time_deviation(case) for case in cases}
    problems = list(_problems(cases, results, run_time))
    _print(cases, results, problems)
    return 1 if problems else 0


def _problems(
    cases: list[Case],
    results: Mapping[str, Mapping[str, Verdicts]],
    run_time: Mapping[str, str | None],
) -> Iterator[str]:
    for checker, settings in results.items():
        for setting, verdicts in settings.items():
            yield from (
                f"{checker}, {setting}: {case}: {how}"
                for case in cases
                if (how := deviation(case, checker, verdicts)) is not None
            )
            yield from (
                f"{checker}, {setting}: {file}:{line} must be right"
                for file, line in sorted(verdicts.lines)
                if file in RIGHT_FILES
            )
            if PROBE in verdicts.named:
                yield f"{checker}, {setting}: the probe itself has errors"
        yield from (f"{checker}: {how}" for how in compare(settings))
    yield from (f"at run time: {case}: {how}" for case, how in run_time.items() if how)


def _print(
    cases: list[Case], results: Mapping[str, Mapping[str, Verdicts]], problems: list[str]
) -> None:
    invisible = [case for case in cases if case.group == "invisible"]
    caught = sum(not case.unseen for case in invisible)
    say = sys.stdout.write
    say(f"{'':14}{'setting':10}{'wrong: rejected':>18}{'right: accepted':>18}")
    say(f"{'invisible: seen':>18}{'errors':>9}{'seconds':>10}\n")
    for checker, settings in results.items():
        for setting, verdicts in settings.items():
            groups = ("wrong", "right", "invisible")
            counts = [f"{_count(cases, group, checker, verdicts):>18}" for group in groups]
            say(f"{checker:14}{setting:10}{''.join(counts)}")
            say(f"{len(verdicts.lines):>9}{verdicts.seconds:>10.2f}\n")
    share = 100 * caught / len(invisible)
    say(f"{'at run time':24}{'':36}{f'{caught} of {len(invisible)}':>18}  ({share:.0f} %)\n")
    say("".join(f"{problem}\n" for problem in problems) or "as the corpus expects\n")


def _count(cases: list[Case], group: str, checker: str, verdicts: Verdicts) -> str:
    chosen = [case for case in cases if case.group == group]
    rejected = sum(is_rejected(case, checker, verdicts) for case in chosen)
    return f"{len(chosen) - rejected if group == 'right' else rejected} of {len(chosen)}"


if __name__ == "__main__":
    sys.exit(main())
