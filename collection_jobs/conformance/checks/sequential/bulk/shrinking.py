"""Shrinking a long run: from thousands of calls to a few lines that show the same.

The steps and the jobs of a batch are left out in halves; then all jobs are made plainer at once.
What many calls have in common is printed as a loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any, cast

from collection_jobs.conformance.checks.sequential.bulk.lines import lines_of
from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.checks.sequential.bulk.stages import (
    HANDLE,
    HERE,
    REOPEN,
    KeepsNothing,
    Processes,
    Stages,
)
from collection_jobs.conformance.checks.sequential.shrinking import shrink_program
from collection_jobs.conformance.report.coverage import Coverage
from collection_jobs.conformance.report.tokens import pack
from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.spec.calls import Program, Step, example_job
from collection_jobs.conformance.spec.domains import CHOSEN
from collection_jobs.conformance.spec.findings import Finding, Violation
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.conformance.spec.signatures import NAMES_SEVERAL_JOBS, SIGNATURES, jobs_named
from collection_jobs.fields import FieldKind
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["NAME", "run_again", "shortest", "with_first_symbols"]

NAME = "large stores"
"""The check's name, which tokens carry."""

_MOST_CALLS = 20_000
"""So many calls are made to find a shorter program, and not many more."""
_MOST_REPLAYS = 200
_TRIES = 4
"""How often a program is run again that does not show its violation at once."""
_OF_BATCHES, _OF_ONE = "MANY-1", "SAVE-1"
_WHOLE: Mapping[str, Any] = MappingProxyType({"limit": 10**6, "offset": 0, "after": None})
"""The arguments of a listing that shows all at once: what is wrong with that is not its pages."""
_OF_KEEPING = "DURABLE-1"
_FEW = 20
"""So few steps are made plainer one by one."""
_SHOWN = 8
_FEW_ITEMS = 60
"""Of so few jobs and symbols."""

_WRITES = frozenset(name for name, one in OPERATIONS.items() if one.writes)
_PLACES = 4
"""Before so many changes of a job, the last ones, changes of another are tried."""
_FILLING = Step("save", (example_job("filling"),))


class _Replays:
    """Runs candidates on new stores, and keeps the account of what that costs."""

    def __init__(self, plan: Plan, processes: Processes, law: str, muted: frozenset[str]) -> None:
        self.calls = 0
        self.made = 0
        self.best: Violation | None = None
        self._run_again = partial(run_again, plan, processes, muted=muted, law=law)

    @property
    def spent(self) -> bool:
        return self.calls > _MOST_CALLS or self.made > _MOST_REPLAYS

    def still_breaks(self, program: Program) -> bool:
        """Run a program; whether it breaks the law."""
        self.made += 1
        violation, calls = self._run_again(program)
        # A process that has to be started costs as much as hundreds of calls.
        self.calls += calls + 500 * sum(
            step.method == REOPEN and step.arguments[1] == "killed" for step in program
        )
        if violation is not None:
            self.best = violation
        return violation is not None


def run_again(
    plan: Plan, processes: Processes, program: Program, *, muted: frozenset[str], law: str | None
) -> tuple[Violation | None, int]:
    """Run a program on a new store: the first violation of a law, and how many calls it took.

    Args:
        plan: The target, and new directories for its stores.
        processes: Where stores are opened beside this process.
        program: The steps to make.
        muted: The laws whose violations are passed over.
        law: The law; None: any law.
    """
    found = list[Violation]()

    class Seen(Exception):  # noqa: N818 - it ends the run, and is nobody's error
        pass

    def note(violation: Violation, _: Program) -> None:
        if violation.law not in muted and law in (None, violation.law):
            found.append(violation)
            raise Seen

    oracle = BulkOracle(Coverage(), durable="durable" in plan.capabilities)
    handles = 2 if "shared" in plan.capabilities else 1
    stages = Stages(plan, oracle, processes, note, handles=handles)
    with suppress(Seen, KeepsNothing):
        stages.run(program)
    return (found[0] if found else None), stages.calls


