"""Rounds: what several clients do to a job or two at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType

from collection_jobs.conformance.checks.contention.claims import EXPIRED as _EXPIRED
from collection_jobs.conformance.checks.contention.claims import KINDS_OF_LEASES
from collection_jobs.conformance.spec.calls import Call, Change, Held, Program, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS, PROTOCOLS
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["KINDS", "Round", "hand_over", "kinds", "rounds", "shorter"]

CLIENTS = 8
"""Callers in a round: more of them on one job make its history too hard to judge."""

_JOBS = 6
"""Jobs that all clients of a round are after, one after another: each is one more chance that two
of them meet."""
_SYMBOLS = tuple(f"S{number}" for number in range(2 * CLIENTS))
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        kind: Which of the kinds it is, by its short name.
        about: What it is about, in a few words.
        ids: The jobs that it is about; no other round is about them.
        setup: What is done before, by one caller.
        clients: What each of the clients does.
        leases: Whether it is about leases.
    """

    kind: str
    about: str
    ids: tuple[str, ...]
    setup: Program
    clients: tuple[Program, ...]
    leases: bool = False

    @property
    def law(self) -> str | None:
        """The law that it is about where it is about one; None where many calls meet."""
        for one in OPERATIONS.values():
            if self.kind == f"{one.name}{_BY_EACH}":
                return one.laws.lost
            if self.kind == f"{one.name}{_BY_ALL}":
                return one.laws.one_winner
        return _LAWS.get(self.kind)

    @property
    def looks(self) -> tuple[Call, ...]:
        """What shows the jobs afterwards."""
        of_jobs = [
            Call(method, (id_,))
            for id_ in self.ids
            for method in ("get_by_id", "get_stats", *(("get_lease",) if self.leases else ()))
        ]
        listings = [Call("list_by_status", (status, _ALL)) for status in JobStatus]
        return (*of_jobs, *listings, Call("list_recent", (_ALL,)), Call("get_running_jobs"))


_Maker = Callable[[str, Random, int], Round]


def _job(id_: str, age: int = 0) -> CollectionJob:
    created_at = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=age)
    return example_job(id_, symbols=_SYMBOLS, created_at=created_at)


def _ids(id_: str, jobs: int) -> tuple[str, ...]:
    return (id_,) if jobs == 1 else tuple(f"{id_}.{number}" for number in range(jobs))


def _becomes(id_: str, status: JobStatus) -> Step:
    return Step("update_status", (id_, status))


def _fails(id_: str, symbol: str) -> Step:
    return Step("add_failed_symbol", (id_, symbol, "timeout"))


def _claim(id_: str, random: Random, jobs: int) -> Round:
    """All want the same jobs, in the same order."""
    ids = _ids(id_, jobs)
    claims = tuple(_becomes(one, JobStatus.RUNNING) for one in ids)
    setup = tuple(Step("save", (_job(one),)) for one in ids)
    return Round("claim", "jobs claimed by all", ids, setup, (claims,) * CLIENTS)


def _failures(id_: str, random: Random, jobs: int) -> Round:
    """Each records failures of symbols of its own."""
    ids = _ids(id_, jobs)
    setup = tuple(Step("save", (_job(one),)) for one in ids)
    clients = tuple(
        tuple(_fails(one, _SYMBOLS[number]) for one in ids) for number in range(CLIENTS)
    )
    return Round("failures", "outcomes recorded by all", ids, setup, clients)


def _work(id_: str, random: Random, jobs: int) -> Round:
    """Let some record failures, some move the job through its lifecycle, some look on."""
    moves = (_becomes(id_, JobStatus.RUNNING), _becomes(id_, JobStatus.PENDING)) * 2
    looks = (Step("get_by_id", (id_,)), Step("get_stats", (id_,))) * 2
    failures = [tuple(_fails(id_, _SYMBOLS[4 * one + two]) for two in range(4)) for one in range(4)]
    clients = (*failures, moves, moves, looks, looks)
    return Round("work", "a job at work", (id_,), (Step("save", (_job(id_),)),), clients)


