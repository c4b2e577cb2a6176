"""Shrinking: from a program that breaks a law to a shortest and plainest one that still does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import combinations
from typing import Any, cast

from collection_jobs.conformance.spec.calls import (
    SPOIL,
    WAIT,
    Change,
    Held,
    Program,
    Step,
    example_job,
    id_of,
)
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.conformance.spec.signatures import SIGNATURES, jobs_named
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery

__all__ = ["shrink_program"]

_MOST_REPLAYS, _FEW_REPLAYS = 600, 120
"""How often a program is made again at most; the few for one in which time has to pass."""
_MOST_STEPS = 20_000
"""How many steps that may be in all: a call of a slow engine takes milliseconds."""
_PLAIN_IDS = ("a", "b", "c", "d", "e")
_PLAIN_TEXTS = ("", "boom")
_PLAIN_COUNTS = (0, 1, 2, 3)
_FEW = 8
_SHORT = 14
"""Of a program of so few steps any two are left out together: a claim with the job that it took."""
_FREE = {
    method: tuple(at for at, one in enumerate(parameters) if kind_of(one.name).is_incidental)
    for method, parameters in SIGNATURES.items()
} | {SPOIL: (0,)}
"""Which arguments of a method may be made plainer without changing what the call is about."""
_NEEDED = {
    method: sum(one.is_required for one in parameters) for method, parameters in SIGNATURES.items()
}
"""How many arguments a method must be given."""


def shrink_program(program: Program, still_breaks: Callable[[Program], bool]) -> Program:
    """Make a program shorter and plainer as long as it still breaks the law.

    A step is left out, an argument made plainer, an id renamed; what is kept is what still breaks
    the law when it is made again on a new store. Every kept program is shorter than the one
    before, so this ends; it gives up early after a number of replays, for the sake of slow
    engines.
    """
    replays = _Replays(program, still_breaks)
    program = _without_parts(program, replays)
    improved = True
    while improved:
        improved = False
        for candidate in () if replays.are_too_few_for(program) else _candidates(program):
            if replays.is_smaller(candidate, program) and replays.still_breaks(candidate):
                program, improved = candidate, True
                break
            if replays.are_too_few_for(candidate):
                break
    return _without_unused_names(program)


def _without_parts(program: Program, replays: _Replays) -> Program:
    """Leave out large parts, then smaller ones: a fixed program is mostly beside the point."""
    size = len(program) // 2
    while size:
        for at in range(len(program) - size, -1, -size):
            candidate = program[:at] + program[at + size :]
            if replays.still_breaks(candidate):
                program = candidate
        size //= 2
    return program


class _Replays:
    """Makes candidates again, each once, and not more of them than there is time for."""

    def __init__(self, program: Program, still_breaks: Callable[[Program], bool]) -> None:
        has_waits = any(step.method == WAIT for step in program)
        self._left = _FEW_REPLAYS if has_waits else _MOST_REPLAYS
        self._steps_left = _MOST_STEPS
        self._still_breaks = still_breaks
        self._printed = _Printed()
        self._seen: set[str] = set()

    def are_too_few_for(self, candidate: Program) -> bool:
        """Whether there is no time left for a candidate."""
        return self._left <= 0 or self._steps_left < len(candidate)

    def is_smaller(self, candidate: Program, program: Program) -> bool:
        """Whether a program has fewer steps than another, or as many that are shorter."""
        return self._printed.size(candidate) < self._printed.size(program)

    def still_breaks(self, candidate: Program) -> bool:
        """Whether a candidate breaks the law; False of one that was seen, or too many."""
        if self.are_too_few_for(candidate):
            return False
        text = self._printed.size(candidate)[-1]
        if text in self._seen:
            return False
        self._seen.add(text)
        self._left -= 1
        self._steps_left -= len(candidate)
        return self._still_breaks(candidate)


class _Printed:
    """The steps as Python, each printed once: candidates share most of theirs."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Step, str]] = {}  # with the step, so that its id stays its own

    def size(self, program: Program) -> tuple[int, int, str]:
        """Measure a program: its steps, and its text."""
        text = "\n".join(map(self._text, program))
        return len(program), len(text), text

    def _text(self, step: Step) -> str:
        known = self._texts.get(id(step))
        if known is None:
            known = self._texts[id(step)] = step, str(step)
        return known[1]


def _candidates(program: Program) -> Iterator[Program]:
    size = len(program) // 2
    while size:
        for at in range(len(program) - size, -1, -size):
            yield program[:at] + program[at + size :]
        size //= 2
    yield from _without_a_job(program)
    if len(program) <= _SHORT:
        for one, other in combinations(range(len(program)), 2):
            yield (*program[:one], *program[one + 1 : other], *program[other + 1 :])
    yield from _renamed(program)
    for at, step in enumerate(program):
        for plainer in _plainer_steps(step):
            yield (*program[:at], plainer, *program[at + 1 :])


def _without_a_job(program: Program) -> Iterator[Program]:
    """Yield the program without all steps that name one of its jobs."""
    named = [_ids(step) for step in program]
    for job_id in sorted({job_id for ids in named for job_id in ids}):
        yield tuple(step for step, ids in zip(program, named, strict=True) if job_id not in ids)


def _ids(step: Step) -> set[str]:
    """Return the ids that a step names; one that it holds by a name is none."""
    named = jobs_named(step.method, step.arguments) if step.method in SIGNATURES else ()
    return {id_of(one) for one in named if not isinstance(one, Held)}