def shortest(
    plan: Plan,
    processes: Processes,
    violation: Violation,
    program: Program,
    muted: frozenset[str],
) -> Finding:
    """Return the finding of a violation, with a shortest program that shows it."""
    law = violation.law
    if not plan.profile.shrinks:
        return _as_seen(plan, law, violation.message, program, muted)
    replays = _Replays(plan, processes, law, muted)
    if not any(replays.still_breaks(program) for _ in range(_TRIES)):
        text = (
            f"{violation.message} (seen once; the same {len(program):,} steps were made"
            f" {_TRIES} times more and did not show it again)"
        )
        return _as_seen(plan, law, text, program, muted)
    program = _shrunk(program, replays)
    if law == _OF_BATCHES:
        alone = tuple(one for step in program for one in _one_by_one(step))
        of_one, _ = run_again(plan, processes, alone, muted=frozenset(), law=_OF_ONE)
        if of_one is not None:  # a batch has no part in it
            held = {"check": NAME, "law": _OF_ONE, "steps": alone, "muted": ()}
            return Finding(_OF_ONE, of_one.message, lines_of(alone), token=pack(held))
    for simpler in _without_cause(program, law):
        other, _ = run_again(plan, processes, simpler, muted=frozenset(), law=None)
        if other is not None and other.law != law:
            held = {"check": NAME, "law": other.law, "steps": simpler, "muted": ()}
            return Finding(other.law, other.message, lines_of(simpler), token=pack(held))
    best = replays.best
    assert best is not None  # noqa: S101 - it was seen above; this tells the type checker
    held = {"check": NAME, "law": law, "steps": program, "muted": sorted(muted)}
    return Finding(law, best.message, lines_of(program), token=pack(held))


def _as_seen(plan: Plan, law: str, text: str, program: Program, muted: frozenset[str]) -> Finding:
    """Tell a violation by its last calls; the whole check finds it again."""
    held = {"check": NAME, "law": law, "profile": plan.profile.name, "seed": plan.seed}
    token = pack({**held, "muted": sorted(muted)})
    return Finding(law, text, lines_of(program[-_SHOWN:]), token=token)


def _without_cause(program: Program, law: str) -> Iterator[Program]:
    """Yield the program without what the law is about: if it breaks one then, it is that one."""
    if law == _OF_KEEPING:
        yield tuple(step for step in program if step.method != REOPEN)
    operation = OPERATIONS.get(program[-1].method)
    if operation is not None and operation.listing is not None:
        whole = tuple(
            _WHOLE.get(parameter.name, value)
            for parameter, value in zip(
                SIGNATURES[program[-1].method], program[-1].arguments, strict=False
            )
        )
        if whole != program[-1].arguments:
            yield (*program[:-1], replace(program[-1], arguments=whole))


def _one_by_one(step: Step) -> Iterator[Step]:
    """Yield what saves the jobs of a batch one after another; another step as it is."""
    at = NAMES_SEVERAL_JOBS.get(step.method)
    if at is None:
        yield step
        return
    yield from (Step("save", (job,)) for job in step.arguments[at])


def _shrunk(program: Program, replays: _Replays) -> Program:
    for candidate in _drastic(program):
        if candidate != program and _is_possible(candidate) and replays.still_breaks(candidate):
            program = candidate
            break
    improved = True
    while improved and not replays.spent:
        before = program
        program = _fewer_repeats(program, replays)
        program = _fewer_steps(program, replays)
        program = _smaller_batches(program, replays)
        program = _plainer(program, replays)
        program = _fewer_symbols(program, replays)
        improved = program != before
    if len(program) <= _FEW and _size(program) < _FEW_ITEMS:
        program = shrink_program(program, lambda it: not replays.spent and replays.still_breaks(it))
    return program


def _size(program: Program) -> int:
    return sum(1 + len(job.symbols) for step in program for job in _jobs_of(step))


def _is_possible(program: Program) -> bool:
    """Whether each process that is killed is one of the kit's own."""
    place = HERE
    for step in program:
        if step.method == REOPEN:
            if step.arguments[1] == "killed" and place == HERE:
                return False
            place = step.arguments[0]
    return True


def _drastic(program: Program) -> Iterator[Program]:
    """Yield programs that leave out most at once: all that is about other jobs."""
    last = program[-1]
    named = set(_ids_of(last))
    stages = [step for step in program if step.method == REOPEN]
    if named:
        about = tuple(step for step in program if _is_about(step, named))
        yield tuple(step for step in about if step.method != REOPEN)
        yield about
        small = tuple(_only(step, named) for step in about)
        yield small
        # It may take as many changes, of whichever job.
        writes = sum(
            step.method in OPERATIONS and OPERATIONS[step.method].writes for step in program
        )
        of_the_job = [at for at, step in enumerate(small) if step.method in _WRITES]
        for at in dict.fromkeys((1, 2, *of_the_job[:-_PLACES:-1])):
            yield (*small[:at], *(_FILLING,) * writes, *small[at:])
    changes = tuple(
        step for step in program[:-1] if step.method.startswith("save") or step.method == REOPEN
    )
    if stages:
        yield (*(step for step in changes if step.method != REOPEN), last)
    yield (*changes, last)