def _copies(id_: str, random: Random, jobs: int) -> Round:
    """Each reads a job, changes its copy and saves that, one job after another."""
    ids = _ids(id_, jobs)
    setup = tuple(Step("save", (_job(one),)) for one in ids)
    clients = tuple(
        tuple(step for one in ids for step in _saves_a_copy(one, _SYMBOLS[number]))
        for number in range(CLIENTS)
    )
    return Round("copies", "copies saved by all", ids, setup, clients)


def _saves_a_copy(id_: str, symbol: str) -> tuple[Step, Step]:
    changed = Held("copy", (Change("with_completed_symbol", (symbol, 7)),))
    return Step("get_by_id", (id_,), keep="copy"), Step("save", (changed,))


def _lives(id_: str, random: Random, jobs: int) -> Round:
    """Delete the job and save it again, while others work on it."""
    delete, save = Step("delete", (id_,)), Step("save", (_job(id_, age=1),))
    clients = (
        (delete, delete),
        (delete, delete),
        (save, save),
        (save, Step("get_by_id", (id_,))),
        (_fails(id_, "S0"), _fails(id_, "S1")),
        (_becomes(id_, JobStatus.RUNNING), Step("get_stats", (id_,))),
    )
    return Round(
        "lives", "a job deleted and saved again", (id_,), (Step("save", (_job(id_),)),), clients
    )


def _anything(id_: str, random: Random, jobs: int) -> Round:
    """Clients do anything to two jobs, at random."""
    ids = (f"{id_} a", f"{id_} b")
    setup = tuple(Step("save", (_job(one, age),)) for age, one in enumerate(ids))
    menu = [step for age, one in enumerate(ids) for step in _menu(one, age)]
    menu += [
        Step("list_by_status", (JobStatus.PENDING, _ALL)),
        Step("list_by_status", (JobStatus.RUNNING, _ALL)),
        Step("list_recent", (_ALL,)),
        Step("get_running_jobs"),
    ]
    clients = tuple(tuple(random.choices(menu, k=4)) for _ in range(6))
    return Round("anything", "anything at random", ids, setup, clients)


def _by_each(operation: Operation) -> _Maker:
    """Each client makes a change of its own, of the jobs that all are after."""

    def make(id_: str, random: Random, jobs: int) -> Round:
        ids = _ids(id_, jobs)
        setup = () if operation.creates else tuple(Step("save", (_job(one),)) for one in ids)
        clients = tuple(
            tuple(_changes(operation, one, number) for one in ids) for number in range(CLIENTS)
        )
        kind = f"{operation.name}{_BY_EACH}"
        return Round(kind, f"{operation.name} called by each", ids, setup, clients)

    return make


def _beside_failures(operation: Operation) -> _Maker:
    """Let some make a change of their own, while the others record failures."""

    def make(id_: str, random: Random, jobs: int) -> Round:
        ids = _ids(id_, jobs)
        setup = tuple(Step("save", (_job(one),)) for one in ids)
        clients = tuple(
            tuple(
                _changes(operation, one, number) if number % 2 else _fails(one, _SYMBOLS[number])
                for one in ids
            )
            for number in range(CLIENTS)
        )
        kind = f"{operation.name}{_BESIDE_FAILURES}"
        return Round(kind, f"{operation.name} beside recorded failures", ids, setup, clients)

    return make


def _changes(operation: Operation, id_: str, number: int) -> Step:
    return operation.step(id_, number, symbol=_SYMBOLS[number])


def _by_all(operation: Operation) -> _Maker:
    """All want to make the same change of the same jobs, in the same order."""

    def make(id_: str, random: Random, jobs: int) -> Round:
        ids = _ids(id_, jobs)
        setup = () if operation.creates else tuple(Step("save", (_job(one),)) for one in ids)
        calls = tuple(operation.step(one) for one in ids)
        kind = f"{operation.name}{_BY_ALL}"
        leases = operation.is_of_leases
        about = f"{operation.name} called by all"
        return Round(kind, about, ids, setup, (calls,) * CLIENTS, leases)

    return make


