"""Victims: the calls that are cancelled, what is done before them, and who works beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from collection_jobs.conformance.spec.calls import (
    Call,
    Change,
    Held,
    Program,
    Step,
    example_job,
    id_of,
)
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.operations import OPERATIONS, Operation, operations
from collection_jobs.conformance.spec.signatures import jobs_named
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

__all__ = ["Scene", "scene", "scenes"]

_TTL = timedelta(hours=1)
_LEASE = Held("lease")
_SYMBOLS = ("S0", "S1", "S2", "S3", "S4")
_ALL = 1_000_000
_MORE_THAN_A_BATCH = 129
"""Jobs that stand between the first and the last of a call that changes more than engines take at
once. All scenes save the same ones, and none looks at them."""
_LONG_AGO = datetime(2024, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Scene:
    """One call to cancel.

    Attributes:
        name: Which call, and in what company.
        id: The job that it is about.
        other: A job beside it.
        setup: What is done before.
        victim: The call.
        before: Calls of others that are under way when it is made.
        behind: Calls of others that are made after it, before it is answered.
    """

    name: str
    id: str
    other: str
    setup: Program
    victim: Step
    before: tuple[Call, ...] = ()
    behind: tuple[Call, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """Every job that the scene is about."""
        more = (f"{self.id} {word}" for word in ("new", "more", "third", "probe"))
        return frozenset({self.id, self.other, *more})

    @property
    def is_of_many(self) -> bool:
        """Whether the victim changes more jobs than an engine takes at once."""
        return self.name.partition(",")[0].endswith(_OF_MANY)

    @property
    def writes(self) -> bool:
        """Whether the victim may change jobs."""
        return OPERATIONS[self.victim.method].writes

    @property
    def is_left_alone(self) -> bool:
        """Whether nobody but the victim changes what shows whether it has taken effect."""
        looked_at = {id_ for look in self.looks for id_ in look.job_ids}
        return all(looked_at.isdisjoint(call.job_ids) for call in (*self.before, *self.behind))

    @property
    def leases(self) -> bool:
        """Whether it is about leases."""
        return self.has_lease or OPERATIONS[self.victim.method].is_of_leases

    @property
    def purges(self) -> bool:
        """Whether the victim deletes jobs that it does not name."""
        operation = OPERATIONS[self.victim.method]
        return operation.counts_jobs and operation.writes

    @property
    def finished(self) -> tuple[CollectionJob, ...]:
        """The jobs that a purge is to delete, all of them or none."""
        return tuple(
            replace(_job(self.id, word), status=status, finished_at=_LONG_AGO)
            for word, status in (("new", JobStatus.COMPLETED), ("more", JobStatus.CANCELLED))
        )

    @property
    def filling(self) -> Program:
        """Saves what a purge of many deletes besides: between its two jobs in every order."""
        if not (self.purges and self.is_of_many):
            return ()
        new, more = self.finished
        return tuple(
            Step("save", (replace((new, more)[number % 2], id=f"{more.id} {number}"),))
            for number in range(_MORE_THAN_A_BATCH)
        )

    @property
    def has_lease(self) -> bool:
        """Whether the victim is called under a lease."""
        return _LEASE in self.victim.arguments

    @property
    def looks(self) -> tuple[Call, ...]:
        """What shows whether the victim has taken effect."""
        jobs = (Call("get_by_id", (id_,)) for id_ in (self.id, f"{self.id} new"))
        # A renewal shows nowhere else.
        return (*jobs, *(Call("get_lease", (id_,)) for id_ in (self.id,) if self.leases))

    @property
    def beside(self) -> tuple[Call, ...]:
        """A change that the victim has no part in."""
        return (Call("add_failed_symbol", (self.other, "S3", "beside")),)

    @property
    def follow_ups(self) -> tuple[Call, ...]:
        """What is asked of the same repository afterwards; it must answer all of it."""
        named = jobs_named(self.victim.method, self.victim.arguments)
        ids = self.ids
        several = (job for job in named if len(named) > 1 and id_of(job) in ids)
        finished = self.finished if self.purges else ()
        # What a cancelled read has left open may show the next read what was there before a change.
        change = Call("add_failed_symbol", (self.id, "S3", "at once"))
        return (
            *(() if self.writes else (change,)),
            # Twice: one that is gone while another is still there may be followed by that.
            *(Call("get_by_id", (job.id,)) for job in (*finished, *finished)),
            *(Call("get_by_id", (job.id,)) for job in several if isinstance(job, CollectionJob)),
            Call("get_by_id", (self.id,)),
            *(Call("get_lease", (id_,)) for id_ in (self.id, self.other) if self.leases),
            Call("get_stats", (self.id,)),
            Call("list_by_status", (JobStatus.PENDING, _ALL)),
            Call("list_by_status", (JobStatus.RUNNING, _ALL)),
            Call("get_by_id", (self.id,)),
            Call("get_stats", (self.id,)),
            Call("update_status", (self.other, JobStatus.RUNNING)),
            Call("add_failed_symbol", (self.id, "S4", "after")),
            Call("get_by_id", (self.id,)),
            *self.probes,
        )

    @property
    def probes(self) -> tuple[Call, ...]:
        """Changes of a new job, and what they did: a lock that stayed held shows with a change."""
        id_ = f"{self.id} probe"
        return (
            Call("save", (_job(self.id, "probe"),)),
            Call("update_status", (id_, JobStatus.RUNNING)),
            Call("add_failed_symbol", (id_, "S4", "probe")),
            Call("get_by_id", (id_,)),
            Call("delete", (id_,)),
        )

    @property
    def elsewhere(self) -> tuple[Call, ...]:
        """What is asked of another handle on the same store."""
        return (
            Call("get_by_id", (self.id,)),
            Call("add_failed_symbol", (self.other, "S4", "elsewhere")),
        )


def _job(id_: str, *words: str) -> CollectionJob:
    """Return a job of a scene; the source is the scene's, so that no other scene claims it."""
    created_at = datetime(2024, 3, 1, tzinfo=UTC)
    return example_job(
        " ".join((id_, *words)),
        source=id_,
        symbols=_SYMBOLS,
        created_at=created_at,
        completed_symbols={"S0": 500},
        failed_symbols={"S1": "boom"},
        metadata={"ticket": "T-1", "Ticket": ""},
    )


