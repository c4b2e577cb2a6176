"""The registry of operations: one entry for each method, from which every check derives.

An entry says what is particular to a method: how the oracle judges it, which laws its wrong
answers break, what it changes. The rest follows from its signature (`signatures`) and the kinds of
its parameters (`parameters`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, cast

from collection_jobs.conformance.spec.additions import (
    judge_added_part,
    judge_addition,
    judge_all_added,
)
from collection_jobs.conformance.spec.answers import (
    Possible,
    gives_completion,
    gives_deletion,
    gives_failure,
    gives_jobs,
    gives_running,
    gives_status,
    if_absent,
    if_counted,
    if_found,
    if_permitted,
    if_stored,
)
from collection_jobs.conformance.spec.calls import UNSEEN, Call, Outcome, Step
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS
from collection_jobs.conformance.spec.findings import Violation
from collection_jobs.conformance.spec.judge import (
    judge_completion,
    judge_deletion,
    judge_failure,
    judge_read,
    judge_stats,
    judge_status,
)
from collection_jobs.conformance.spec.leasing import (
    judge_claim,
    judge_claim_next,
    judge_fenced,
    judge_lease,
    judge_renewal,
)
from collection_jobs.conformance.spec.listings import (
    BEHIND_A_KEY,
    FOUND,
    MOST_RECENT,
    OF_A_STATUS,
    RUNNING,
    Listing,
)
from collection_jobs.conformance.spec.model import (
    ABSENT,
    JobState,
    Judgement,
)
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.conformance.spec.purging import (
    judge_purge,
    judge_purge_by_age,
    judge_purged,
)
from collection_jobs.conformance.spec.queries import judge_count
from collection_jobs.conformance.spec.recording import judge_cursor, judge_permanent_failure
from collection_jobs.conformance.spec.saves import judge_part, judge_save, judge_whole
from collection_jobs.conformance.spec.signatures import (
    COUNTS_JOBS,
    SIGNATURES,
    TAKES_A_JOB,
    CallParameter,
)
from collection_jobs.errors import (
    JobNotFoundError,
    LeaseLostError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.status import JobStatus

__all__ = [
    "CONCURRENT_LAWS",
    "OPERATIONS",
    "Laws",
    "Operation",
    "judge",
    "judge_call",
    "judge_ways",
    "listing_of",
    "operations",
    "part_of",
]

Judge = Callable[[JobState, Call, Outcome], Judgement]
JudgeAmong = Callable[
    [Mapping[str, JobState], Call, Outcome], tuple[dict[str, JobState], list[Violation]]
]


@dataclass(frozen=True, slots=True)
class Laws:
    """The laws that concurrent calls of a method, or an error of it, can break.

    Attributes:
        answer: Broken by an error, or an answer, that no other law is about.
        one_winner: Broken when two rivals both return True.
        condition: Broken when a revision that was asked for is not the store's in any order.
        lost: Broken when its change was acknowledged, and is lost to a concurrent one.
        losing: Broken when a concurrent change is lost to it.
        one_instant: Broken when its changes of several jobs are seen apart.
        view: Broken when what it showed was so at no instant of the call.
    """

    answer: str
    one_winner: str | None = None
    condition: str | None = None
    lost: str | None = None
    losing: str | None = None
    one_instant: str | None = None
    view: str = "ATOMIC-1"


def _no_whole(call: Call, outcome: Outcome) -> tuple[Violation, ...]:
    return ()


def _nothing(call: Call) -> Iterator[object]:
    return iter(())


def _undecided(call: Call, outcome: Outcome) -> Possible | None:
    return None


def _is_false(value: object) -> bool:
    return value is False


def _is_zero(value: object) -> bool:
    return value == 0


def _is_none(value: object) -> bool:
    return value is None


def _none_is_true(value: object) -> bool:
    return isinstance(value, list) and True not in cast("list[object]", value)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of the contract, or of an optional Protocol.

    Attributes:
        name: The method's name.
        effect: Whether it reads or writes jobs, or lists or counts those that match.
        laws: The laws that it can break.
        judge: Judges its part for one job; None where it lists or counts jobs.
        listing: What it shows where it is a listing.
        judge_whole: Judges what of a call is about none of the jobs that it names.
        judge_among: Judges a call that names no job, by all the jobs that it could be about.
        judge_otherwise: Judges the same, where the contract can be read in another way as well.
        success: What it returns when it changes something.
        unchanged: Tells whether an answer says that nothing was changed.
        late: What it returns to the one of two rivals that comes second.
        creates: Whether it does something only where there is no such job yet.
        answers_each: Whether it returns an answer for each of the jobs that it is given.
        refusals: The errors that the contract has it raise.
        rivals: The parameters, beside those that name jobs, in which two calls agree that are
            after the same change.
        usual: For its plain call, the arguments that are other than their kind's example.
        gives: What a later read can show only after a call that gives it: a status, the outcome
            of a symbol, `DELETION`. What is left out makes a right history look impossible.
        possible: What can be told of an answer at a glance, before the oracle is asked.
    """

    name: str
    effect: Literal["reads", "writes", "lists", "counts"]
    laws: Laws
    judge: Judge | None = None
    listing: Listing | None = None
    judge_whole: Callable[[Call, Outcome], tuple[Violation, ...]] = _no_whole
    judge_among: JudgeAmong | None = None
    judge_otherwise: JudgeAmong | None = None
    success: object = None
    unchanged: Callable[[object], bool] = _is_false
    late: object = False
    creates: bool = False
    answers_each: bool = False
    refusals: tuple[type[Exception], ...] = ()
    rivals: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gives: Callable[[Call], Iterable[object]] = _nothing
    possible: Callable[[Call, Outcome], Possible | None] = _undecided

    @property
    def capability(self) -> str | None:
        """The optional Protocol that it belongs to; None for the nine."""
        return METHODS.get(self.name)

    @property
    def parameters(self) -> tuple[CallParameter, ...]:
        """Its parameters, in their order."""
        return SIGNATURES[self.name]

    def parameters_of(self, capabilities: Collection[str]) -> tuple[CallParameter, ...]:
        """Return those of its parameters that an adapter with these capabilities takes."""
        return tuple(
            one
            for one in self.parameters
            if one.capability is None or one.capability in capabilities
        )

    @property
    def picks(self) -> bool:
        """Whether it picks its job itself, so that only its answer names it."""
        return self.name in TAKES_A_JOB

    @property
    def counts_jobs(self) -> bool:
        """Whether it is about whichever jobs match, and tells only how many there are."""
        return self.name in COUNTS_JOBS

    @property
    def needs_lease(self) -> bool:
        """Whether it does nothing without a lease, which an earlier call has to give."""
        return any(one.name == "lease" and one.is_required for one in self.parameters)

    @property
    def is_of_leases(self) -> bool:
        """Whether it is about leases, which programs of their own try."""
        return self.capability == LEASES

    @property
    def writes(self) -> bool:
        """Whether it may change jobs."""
        return self.effect == "writes"

    def takes(self, parameter: str) -> bool:
        """Return whether it has a parameter of that name."""
        return any(one.name == parameter for one in self.parameters)

    def arguments(self, job_id: str = "a", number: int = 0, /, **given: Any) -> tuple[Any, ...]:
        """Return the arguments of a plain call.

        Args:
            job_id: The job that it is about, where it names one.
            number: Another number gives another call, where a parameter has several examples.
            given: Arguments by name; those that the method has no parameter for are left out.
        """
        values = list[Any]()
        length = 0
        for parameter in self.parameters:
            is_given = parameter.name in given
            if is_given:
                values.append(given[parameter.name])
            elif parameter.name in self.usual:
                values.append(self.usual[parameter.name])
            else:
                values.append(kind_of(parameter.name).example(job_id, number))
            if is_given or parameter.is_required:
                length = len(values)
        return tuple(values[:length])

    def call(self, job_id: str = "a", number: int = 0, /, **given: Any) -> Call:
        """Return a plain call; the arguments are those of `arguments`."""
        return Call(self.name, self.arguments(job_id, number, **given))

    def step(self, job_id: str = "a", number: int = 0, /, **given: Any) -> Step:
        """Return a plain call as a step of a program; the arguments are those of `arguments`."""
        return Step(self.name, self.arguments(job_id, number, **given))