def _together(operation: Operation) -> _Maker:
    """Two change some jobs together, again and again; others look at the first and the last."""

    def make(id_: str, random: Random, jobs: int) -> Round:
        ids = _ids(id_, _JOBS)
        saves = tuple(Step("save", (_job(one, age),)) for age, one in enumerate(ids))
        setup = () if operation.creates else saves
        savers = tuple(
            tuple(_changes_all(operation, ids, f"{saver} {number}") for number in range(3))
            for saver in range(2)
        )
        ends = tuple(Step("get_by_id", (one,)) for one in (ids[0], ids[-1]))
        # The first on one handle saves while the first on the next looks on: where calls never
        # suspend, each is done before another on its handle begins.
        clients = (savers[0], ends * 12, ends[::-1] * 12, savers[1])
        kind = f"{operation.name}{_TOGETHER}"
        return Round(kind, "jobs changed together", ids, setup, clients)

    return make


def _changes_all(operation: Operation, ids: Iterable[str], source: str) -> Step:
    jobs = tuple(replace(_job(one, age), source=source) for age, one in enumerate(ids))
    return operation.step(jobs=jobs)


def _purges(id_: str, random: Random, jobs: int) -> Round:
    """Purge jobs that have ended, while others save them anew, and look."""
    ids = _ids(id_, jobs)
    ended = [replace(_job(one), status=JobStatus.COMPLETED, finished_at=_LONG_AGO) for one in ids]
    setup = tuple(Step("save", (job,)) for job in ended)
    purge = OPERATIONS["delete_finished"].step(before=_LONG_AGO + timedelta(days=1))
    saves = tuple(
        step for one in ids for step in (Step("save", (_job(one),)), Step("get_by_id", (one,)))
    )
    looks = tuple(Step("get_by_id", (one,)) for one in ids)
    return Round(_PURGED, "jobs purged and saved", ids, setup, ((purge,), saves, (purge,), looks))


def _of_leases(kind: str) -> _Maker:
    """Workers are after the same jobs, of a source of their own."""

    def make(id_: str, random: Random, jobs: int) -> Round:
        ids = _ids(id_, jobs)
        about, setup, clients = KINDS_OF_LEASES[kind](id_, [_job(one) for one in ids], CLIENTS)
        return Round(kind, about, ids, setup, clients, leases=True)

    return make


def _menu(id_: str, age: int) -> Iterator[Step]:
    yield from (_becomes(id_, status) for status in JobStatus)
    yield from (_fails(id_, symbol) for symbol in _SYMBOLS[:4])
    yield Step("save", (_job(id_, age),))
    yield Step("delete", (id_,))
    yield Step("get_by_id", (id_,), keep="copy")
    yield Step("save", (Held("copy", (Change("with_completed_symbol", ("S5", 7)),)),))
    yield Step("get_by_id", (id_,))
    yield Step("get_stats", (id_,))


KINDS: Mapping[str, _Maker] = MappingProxyType(
    {
        "claim": _claim,
        "failures": _failures,
        "work": _work,
        "copies": _copies,
        "lives": _lives,
        "anything": _anything,
    }
)
"""Every kind of round for the nine methods, by a short name."""

_BY_EACH, _BESIDE_FAILURES = " by each", " beside failures"
_BY_ALL, _TOGETHER = " by all", " together"
_IN_TURN = (_BY_EACH, _BESIDE_FAILURES)
"""Kinds that are so much alike that each time only one of them is run."""

_PURGED = "purges"
_LONG_AGO = datetime(2024, 2, 1, tzinfo=UTC)

_LAWS = {
    _PURGED: "PURGE-1",
    "claim": "STATUS-2",
    "failures": "FAILED-2",
    "copies": "SAVE-3",
    "claim_next of several": "LEASE-2",
    "claim_next of expired": "LEASE-2",
    "claim_next of few": "LEASE-6",
    "claims in turn": "LEASE-3",
}