def _is_about(step: Step, ids: set[str]) -> bool:
    return step.method in (REOPEN, HANDLE) or not ids.isdisjoint(_ids_of(step))


def _ids_of(step: Step) -> Iterator[str]:
    for one in jobs_named(step.method, step.arguments) if step.method in SIGNATURES else ():
        if isinstance(one, str | CollectionJob):
            yield one if isinstance(one, str) else one.id


def _jobs_of(step: Step) -> Iterator[CollectionJob]:
    named = jobs_named(step.method, step.arguments) if step.method in SIGNATURES else ()
    return (one for one in named if isinstance(one, CollectionJob))


def _only(step: Step, ids: set[str]) -> Step:
    at = NAMES_SEVERAL_JOBS.get(step.method)
    if at is None:
        return step
    jobs = tuple(one for one in step.arguments[at] if getattr(one, "id", None) in ids)
    return _with_argument(step, at, jobs)


def _with_argument(step: Step, at: int, value: Any) -> Step:
    return replace(step, arguments=(*step.arguments[:at], value, *step.arguments[at + 1 :]))


def _without_parts(
    items: Sequence[Any], still_breaks: Callable[[Sequence[Any]], bool], replays: _Replays
) -> Sequence[Any]:
    """Leave out parts of a sequence, large ones first, as long as it still breaks the law."""
    size = len(items) // 2
    while size and not replays.spent:
        at = len(items) - size
        removed = False
        while at >= 0 and not replays.spent:
            candidate = (*items[:at], *items[at + size :])
            if candidate and still_breaks(candidate):
                items, removed = candidate, True
            at -= size
        # Where hardly anything can be spared, smaller parts cannot either: they are the point.
        if not removed and size * 8 < len(items) and len(items) > _FEW:
            break
        size //= 2
    return items


