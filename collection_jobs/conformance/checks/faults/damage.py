"""ERROR-1, the part that shows when the engine fails: stores whose files are damaged."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from collection_jobs.conformance.checks.faults.wrong_errors import wrong_answer, wrong_failure
from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import NO_SPEC, Examination, Plan
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import Close, Open, Work
from collection_jobs.conformance.running.processes import Worker, WorkerDied, WorkerFailed
from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.operations import operations

__all__ = ["DAMAGES", "calls_on_damage", "examine_damage"]

_LAW = "ERROR-1"

_JOBS: Program = tuple(Step("save", (example_job(f"job {number}"),)) for number in range(20))


def calls_on_damage(capabilities: frozenset[str]) -> Program:
    """Return a call of each method on a job of its own, and one that saves a job which is new."""
    of_each = (one.step(f"job {number}") for number, one in enumerate(operations(capabilities)))
    return (*of_each, Step("save", (example_job("new"),)))


@dataclass(frozen=True, slots=True)
class Damage:
    """One way to damage a store.

    Attributes:
        told: What is done, as Python.
        do: Does it to a directory.
        while_open: Whether the store is open then.
    """

    told: str
    do: Callable[[Path, Random], None]
    while_open: bool = False


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.rglob("*")) if path.is_file())


def _all_garbage(directory: Path, random: Random) -> None:
    for path in _files(directory):
        path.write_bytes(random.randbytes(path.stat().st_size))


def _half_garbage(directory: Path, random: Random) -> None:
    for path in _files(directory):
        content = path.read_bytes()
        half = len(content) // 2
        path.write_bytes(content[:half] + random.randbytes(len(content) - half))


def _cut(directory: Path, random: Random) -> None:
    for path in _files(directory):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _removed(directory: Path, random: Random) -> None:
    shutil.rmtree(directory)


def _a_file(directory: Path, random: Random) -> None:
    shutil.rmtree(directory)
    directory.write_bytes(b"")


DAMAGES: tuple[Damage, ...] = (
    Damage("every file of the store is filled with random bytes", _all_garbage),
    Damage("the second half of every file is filled with random bytes", _half_garbage),
    Damage("every file of the store is cut to two thirds", _cut),
    Damage("the store's directory is removed while it is open", _removed, while_open=True),
    Damage("a file stands where the store's directory was", _a_file),
)
"""Files are never changed while they are open: an engine may have mapped them into memory."""


def examine_damage(plan: Plan) -> Examination:
    """Damage stores in every way, and call every method.

    What a damaged store answers is not judged, for it may have lost anything. But an error must be
    one of the contract's, and there must be an answer. It all happens in a worker process, for an
    engine may take its process with it.
    """
    if plan.target.spec is None:
        return Examination([], f"no damaged store, because {NO_SPEC}")
    random = Random(f"{plan.seed} damage")  # noqa: S311 - not for secrets
    calls = calls_on_damage(plan.capabilities)
    findings: list[Finding] = []
    damaged = 0
    due = [damage for damage in DAMAGES if _can_be_done(damage)]
    with Worker.start(plan.target) as worker:
        for number, damage in enumerate(due):
            plan.progress(number, len(due))
            try:
                violation = _violation(worker, plan.new_directory(), damage, calls, random)
            except _NothingThereError:
                break
            damaged += 1
            if violation is not None:
                findings.append(_finding(damage, violation))
                break
    covered = (
        f"{damaged} damaged stores" if damaged else "no damaged store, because it keeps no files"
    )
    if damaged and len(due) < len(DAMAGES):
        left_out = ", ".join(damage.told for damage in DAMAGES if damage not in due)
        covered += f"; not tried on {sys.platform}: {left_out}"
    return Examination(findings, covered)


def _can_be_done(damage: Damage) -> bool:
    # Windows lets nobody remove a file that is open.
    return not damage.while_open or sys.platform != "win32"


class _NothingThereError(Exception):
    """The store keeps no files in its directory."""


def _violation(
    worker: Worker, directory: Path, damage: Damage, calls: Program, random: Random
) -> Violation | None:
    opening = Open(directory, 1, deadline())
    try:
        worker.ask(opening)
        worker.ask(Work((Client("kit", _JOBS),)))
        if not damage.while_open:
            worker.ask(Close())
        if not any(_files(directory)):
            raise _NothingThereError
    except (WorkerFailed, WorkerDied):
        # What is wrong with an undamaged store is not this law's business.
        raise _NothingThereError from None
    damage.do(directory, random)
    what = "opening the store"
    try:
        if not damage.while_open:
            worker.ask(opening)
        what = "a call"
        for event in worker.ask(Work((Client("kit", calls),))).events:
            wrong = wrong_answer(event)
            if wrong is not None:
                return Violation(_LAW, wrong)
        what = "closing the store"
        worker.ask(Close())
    except WorkerFailed as error:
        wrong = wrong_failure(what, error)
        return None if wrong is None else Violation(_LAW, wrong)
    except WorkerDied as error:
        return Violation(_LAW, f"{what} ended the process: {error}")
    return None


def _finding(damage: Damage, violation: Violation) -> Finding:
    text = "an engine's failure must arrive as RepositoryError, its error as the cause"
    history = [
        "async with opening as repository:",
        '    await repository.save(example_job("job 1"))',
        f"{'    ' * damage.while_open}# Then {damage.told}.",
        f"# {violation.message}",
    ]
    return Finding(_LAW, f"when {damage.told}, {violation.message}; {text}", tuple(history))