def kinds(capabilities: frozenset[str]) -> dict[str, _Maker]:
    """Return the kinds of rounds for an adapter that can do this beyond the nine methods."""
    makers = dict(KINDS)
    for one in operations(capabilities):
        if one.capability is None:
            continue
        if one.laws.lost is not None:
            makers[f"{one.name}{_BY_EACH}"] = _by_each(one)
            if not one.creates:
                makers[f"{one.name}{_BESIDE_FAILURES}"] = _beside_failures(one)
        if one.laws.one_winner is not None and not one.picks:
            makers[f"{one.name}{_BY_ALL}"] = _by_all(one)
        if one.laws.one_instant is not None:
            makers[f"{one.name}{_TOGETHER}"] = _together(one)
    if METHODS["delete_finished"] in capabilities:
        makers[_PURGED] = _purges
    if LEASES in capabilities:
        makers |= {name: _of_leases(name) for name in KINDS_OF_LEASES}
    return makers


def rounds(seed: int, count: int, capabilities: frozenset[str] = frozenset()) -> Iterator[Round]:
    """Each kind of round so many times, in turn; the same seed, the same rounds."""
    random = Random(f"{seed} rounds")  # noqa: S311 - not for secrets
    makers = kinds(capabilities)
    for number in range(count):
        for name, maker in makers.items():
            if name == _EXPIRED and number:
                continue  # it takes time, and there is nothing else to draw
            if name.endswith(_IN_TURN) and not name.endswith(_IN_TURN[number % len(_IN_TURN)]):
                continue
            yield maker(f"{name} {number}", random, _JOBS)


def shorter(round_: Round, seed: int, count: int) -> Iterator[Round]:
    """Yield the same kind of round, with two of its clients and a step or two each."""
    random = Random(f"{seed} shorter")  # noqa: S311 - not for secrets
    for number in range(count):
        maker = kinds(frozenset(PROTOCOLS))[round_.kind]
        whole = maker(f"{round_.kind} {number} again", random, 1)
        needs_two = round_.kind.endswith(("copies", _TOGETHER))
        steps = 1 if number < count // 2 and not needs_two else 2
        pair = random.sample(range(len(whole.clients)), 2)
        yield replace(whole, clients=tuple(whole.clients[at][:steps] for at in sorted(pair)))


def hand_over(
    handles: int, capabilities: frozenset[str] = frozenset()
) -> tuple[Round, tuple[tuple[int, Step], ...]]:
    """Return calls one after another, each on another handle than the one before.

    Args:
        handles: How many there are.
        capabilities: What the adapter can do beyond the nine methods.

    Returns:
        A round that says which jobs they are about, and the calls, each with its handle.
    """
    id_ = "handed over"
    beyond = [one for one in operations(capabilities) if one.capability is not None]
    changes = (
        Step("save", (_job(id_),)),
        _becomes(id_, JobStatus.RUNNING),
        _fails(id_, "S0"),
        Step("save", (Held("copy", (Change("with_completed_symbol", ("S1", 7)),)),)),
        _fails(id_, "S1"),
        _becomes(id_, JobStatus.FAILED),
        Step("delete", (id_,)),
        Step("save", (_job(id_, age=1),)),
        *(
            one.step(
                id_,
                symbol="S2",
                job=_job(id_, age=1),
                jobs=(replace(_job(id_, age=1), source="kraken"),),
            )
            for one in beyond
            if one.writes and not one.needs_lease
        ),
    )
    pages = [one.step(id_, limit=_ALL) for one in beyond if not one.writes]
    steps: list[tuple[int, Step]] = []
    for number, change in enumerate(changes):
        steps.append((number % handles, change))
        for other in range(1, handles + 1):
            handle = (number + other) % handles
            keep = "copy" if other == 1 else None
            steps.append((handle, Step("get_by_id", (id_,), keep=keep)))
            steps.append((handle, Step("get_stats", (id_,))))
            steps.append((handle, Step("list_recent", (_ALL,))))
            steps += [(handle, Step("list_by_status", (status, _ALL))) for status in JobStatus]
            steps += [(handle, page) for page in pages]
    return Round(
        "hand over", "one caller after another, on different handles", (id_,), (), ()
    ), tuple(steps)