def _renamed(program: Program) -> Iterator[Program]:
    """Yield the program with one of its ids plainer, wherever it stands."""
    ids = {job.id for step in program for job in _new_jobs(step)}
    for old in sorted(ids):
        for new in _PLAIN_IDS:
            if new not in ids:
                yield tuple(_rename(step, old, new) for step in program)


def _new_jobs(step: Step) -> list[CollectionJob]:
    """Return the jobs that a step saves, those that are held left out."""
    named = jobs_named(step.method, step.arguments) if step.method in SIGNATURES else ()
    return [job for job in named if isinstance(job, CollectionJob)]


def _rename(step: Step, old: str, new: str) -> Step:
    parameters = SIGNATURES.get(step.method, ())
    renamed = (
        _renamed_value(value, old, new) if kind_of(parameter.name).holds_ids else value
        for parameter, value in zip(parameters, step.arguments, strict=False)
    )
    return replace(step, arguments=tuple(renamed)) if parameters else step


def _renamed_value(value: Any, old: str, new: str) -> Any:
    """Return an id, a job, a key of a page or some jobs with one id renamed."""
    match value:
        case CollectionJob():
            return replace(value, id=new) if value.id == old else value
        case tuple():
            items = cast("tuple[object, ...]", value)
            return type(items)(tuple(_renamed_value(item, old, new) for item in items))
        case _:
            return new if value == old else value


def _plainer_steps(step: Step) -> Iterator[Step]:
    if len(step.arguments) > _NEEDED.get(step.method, len(step.arguments)):
        yield replace(step, arguments=step.arguments[:-1])
    for at in _FREE.get(step.method, ()):
        if at >= len(step.arguments):
            continue
        for plainer in _plainer(step.arguments[at]):
            arguments = (*step.arguments[:at], plainer, *step.arguments[at + 1 :])
            yield replace(step, arguments=arguments)


def _plainer(value: Any) -> Iterator[Any]:
    match value:
        case CollectionJob():
            yield from _plainer_jobs(value)
        case JobQuery():
            yield from _plainer_queries(value)
        case Held(changes=changes) if changes:
            yield replace(value, changes=())
            for at, change in enumerate(changes):
                for plainer in _plainer_changes(change):
                    yield replace(value, changes=(*changes[:at], plainer, *changes[at + 1 :]))
        case Step():
            yield from _plainer_steps(value)
        case tuple():
            yield from _plainer_jobs_of_many(cast("tuple[object, ...]", value))
        case str():
            yield from _plainer_texts(value)
        case int() if not isinstance(value, bool):
            yield from _PLAIN_COUNTS
        case _:
            return


def _plainer_queries(query: JobQuery) -> Iterator[JobQuery]:
    given = {item.name: getattr(query, item.name) for item in fields(query)}
    for name, value in given.items():
        if value is not None:
            yield replace(query, **{name: None})


def _plainer_jobs_of_many(jobs: tuple[object, ...]) -> Iterator[tuple[object, ...]]:
    if type(jobs) is not tuple:
        yield tuple(jobs)
    for at, job in enumerate(jobs):
        yield type(jobs)((*jobs[:at], *jobs[at + 1 :]))
        for plainer in _plainer(job):
            yield type(jobs)((*jobs[:at], plainer, *jobs[at + 1 :]))


def _plainer_texts(text: str) -> Iterator[str]:
    yield from _PLAIN_TEXTS
    half = len(text) // 2
    yield text[:half]
    yield text[half:]
    if len(text) < 50:
        yield from (text[:at] + text[at + 1 :] for at in range(len(text)))


def _plainer_changes(change: Change) -> Iterator[Change]:
    if len(change.arguments) == 2:
        symbol, value = change.arguments
        for plainer in _plainer(value):
            yield replace(change, arguments=(symbol, plainer))


def _plainer_jobs(job: CollectionJob) -> Iterator[CollectionJob]:
    values = {item.name: getattr(job, item.name) for item in fields(job)}
    plain = example_job(job.id)
    for name, value in values.items():
        usual = getattr(plain, name)
        if name == "id" or value == usual:
            continue
        yield from _with(values, name, [usual])
        if isinstance(value, Mapping):
            mapping = dict(cast("Mapping[str, Any]", value))
            yield from _with(values, name, _plainer_mappings(mapping))
        elif name == "symbols":
            shorter = (value[:at] + value[at + 1 :] for at in range(len(value)))
            yield from _with(values, name, shorter)
        elif isinstance(value, str):
            yield from _with(values, name, _plainer_texts(value))
    yield from _with({**values, "end": plain.end}, "start", [plain.start])


def _plainer_mappings(mapping: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if len(mapping) > _FEW:  # in halves first: each candidate is a replay
        items = list(mapping.items())
        yield dict(items[: len(items) // 2])
        yield dict(items[len(items) // 2 :])
    for key, value in mapping.items():
        yield {other: mapping[other] for other in mapping if other != key}
        for plainer in _plainer(value):
            yield {**mapping, key: plainer}


def _with(values: dict[str, Any], name: str, plainer: Any) -> Iterator[CollectionJob]:
    for value in plainer:
        try:
            yield CollectionJob(**{**values, name: value})
        except (TypeError, ValueError):
            continue  # the plainer value does not go with the other fields


def _without_unused_names(program: Program) -> Program:
    """Drop the names that no later step uses."""
    text = "\n".join(str(replace(step, keep=None)) for step in program)
    return tuple(
        step if step.keep is None or step.keep in text else replace(step, keep=None)
        for step in program
    )
