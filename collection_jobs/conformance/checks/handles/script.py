"""Scripts: which process opens which handle, what each handle is asked, and who is killed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from random import Random
from types import MappingProxyType

from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = [
    "CLOSE",
    "KILL",
    "OPEN",
    "SERVICE",
    "Line",
    "founding",
    "is_call",
    "law_of_job",
    "script",
    "stages",
]

OPEN, CLOSE, KILL = "open", "close", "kill"
"""What a line may do beside a call: open a handle at a place, close it, kill the process."""
SERVICE = "A"
"""The process that has several handles, and is killed at the end."""

_HANDLES = (1, 2, 3)
_SYMBOLS = tuple(f"S{number}" for number in range(40))
_CLAIMED = ("claimed 1", "claimed 2", "claimed 3")
_OUTCOMES = "outcomes"
_ALL = 1_000_000
_OWN_JOBS: Mapping[str, Operation] = MappingProxyType(
    {
        one.laws.lost.partition("-")[0].lower(): one
        for one in OPERATIONS.values()
        if one.capability is not None and one.laws.lost is not None
    }
)
"""The jobs of the methods beyond the nine that no change may be lost of, called by their laws."""
_LAWS = {"claimed": "STATUS-2", _OUTCOMES: "FAILED-2"} | {
    job_id: one.laws.lost for job_id, one in _OWN_JOBS.items() if one.laws.lost is not None
}


@dataclass(frozen=True, slots=True)
class Line:
    """One step of one handle.

    Attributes:
        stage: When: the lines of one stage are done at once, one stage after another. Within it,
            the lines of one handle are done in their order.
        process: Which process does it.
        handle: On which of its handles; a kill is of no handle in particular.
        step: A call, or one of ``open(place)``, ``close()`` and ``kill(after)``: a place is 0 for
            the store's directory and 1 for a symbolic link to it, and the kill comes when the
            process has told so many beginnings and endings of its calls in this stage.
    """

    stage: int
    process: str
    handle: int
    step: Step

    @property
    def client(self) -> str:
        """How histories call the handle."""
        return f"{self.process}{self.handle}"


def is_call(line: Line) -> bool:
    """Whether a line calls a method of the repository."""
    return line.step.method not in (OPEN, CLOSE, KILL)


def law_of_job(job_id: str) -> str:
    """Return the law that the calls on a job are about."""
    return _LAWS.get(job_id.partition(" ")[0], "ATOMIC-1")


def stages(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Return the lines of each stage, in their order."""
    by_stage: dict[int, list[Line]] = {}
    for line in lines:
        by_stage.setdefault(line.stage, []).append(line)
    return (by_stage[number] for number in sorted(by_stage))


def script(
    random: Random, capabilities: Collection[str] = (), *, places: int = 1, kills: bool = True
) -> tuple[Line, ...]:
    """Draw a script.

    Args:
        random: Where it comes from.
        capabilities: What the adapter can do beyond the nine methods.
        places: By how many paths the store can be opened.
        kills: Whether the service is killed at the end; else it closes what it has open.
    """
    return _Writer(random, frozenset(capabilities), places).write(kills=kills)


def founding() -> tuple[Line, ...]:
    """Return the script in which three processes open a new store at the same moment.

    Each saves a job as soon as it can, and then looks for those of the others.
    """
    handles = [(SERVICE, 1), (SERVICE, 2), ("B", 1), ("C", 1)]
    ids = [f"kept {number}" for number, _ in enumerate(handles)]
    looks = [Step("get_by_id", (one,)) for one in ids]
    lines = list[Line]()
    for (process, handle), id_ in zip(handles, ids, strict=True):
        begins = Step(OPEN, (0,)), Step("save", (_job(id_),)), Step("get_by_id", (id_,))
        for stage, steps in enumerate((begins, looks, (Step(CLOSE),)), 1):
            lines += [Line(stage, process, handle, step) for step in steps]
    return tuple(sorted(lines, key=lambda line: line.stage))