_BETWEEN = tuple(
    example_job(f"between {number}", status=JobStatus.CANCELLED)  # which no scene lists
    for number in range(_MORE_THAN_A_BATCH)
)


def _victims(id_: str) -> dict[str, Step]:
    """Every method; those that write, in every way that may take steps of its own."""
    replaced = example_job(
        id_, source=id_, symbols=_SYMBOLS, timeframe="4h", completed_symbols={"S2": 7}
    )
    changed = Held("copy", (Change("with_completed_symbol", ("S2", 7)),))
    new, more = _job(id_, "new"), _job(id_, "more")
    special = {
        "save": {
            "save of a new job": Step("save", (_job(id_, "new"),)),
            "save over a job": Step("save", (replaced,)),
            "save of a copy": Step("save", (changed,)),
        },
        "save_many": {
            "save_many": Step("save_many", ((new, changed, more),)),
            f"save_many{_OF_MANY}": Step("save_many", ((new, *_BETWEEN, changed, more),)),
        },
        "add": {"add of a new job": Step("add", (_job(id_, "new"),))},
        "add_many": {
            "add_many": Step("add_many", ((new, _job(id_), more),)),
            f"add_many{_OF_MANY}": Step("add_many", ((new, *_BETWEEN, more),)),
        },
        "claim_next": {
            "claim_next": Step("claim_next", ("worker", _TTL, id_, None)),
        },
        "renew": {
            "renew": Step("renew", (_LEASE, 2 * _TTL)),
            "add_failed_symbol under a lease": Step(
                "add_failed_symbol", (id_, "S2", "timeout", _LEASE)
            ),
        },
    }
    victims = dict[str, Step]()
    for one in OPERATIONS.values():
        plain = one.step(id_, symbol=_symbol(one), limit=_ALL)
        victims |= special.get(one.name, {one.name: plain})
        if one.counts_jobs and one.writes:
            victims[f"{one.name}{_OF_MANY}"] = plain
    return victims


def _symbol(operation: Operation) -> str:
    """Return the symbol that a call is about: an outcome replaces one of the other kind."""
    if operation.takes("until"):
        return "S2"  # what is completed has no cursor any more, and the call would change nothing
    return "S1" if operation.takes("candles") else "S0"


_OF_MANY = " of many"
_COMPANIES = _ALONE, _LEADING, _IN_A_CROWD = ", alone", ", ahead of others", ", among others"


def scenes(capabilities: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the names of all scenes: every victim alone and in a crowd, writers ahead of others.

    Where calls that wait are done together, the victim ahead of others does their work, and one in
    a crowd has its work done by another.

    Args:
        capabilities: What the adapter can do beyond the nine methods.
    """
    methods = {one.name for one in operations(capabilities)}
    known = {
        name: one
        for name, one in _victims("a").items()
        if one.method in methods and (_LEASE not in one.arguments or LEASES in capabilities)
    }
    of_few = (
        f"{name}{company}"
        for company in _COMPANIES
        for name, step in known.items()
        if not name.endswith(_OF_MANY)
        if company != _LEADING or _leads(step)
    )
    # Last, since the jobs that they leave make every listing of a scene after them longer.
    of_many = (f"{name}{_ALONE}" for name in known if name.endswith(_OF_MANY))
    return (*of_few, *of_many)


def _leads(step: Step) -> bool:
    """Whether a call may do the work of others: it writes, and is none of several much alike."""
    operation = OPERATIONS[step.method]
    return operation.writes and not (operation.creates or operation.is_of_leases)


def scene(name: str, id_: str) -> Scene:
    """Return the scene of that name, about a job of that id and some whose ids begin with it."""
    other = f"{id_} other"
    setup: Program = (
        Step("save", (_job(id_),)),
        Step("save", (_job(id_, "other"),)),
        Step("get_by_id", (id_,), keep="copy"),
    )
    what = name.partition(",")[0]
    company = name.removeprefix(what)
    plain = Scene(name, id_, other, setup, _victims(id_)[what])
    if plain.purges:
        setup = (*setup, *(Step("save", (job,)) for job in plain.finished))
    if plain.has_lease:
        setup = (*setup, Step("claim", (id_, "worker", _TTL), keep="lease"))
    if company == _ALONE:
        return replace(plain, setup=setup)
    before = (
        Call("add_failed_symbol", (other, "S2", "first")),
        Call("save", (_job(id_, "third"),)),
    )
    behind = (Call("get_by_id", (other,)), Call("add_failed_symbol", (other, "S3", "third")))
    if company == _IN_A_CROWD:  # which waits for all of these, and is not waited for by any
        third = Call("add_failed_symbol", (f"{id_} third", "S3", "second"))
        return replace(plain, setup=setup, before=before, behind=(third, *behind))
    second = Call("add_failed_symbol", (id_, "S3", "second"))
    return replace(plain, setup=setup, behind=(second, *behind))
