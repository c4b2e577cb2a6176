"""DURABLE-1: processes killed within one change of more jobs, or of a larger job, than fit a batch.

Adapters write what is large in parts: a hundred rows at a time, as much as a buffer holds. If each
part is a transaction of its own, a kill between two of them leaves half of the change. What a store
must show afterwards is measured on one that nobody kills: what it shows before the change or what
it shows after it, in both cases opened again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import cast

from collection_jobs.conformance.running.clients import Client
from collection_jobs.conformance.running.configuration import Plan
from collection_jobs.conformance.running.crash_points import ENGINE
from collection_jobs.conformance.running.deadline import deadline
from collection_jobs.conformance.running.messages import (
    CallBegan,
    CallEnded,
    Close,
    Done,
    Open,
    Work,
)
from collection_jobs.conformance.running.processes import Worker, WorkerDied, WorkerFailed
from collection_jobs.conformance.spec.calls import Outcome, Program, Step, brief, example_job
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.model import Facts, facts_of
from collection_jobs.conformance.spec.operations import OPERATIONS
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["LargeChanges"]

_LAW = "DURABLE-1"
_TOGETHER, _ONE_BY_ONE = 1_050, 525
"""How many jobs a change is about: more than a batch of 1,000, or than one of 500 where no method
saves them together."""
_ONE_IN = 20
_AT_LEAST = 3
"""One in so many of the kills of small changes is made within each large one, too; and so many."""
_AT_A_MOMENT, _ANYWHERE = 1, 3
"""Of four processes, which is killed at a random moment, and which at any place of all."""
_FEW_PARTS = 4
_ALL = 1_000_000
_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
_AFTERWARDS = "# The process is killed, and the store is opened again:"

_Shown = tuple[Mapping[str, Facts], tuple[Facts | None, ...]]
"""What a store holds: every job that is listed, and some as they are found by their ids."""
_NOTHING: _Shown = ({}, ())


@dataclass(frozen=True)
class _Change:
    """A large change.

    Attributes:
        setup: What is done before it.
        victim: It.
        ids: The ids of the jobs that are looked up.
    """

    setup: Program
    victim: Step
    ids: tuple[str, ...]

    @cached_property
    def looks(self) -> Program:
        """Shows what the store holds."""
        found = (Step("get_by_id", (id_,)) for id_ in self.ids)
        return (Step("list_recent", (_ALL,)), *found)


@dataclass(frozen=True, slots=True)
class _Measure:
    """A large change in a process that nobody kills.

    Attributes:
        before: What the store holds before it.
        after: And after it.
        seconds: How long it takes.
        sites: The sites that it passes, and how often.
    """

    before: _Shown
    after: _Shown
    seconds: float
    sites: Mapping[str, int]


class LargeChanges:
    """The large changes of one adapter, within each of which some processes are killed.

    Attributes:
        kills: How many were.
    """

    def __init__(self, plan: Plan) -> None:
        """Kill nothing yet."""
        self.kills: int = 0
        self._plan = plan
        self._random = Random(f"{plan.seed} large changes")  # noqa: S311 - not for secrets
        self._size = max(2, _TOGETHER // plan.profile.smaller)

    def examine(self) -> Finding | None:
        """Kill processes within each of the changes, until one of them is found half done."""
        for change in _changes(self._plan.capabilities, self._size):
            measure = self._measured(change)
            if measure is None or measure.before == measure.after:
                continue  # what is wrong with that is wrong without any kill
            between = self._between_parts(measure)
            for number in range(max(_AT_LEAST, self._plan.profile.kills // _ONE_IN)):
                finding = self._killed(change, measure, self._site(measure, between, number))
                if finding is not None:
                    return finding
        return None

    def _measured(self, change: _Change) -> _Measure | None:
        """Make the change on a store that is closed before it and after it; None if it fails."""
        directory, victim = self._plan.new_directory(), (change.victim,)
        try:
            self._lived(directory, change.setup)
            before, done = self._lived(directory, victim, change)
            after, _ = self._lived(directory, (), change)
        except (WorkerDied, WorkerFailed, _NothingShown, _Refused):
            return None
        return _Measure(before, after, _seconds(done.events[0].outcome), done.sites)

    def _lived(
        self, directory: Path, program: Program, change: _Change | None = None
    ) -> tuple[_Shown, Done]:
        """Open a store, look at what it holds of a change, make calls on it, and close it."""
        with self._plan.fork_server().worker(counting=change is not None) as worker:
            worker.ask(Open(directory, 1, deadline()), deadline() + 2)
            shown = _NOTHING if change is None else _look(worker, change)
            done = worker.ask(_work(program))
            if any(event.outcome is None or event.outcome.error for event in done.events):
                raise _Refused
            worker.ask(Close())
        return shown, done

    def _killed(
        self, change: _Change, measure: _Measure, site: tuple[str, int] | None
    ) -> Finding | None:
        """Kill a process that makes the change; return what is wrong with the store then."""
        directory = self._plan.new_directory()
        try:
            self._lived(directory, change.setup)
            with self._plan.fork_server().worker(counting=True) as worker:
                worker.ask(Open(directory, 1, deadline()), deadline() + 2)
                outcome = self._end_of(worker, change, site, measure.seconds)
        except (WorkerDied, WorkerFailed, _Refused):
            return None  # it ended before the change was under way
        self.kills += 1
        try:
            with self._plan.fork_server().worker(counting=False) as worker:
                worker.ask(Open(directory, 1, deadline()), deadline() + 2)
                shown = _look(worker, change)
        except (WorkerDied, WorkerFailed, _NothingShown) as error:
            return _finding(change, outcome, site, f"the store could not be read: {error}")
        if outcome is not None and outcome.error is not None:
            return None
        if shown == measure.after or (outcome is None and shown == measure.before):
            return None
        return _finding(change, outcome, site, _difference(shown, measure))

    def _end_of(
        self, worker: Worker, change: _Change, site: tuple[str, int] | None, seconds: float
    ) -> Outcome | None:
        """Let a process make the change, and kill it; return the answer if it still gave one."""
        outcome = None
        with suppress(WorkerDied):
            worker.order(_work((change.victim,), told=True, die_at=site))
            if isinstance(worker.tell(), CallBegan) and site is None:
                time.sleep(self._random.uniform(0, seconds))
                worker.kill()
            while isinstance(told := worker.tell(), CallEnded):
                outcome = told.outcome
        worker.kill()
        return outcome

    def _between_parts(self, measure: _Measure) -> list[tuple[str, int]]:
        """Return the places behind calls into the engine that are passed again, but seldom.

        The statements of a part are passed once for each part, and those of a row once for each
        row: so one part follows another there. Of two passes only one is between the parts.
        """
        again = {
            site: times
            for site, times in measure.sites.items()
            if site.startswith(ENGINE) and 1 < times <= _FEW_PARTS
        }
        places = [(site, at) for site, times in again.items() for at in range(1, times + 1)]
        self._random.shuffle(places)
        return places

    def _site(
        self, measure: _Measure, between: list[tuple[str, int]], number: int
    ) -> tuple[str, int] | None:
        """Where a process is to kill itself; None where it is killed at a random moment."""
        if number % 4 == _AT_A_MOMENT:
            return None
        passed, weights = measure.sites, None
        if number % 4 != _ANYWHERE:
            if between:
                return between.pop()
            again = {it: n for it, n in passed.items() if it.startswith(ENGINE) and n > 1}
            passed = again or passed
            weights = [1 / times for times in passed.values()]
        if not passed:
            return None
        (site,) = self._random.choices(list(passed), weights)
        times = passed[site]
        first, last = times // 3 + 1, 2 * times // 3  # neither before the first part nor at the end
        return site, self._random.randint(first, max(first, last) if times > 2 else times)


class _Refused(Exception):  # noqa: N818 - as below
    """A call raised an error, or gave no answer."""


class _NothingShown(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A store does not show what it holds."""