class _Writer:
    """Writes one script: a service with several handles, and visitors, one after another."""

    def __init__(self, random: Random, capabilities: frozenset[str], places: int) -> None:
        self._random = random
        self._operations = operations(capabilities)
        self._own_jobs = [id_ for id_, one in _OWN_JOBS.items() if one in self._operations]
        self._turns = cycle(self._own_jobs)
        self._number = count()
        self._places = places
        self._lines: list[Line] = []
        self._stage = 0
        self._kept = count(1)
        self._symbols: dict[str, Iterator[str]] = {}
        self._visitors = iter("BCDEFGH")
        self._stays = random.choice(_HANDLES)

    def write(self, *, kills: bool) -> tuple[Line, ...]:
        self._open_all()
        self._visit()  # it comes while all handles are open
        self._close_all_but_one()
        self._visit(saves=False)  # it looks, and goes
        self._do({self._stays: self._saves(6)})
        self._meet()
        self._open_and_close_again()
        self._visit(saves=False)
        self._do({self._stays: self._saves(6)})
        self._end(kills=kills)
        return tuple(self._lines)

    def _do(
        self, service: dict[int, list[Step]], visitor: tuple[str, list[Step]] | None = None
    ) -> None:
        """Write one stage: what each handle of the service does, and what a visitor does."""
        self._stage += 1
        for handle, steps in service.items():
            self._lines += [Line(self._stage, SERVICE, handle, step) for step in steps]
        if visitor is not None:
            name, steps = visitor
            self._lines += [Line(self._stage, name, 1, step) for step in steps]

    def _open_all(self) -> None:
        """Have the first handle save the jobs; the others are opened while it works, or rests."""
        setup = [Step("save", (_job(one),)) for one in (*_CLAIMED, _OUTCOMES, *self._own_jobs)]
        self._do({1: [Step(OPEN, (0,)), *setup, *self._saves(2)]})
        others = {handle: [self._open(), *self._looks()] for handle in _HANDLES[1:]}
        if self._random.random() < 0.5:
            self._do({1: [_claims(_CLAIMED[0]), *self._saves(6)], **others})
        else:
            self._do({1: [_claims(_CLAIMED[0])]})
            for handle, steps in others.items():
                self._do({handle: steps})
        self._do({handle: [self._fails(), *self._looks()] for handle in _HANDLES})

    def _close_all_but_one(self) -> None:
        leaving = [handle for handle in _HANDLES if handle != self._stays]
        self._random.shuffle(leaving)
        for handle in leaving:
            busy = self._random.random() < 0.5
            working = {self._stays: self._saves(4)} if busy else {}
            self._do({**working, handle: [Step(CLOSE)]})
            self._do({self._stays: [*self._looks(), self._fails()]})

    def _visit(self, *, saves: bool = True) -> None:
        """Another process comes, looks, and goes; maybe while the service is at work."""
        steps = [*self._looks(), _claims(_CLAIMED[0])]
        if saves:
            steps += [*self._saves(3), self._fails()]
        working = self._saves(3) if self._random.random() < 0.3 else []
        self._do({self._stays: working}, (next(self._visitors), self._stay_of(steps)))
        self._do({self._stays: [self._fails(), *self._looks()]})

    def _meet(self) -> None:
        """Have the service and a visitor be after the same jobs at the same time."""
        claims = [_claims(one) for one in _CLAIMED[1:]]
        ours, theirs = ([self._fails() for _ in range(4)] for _ in range(2))
        name = next(self._visitors)
        read = Step("get_by_id", (_OUTCOMES,))
        self._do({}, (name, [self._open(), read, self._fails_symbol(), read]))
        self._do({self._stays: [read, self._fails_symbol(), read]})
        self._do(
            {self._stays: [*claims, *ours, *self._saves(1)]},
            (name, [*claims, *theirs, *self._saves(1)]),
        )
        self._do({}, (name, [*self._looks(), Step(CLOSE)]))
        copy = Step("get_by_id", (_OUTCOMES,), keep="copy")
        change = Change("with_failed_symbol", (self._symbol(_OUTCOMES), "copied"))
        save = Step("save", (Held("copy", (change,)),))
        self._do({self._stays: [_claims(_CLAIMED[1]), *self._looks(), copy, save]})

    def _open_and_close_again(self) -> None:
        """Open and close a handle some times, while another one of the process works."""
        handle = max(_HANDLES) + 1
        steps = [step for _ in range(3) for step in self._stay_of(self._looks()[:2])]
        self._do({handle: steps, self._stays: self._saves(4)})

    def _end(self, *, kills: bool) -> None:
        steps, handle = self._saves(3), self._stays
        self._do({handle: steps if kills else [*steps, Step(CLOSE)]})
        if kills:
            told = 2 * len(steps)  # each call is told of twice; after that the process is idle
            after = self._random.choice((told, self._random.randrange(1, told)))
            self._lines.append(Line(self._stage, SERVICE, 0, Step(KILL, (after,))))

    def _stay_of(self, steps: Iterable[Step]) -> list[Step]:
        return [self._open(), *steps, Step(CLOSE)]

    def _open(self) -> Step:
        return Step(OPEN, (self._random.randrange(self._places),))

    def _looks(self) -> list[Step]:
        """Return reads of what the calls are about, in an order of their own each time."""
        reads = [Step("get_by_id", (one,)) for one in (*_CLAIMED, _OUTCOMES)]
        reads += [Step("get_by_id", (one,)) for one in self._own_jobs]
        reads += [Step("get_stats", (_OUTCOMES,)), Step("list_recent", (_ALL,))]
        reads += [Step("list_by_status", (JobStatus.RUNNING, _ALL)), Step("get_running_jobs")]
        beyond = (one for one in self._operations if one.capability is not None)
        reads += [one.step(limit=_ALL) for one in beyond if not one.writes]
        self._random.shuffle(reads)
        # The last is short: a cursor that is left open keeps a snapshot, or a lock.
        return [*reads, Step("list_recent", (1,))]

    def _saves(self, number: int) -> list[Step]:
        """Return saves of new jobs: some together, where the adapter can do that."""
        jobs = [_job(f"kept {next(self._kept)}") for _ in range(number)]
        together = [one for one in self._operations if one.laws.one_instant and one.takes("jobs")]
        if number > 1 and together and self._random.random() < 0.3:
            return [together[0].step(jobs=tuple(jobs))]
        return [Step("save", (job,)) for job in jobs]

    def _fails(self) -> Step:
        """Record an outcome of a symbol that no other line records."""
        if self._own_jobs and self._random.random() < 0.3:
            id_ = next(self._turns)
            return _OWN_JOBS[id_].step(id_, next(self._number), symbol=self._symbol(id_))
        return self._fails_symbol()

    def _fails_symbol(self) -> Step:
        return Step("add_failed_symbol", (_OUTCOMES, self._symbol(_OUTCOMES), "timeout"))

    def _symbol(self, job_id: str) -> str:
        return next(self._symbols.setdefault(job_id, iter(_SYMBOLS)))


def _claims(job_id: str) -> Step:
    return Step("update_status", (job_id, JobStatus.RUNNING))


def _job(job_id: str) -> CollectionJob:
    age = sum(map(ord, job_id))  # another for each, so that listings have an order
    created_at = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=age)
    symbols = _SYMBOLS if job_id in (_OUTCOMES, *_OWN_JOBS) else ("BTC", "ETH")
    return example_job(job_id, symbols=symbols, created_at=created_at)