def _least(most: int, still_breaks: Callable[[int], bool]) -> int:
    """Return the least number for which it still breaks, if it does for every greater one."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if still_breaks(middle) else (middle + 1, high)
    return high


def _fewer_steps(program: Program, replays: _Replays) -> Program:
    last = program[-1]

    def still_breaks(steps: Sequence[Any]) -> bool:
        candidate = (*steps, last)
        return _is_possible(candidate) and replays.still_breaks(candidate)

    return (*_without_parts(program[:-1], still_breaks, replays), last)


def _fewer_repeats(program: Program, replays: _Replays) -> Program:
    """Repeat a step no more often than it takes."""
    runs = [(len(list(run)), step) for step, run in groupby(program)]
    most, step = max(runs, key=lambda run: run[0])
    at = next(at for at in range(len(program)) if program[at : at + most] == (step,) * most)
    if most < _SHOWN or replays.spent:
        return program

    def repeated(count: int) -> Program:
        return (*program[:at], *(step,) * count, *program[at + most :])

    return repeated(_least(most, lambda count: replays.still_breaks(repeated(count))))


def _smaller_batches(program: Program, replays: _Replays) -> Program:
    for number, step in enumerate(program):
        at = NAMES_SEVERAL_JOBS.get(step.method)
        if at is not None:
            program = _smaller_batch(program, number, at, replays)
    return program


def _smaller_batch(program: Program, number: int, at: int, replays: _Replays) -> Program:
    """Leave out jobs of one batch."""

    def with_jobs(jobs: Sequence[Any]) -> Program:
        smaller = _with_argument(program[number], at, tuple(jobs))
        return (*program[:number], smaller, *program[number + 1 :])

    def still_breaks(jobs: Sequence[Any]) -> bool:
        return replays.still_breaks(with_jobs(jobs))

    jobs: Sequence[Any] = tuple(program[number].arguments[at])
    first = _least(len(jobs), lambda count: still_breaks(jobs[:count]))
    return with_jobs(_without_parts(jobs[:first], still_breaks, replays))


def _fewer_symbols(program: Program, replays: _Replays) -> Program:
    """Leave every job as few symbols as still show it."""
    jobs = [one for step in program for one in _jobs_of(step)]
    most = max((len(job.symbols) for job in jobs), default=0)
    if most <= _SHOWN or replays.spent:
        return program

    def with_symbols(count: int) -> Program:
        return tuple(_changed(step, lambda job: with_first_symbols(job, count)) for step in program)

    return with_symbols(_least(most, lambda count: replays.still_breaks(with_symbols(count))))


def _plainer(program: Program, replays: _Replays) -> Program:
    """Make all jobs plainer at once, field by field, and name them alike."""
    for change in _changes(program):
        candidate = tuple(_changed(step, change) for step in program)
        if candidate != program and not replays.spent and replays.still_breaks(candidate):
            program = candidate
    return program


JobChange = Callable[[CollectionJob | str], CollectionJob | str]


def _changes(program: Program) -> Iterator[JobChange]:
    ids = dict.fromkeys(job_id for step in program for job_id in _ids_of(step))
    plain = {old: f"job {number}" for number, old in enumerate(ids)}
    yield _all_plain
    for field in reversed(CHOSEN):
        if field.name != "id":
            yield partial(_with_plain, name=field.name)
    yield lambda job: _named(job, plain)
    yield _with_plain_symbols
    statuses = Counter(job.status for step in program for job in _jobs_of(step))
    for status, _ in statuses.most_common(2):
        yield partial(_with_status, status=status, but=frozenset())
        yield partial(_with_status, status=status, but=frozenset(_ids_of(program[-1])))


def _with_status(
    job: CollectionJob | str, status: JobStatus, but: frozenset[str]
) -> CollectionJob | str:
    return job if isinstance(job, str) or job.id in but else replace(job, status=status)


def _all_plain(job: CollectionJob | str) -> CollectionJob | str:
    return job if isinstance(job, str) else example_job(job.id, status=job.status)


def _with_plain(job: CollectionJob | str, name: str) -> CollectionJob | str:
    if isinstance(job, str):
        return job
    try:
        return replace(job, **{name: getattr(example_job(job.id), name)})
    except (TypeError, ValueError):
        return job


def _named(job: CollectionJob | str, names: dict[str, str]) -> CollectionJob | str:
    if isinstance(job, str):
        return names.get(job, job)
    return replace(job, id=names.get(job.id, job.id))


def with_first_symbols(job: CollectionJob | str, most: int) -> CollectionJob | str:
    """Leave a job the first of its symbols, and what is known of them; an id stays as it is."""
    if isinstance(job, str) or len(job.symbols) <= most:
        return job
    kept = set(job.symbols[:most])
    changes: dict[str, Any] = {"symbols": job.symbols[:most]}
    for field in CHOSEN:
        value = getattr(job, field.name)
        if hasattr(value, "items") and set(value) <= set(job.symbols):
            mapping = cast("dict[str, Any]", value)
            changes[field.name] = {key: item for key, item in mapping.items() if key in kept}
        elif field.kind is FieldKind.NAME_SET:
            changes[field.name] = value & kept
    return replace(job, **changes)


def _with_plain_symbols(job: CollectionJob | str) -> CollectionJob | str:
    """Let every symbol of a job have failed, or be completed, alike."""
    if isinstance(job, str) or len(job.symbols) <= _SHOWN:
        return job
    outcomes = dict.fromkeys(job.symbols, "boom")
    return replace(job, completed_symbols={}, failed_symbols=outcomes)


def _changed(step: Step, change: JobChange) -> Step:
    """Return a step in which every job, and every id of one, is changed."""
    if step.method not in SIGNATURES:
        return step
    arguments = tuple(
        _changed_argument(parameter.name, value, change)
        for parameter, value in zip(SIGNATURES[step.method], step.arguments, strict=False)
    )
    return replace(step, arguments=arguments)


def _changed_argument(parameter: str, value: Any, change: JobChange) -> Any:
    match value:
        case CollectionJob():
            return change(value)
        case str() if parameter == "job_id":
            return change(value)
        case tuple() if parameter == "jobs":
            jobs = cast("tuple[object, ...]", value)
            return type(jobs)(_changed_argument(parameter, one, change) for one in jobs)
        case tuple() if parameter == "after":
            return (value[0], change(cast("str", value[1])))
        case _:
            return value