def _work(program: Program, *, told: bool = False, die_at: tuple[str, int] | None = None) -> Work:
    return Work((Client("kit", program),), told=told, die_at=die_at)


def _seconds(outcome: Outcome | None) -> float:
    return 0.0 if outcome is None else (outcome.ended - outcome.began).total_seconds()


def _look(worker: Worker, change: _Change) -> _Shown:
    """Return what a store holds."""
    outcomes = [event.outcome for event in worker.ask(_work(change.looks)).events]
    for outcome in outcomes:
        if outcome is None or outcome.error is not None:
            raise _NothingShown(str(outcome))
    listed, *found = [outcome.value for outcome in outcomes if outcome is not None]
    if not isinstance(listed, list):
        raise _NothingShown(f"list_recent returned {brief(listed)}")
    jobs = [facts_of(job) for job in cast("list[CollectionJob]", listed)]
    one_by_one = tuple(facts_of(job) if isinstance(job, CollectionJob) else None for job in found)
    return {facts.id: facts for facts in jobs}, one_by_one


# What is changed


def _changes(capabilities: frozenset[str], size: int) -> Iterator[_Change]:
    """Yield the large changes that an adapter of these capabilities can make."""
    symbols = tuple(f"S{number}" for number in range(size))
    together = next((it for it in ("save_many", "add_many") if METHODS[it] in capabilities), None)
    size = size if together is not None else min(size, _ONE_BY_ONE)
    new = tuple(example_job(f"large {number}") for number in range(size))
    ids = new[0].id, new[-1].id
    if METHODS["save_many"] in capabilities:
        # Some of them are there, so that rows are replaced and others inserted.
        changed = tuple(replace(job, source="kraken") for job in new)
        yield _Change((Step("save_many", (new[: size // 2],)),), Step("save_many", (changed,)), ids)
    if METHODS["add_many"] in capabilities:
        yield _Change((), Step("add_many", (new,)), ids)
    if METHODS["delete_finished"] in capabilities:
        ended = {"status": JobStatus.COMPLETED, "finished_at": _NOON}
        finished = tuple(example_job(job.id, **ended) for job in new)
        setup = tuple(Step("save", (job,)) for job in finished)
        setup = setup if together is None else (Step(together, (finished,)),)
        purge = OPERATIONS["delete_finished"].step(before=_NOON + timedelta(hours=1), limit=size)
        yield _Change(setup, purge, ids)
    bare = example_job("large", symbols=symbols)
    outcomes = replace(
        bare,
        completed_symbols=dict.fromkeys(symbols[::2], 7),
        failed_symbols=dict.fromkeys(symbols[1::2], "refused"),
    )
    yield _Change((Step("save", (bare,)),), Step("save", (outcomes,)), (bare.id,))
    yield _Change((Step("save", (outcomes,)),), Step("delete", (bare.id,)), (bare.id,))


# What is told


def _finding(
    change: _Change, outcome: Outcome | None, site: tuple[str, int] | None, what: str
) -> Finding:
    call = change.victim.call({})
    first, *more = map(str, change.setup or ("# In a new store:",))
    rest = (f"# and {len(more):,} more jobs, one after another",) if more else ()
    answer = "was under way" if outcome is None else str(outcome)
    place = "" if site is None else f" {'' if site[0].startswith(ENGINE) else 'at '}{site[0]}"
    return Finding(
        _LAW,
        f"after its process was killed{place}, and the store was opened again, {what}",
        (first, *rest, f"await {call}  # {answer}", _AFTERWARDS, *map(str, change.looks)),
    )


def _difference(shown: _Shown, measure: _Measure) -> str:
    """Say what a store shows that is neither what it held before the change nor after it."""
    (before, _), (after, _), (listed, found) = measure.before, measure.after, shown
    changed = [id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)]
    done = sum(listed.get(id_) == after.get(id_) for id_ in changed)
    apart = [facts.id for facts in found if facts is not None and listed.get(facts.id) != facts]
    if apart:
        return f"get_by_id and list_recent show another job {apart[0]!r} each"
    if len(changed) > 1:
        return f"{done:,} of {len(changed):,} jobs were changed, where all or none would be right"
    one = listed.get(changed[0])
    if one is None:
        return f"the job {changed[0]!r} was gone"
    outcomes = len(one.completed_symbols) + len(one.failed_symbols)
    return f"the job {changed[0]!r} had {outcomes:,} outcomes of {len(one.symbols):,} symbols"