_UNKNOWN = (JobNotFoundError, UnknownSymbolError, LeaseLostError)
_ENTRIES = (
    Operation(
        "save",
        "writes",
        Laws("SAVE-2", condition="SAVE-3"),
        judge_save,
        refusals=(StaleJobError,),
        gives=gives_jobs,
    ),
    Operation("get_by_id", "reads", Laws("GET-1"), judge_read),
    Operation(
        "delete",
        "writes",
        Laws("DELETE-1", one_winner="DELETE-1", lost="DELETE-1"),
        judge_deletion,
        success=True,
        gives=gives_deletion,
        possible=if_stored,
    ),
    Operation("list_by_status", "lists", Laws("LIST-1"), listing=OF_A_STATUS),
    Operation("list_recent", "lists", Laws("RECENT-1"), listing=MOST_RECENT),
    Operation("get_running_jobs", "lists", Laws("RUNNING-1"), listing=RUNNING),
    Operation(
        "update_status",
        "writes",
        Laws("STATUS-1", one_winner="STATUS-2"),
        judge_status,
        success=True,
        refusals=(LeaseLostError,),
        rivals=("status",),
        usual={"status": JobStatus.RUNNING},
        gives=gives_status,
        possible=if_permitted,
    ),
    Operation(
        "add_failed_symbol",
        "writes",
        Laws("FAILED-1", lost="FAILED-2", losing="FAILED-2"),
        judge_failure,
        refusals=_UNKNOWN,
        gives=gives_failure,
        possible=if_found,
    ),
    Operation(
        "get_stats", "reads", Laws("STATS-1", view="STATS-1"), judge_stats, possible=if_counted
    ),
    Operation(
        "add_completed_symbol",
        "writes",
        Laws("COMPLETED-1", lost="COMPLETED-2", losing="COMPLETED-2"),
        judge_completion,
        refusals=_UNKNOWN,
        gives=gives_completion,
        possible=if_found,
    ),
    Operation(
        "save_many",
        "writes",
        Laws("MANY-1", condition="MANY-1", one_instant="MANY-3"),
        judge_part,
        judge_whole=judge_whole,
        refusals=(StaleJobError,),
        gives=gives_jobs,
    ),
    Operation("list_after", "lists", Laws("KEY-1"), listing=BEHIND_A_KEY),
    Operation(
        "add",
        "writes",
        Laws("ADD-1", one_winner="ADD-2"),
        judge_addition,
        success=True,
        creates=True,
        gives=gives_jobs,
        possible=if_absent,
    ),
    Operation(
        "add_many",
        "writes",
        Laws("ADD-3", lost="ADD-2", one_instant="ADD-3"),
        judge_added_part,
        judge_whole=judge_all_added,
        success=UNSEEN,
        unchanged=_none_is_true,
        creates=True,
        answers_each=True,
        gives=gives_jobs,
    ),
    Operation(
        "claim_next",
        "writes",
        Laws("LEASE-1", one_winner="LEASE-2", view="LEASE-1"),
        judge_claim,
        judge_among=judge_claim_next,
        success=UNSEEN,
        unchanged=_is_none,
        late=None,
        gives=gives_running,
    ),
    Operation(
        "claim",
        "writes",
        Laws("LEASE-1", one_winner="LEASE-2", view="LEASE-1"),
        judge_claim,
        success=UNSEEN,
        unchanged=_is_none,
        late=None,
        gives=gives_running,
    ),
    Operation(
        "renew",
        "writes",
        Laws("LEASE-4"),
        judge_renewal,
        success=UNSEEN,
        refusals=(LeaseLostError,),
    ),
    Operation("get_lease", "reads", Laws("LEASE-3", view="LEASE-3"), judge_lease),
    Operation(
        "add_failure",
        "writes",
        Laws("FAILURE-1", lost="FAILURE-2", losing="FAILURE-2"),
        judge_permanent_failure,
        refusals=_UNKNOWN,
        gives=gives_failure,
        possible=if_found,
    ),
    Operation(
        "set_cursor",
        "writes",
        Laws("CURSOR-1", lost="CURSOR-1", losing="CURSOR-1"),
        judge_cursor,
        refusals=(*_UNKNOWN, ValueError),
    ),
    Operation("find", "lists", Laws("FIND-1", view="FIND-2"), listing=FOUND),
    Operation("count", "counts", Laws("FIND-3", view="FIND-3"), judge_among=judge_count),
    Operation(
        "delete_finished",
        "writes",
        Laws("PURGE-1", losing="PURGE-1"),
        judge_purged,
        judge_among=judge_purge,
        judge_otherwise=judge_purge_by_age,
        success=UNSEEN,
        unchanged=_is_zero,
        gives=gives_deletion,
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({one.name: one for one in _ENTRIES})
"""Every operation by its method's name: the nine in the contract's order, then those beyond."""


def _laws_of_several_callers(operation: Operation) -> set[str | None]:
    laws = operation.laws
    # Who wins is a law of several callers where the method's answers have another of their own.
    one_winner = laws.one_winner if laws.one_winner != laws.answer else None
    return {one_winner, laws.losing, laws.one_instant}


CONCURRENT_LAWS = frozenset({"ATOMIC-1"}).union(
    law for one in _ENTRIES for law in _laws_of_several_callers(one) if law is not None
)
"""The laws that several callers show to be broken, or each of many calls that meet."""


def operations(capabilities: Collection[str] = frozenset()) -> tuple[Operation, ...]:
    """Return the operations of an adapter that can do this beyond the nine methods."""
    return tuple(
        one
        for one in OPERATIONS.values()
        if one.capability is None or one.capability in capabilities
    )


# By method at once, for long histories ask at every call.
_LISTINGS = {one.name: one.listing for one in _ENTRIES if one.listing is not None}
_JUDGES = {one.name: one.judge for one in _ENTRIES if one.judge is not None}
_FENCES = {
    method: at
    for method, parameters in SIGNATURES.items()
    for at, one in enumerate(parameters)
    if one.name == "lease" and not one.is_required
}
"""For each method that takes a lease if it is given one, the place of that argument."""


def listing_of(call: Call) -> Listing:
    """Return what a listing shows."""
    return _LISTINGS[call.method]


def judge(state: JobState, call: Call, outcome: Outcome) -> Judgement:
    """Judge one call on one job.

    Args:
        state: What is known of the job before the call.
        call: A call that names this job and no other, or the part of one that is about it.
        outcome: What came of it.

    Returns:
        The state afterwards, and the laws that were broken (none: the call kept the contract).
        After a violation the state is what the contract asks for, not what the store then holds.
    """
    at = _FENCES.get(call.method)
    if at is not None and len(call.arguments) > at:
        fenced = judge_fenced(state, call.arguments[at], call, outcome)
        if fenced is not None:
            return fenced
    return _JUDGES[call.method](state, call, outcome)


def part_of(call: Call, job_id: str, outcome: Outcome) -> Outcome:
    """Return what came of the part of a call that is about one of its jobs."""
    answers = _answers_by_id(call, outcome)
    return outcome if answers is None else replace(outcome, value=answers.get(job_id, []))


def _answers_by_id(call: Call, outcome: Outcome) -> dict[str, list[object]] | None:
    """Return the answers for each job, in one pass; None where there is one for all of them."""
    value: Any = outcome.value
    if not OPERATIONS[call.method].answers_each or not isinstance(value, list):
        return None
    by_id = dict[str, list[object]]()
    for answer, job in zip(cast("list[object]", value), call.jobs, strict=False):
        by_id.setdefault(job.id, []).append(answer)
    return by_id


def judge_call(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> tuple[dict[str, JobState], list[Violation]]:
    """Judge one call on all the jobs that it names or shows, with nothing else under way.

    Args:
        states: What is known of every id that was ever used.
        call: The call.
        outcome: What came of it.

    Returns:
        The states of the jobs that it names, and the laws that were broken.
    """
    operation = OPERATIONS[call.method]
    if operation.listing is not None:
        return {}, list(operation.listing.judge(states, call, outcome))
    if operation.judge_among is not None:
        return operation.judge_among(states, call, outcome)
    after = dict[str, JobState]()
    violations = list(operation.judge_whole(call, outcome))
    answers = _answers_by_id(call, outcome)
    for job_id, part in call.parts().items():
        told = outcome if answers is None else replace(outcome, value=answers.get(job_id, []))
        after[job_id], found = judge(states.get(job_id, ABSENT), part, told)
        # A person is told of the whole call, not of the part.
        violations += [
            one._replace(
                values=tuple(_of_whole(it, part, call, told, outcome) for it in one.values)
            )
            for one in found
        ]
    return after, violations


def judge_ways(
    states: Mapping[str, JobState], call: Call, outcome: Outcome
) -> Iterator[tuple[dict[str, JobState], list[Violation]]]:
    """Judge one call as `judge_call` does, in each way in which the contract can be read."""
    yield judge_call(states, call, outcome)
    otherwise = OPERATIONS[call.method].judge_otherwise
    if otherwise is not None:
        yield otherwise(states, call, outcome)


def _of_whole(it: object, part: Call, call: Call, told: Outcome, outcome: Outcome) -> object:
    if it is part:
        return call
    return outcome if it is told else it
