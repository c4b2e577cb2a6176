"""The registry of operations is complete: what is forgotten of a method is named, with its place.

`test_made_up_capability` leaves out one part of a capability after another, and expects that a
test of this module fails and says where it goes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from collection_jobs import (
    CollectionJobRepository,
    JobStatus,
    capabilities,
    leasing,
    protocol,
)
from collection_jobs.conformance.spec.answers import DELETION
from collection_jobs.conformance.spec.calls import (
    Call,
    Outcome,
    Step,
    example_job,
    example_lease,
    id_of,
)
from collection_jobs.conformance.spec.capabilities import METHODS, NINE, PROTOCOLS, REDECLARING
from collection_jobs.conformance.spec.laws import LAWS
from collection_jobs.conformance.spec.model import (
    ABSENT,
    Facts,
    JobState,
    Judgement,
    LeaseState,
    facts_of,
)
from collection_jobs.conformance.spec.operations import (
    OPERATIONS,
    Laws,
    Operation,
    judge,
    judge_call,
    operations,
)
from collection_jobs.conformance.spec.parameters import kind_of, wrong_values
from collection_jobs.conformance.spec.signatures import SIGNATURES, as_given, jobs_named

EVERY = frozenset(PROTOCOLS)
NOW = datetime.now(UTC)
KIT = "collection_jobs/conformance"

by_method = pytest.mark.parametrize("method", [*NINE, *METHODS])
by_entry = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda one: one.name)


def owner(method: str) -> Any:
    return PROTOCOLS[METHODS[method]] if method in METHODS else CollectionJobRepository


# The methods


def test_every_optional_protocol_is_known_to_the_kit() -> None:
    combined = {each.__name__ for each in REDECLARING.values()}
    for name in (*protocol.__all__, *capabilities.__all__, *leasing.__all__):
        assert name == "CollectionJobRepository" or name in {*PROTOCOLS, *combined}, (
            f"{name} is not known: add it to PROTOCOLS in {KIT}/spec/capabilities.py"
        )


@by_method
def test_every_method_has_an_entry(method: str) -> None:
    assert method in OPERATIONS, f"{method} has no entry: add it to {KIT}/spec/operations.py"


@by_entry
def test_every_entry_is_of_a_method(operation: Operation) -> None:
    assert operation.name in SIGNATURES, (
        f"{operation.name} is no method of a known Protocol: see {KIT}/spec/capabilities.py"
    )
    assert operation.capability == METHODS.get(operation.name)


@by_entry
def test_an_entrys_parameters_are_those_of_the_signature(operation: Operation) -> None:
    declared = getattr(owner(operation.name), operation.name)
    redeclared = REDECLARING.get(operation.name)
    signature = inspect.signature(declared)
    parameters = list(signature.parameters.values())[1:]
    always = operation.parameters_of(())
    assert [one.name for one in always] == [one.name for one in parameters]
    if redeclared is not None:
        signature = inspect.signature(getattr(redeclared, operation.name))
        parameters = list(signature.parameters.values())[1:]
    assert [one.name for one in operation.parameters] == [one.name for one in parameters]
    assert [one.is_required for one in operation.parameters] == [
        one.default is one.empty for one in parameters
    ]
    everything = {one.name: kind_of(one.name).example("a", 0) for one in operation.parameters}
    for arguments in (operation.arguments(), operation.arguments(**everything)):
        by_position, by_name = as_given(operation.name, arguments)
        signature.bind(None, *by_position, **by_name)
    assert {*operation.rivals, *operation.usual} <= everything.keys()


@by_method
def test_every_parameter_has_a_kind_with_wrong_values(method: str) -> None:
    for parameter in SIGNATURES[method]:
        try:
            wrong = wrong_values(parameter)
        except LookupError:
            pytest.fail(
                f"nothing is known of the parameter {parameter.name} of {method}: add it to"
                f" {KIT}/spec/parameters.py"
            )
        assert wrong, f"{method} refuses no {parameter.name}: see {KIT}/spec/parameters.py"


# The laws


def laws_of(laws: Laws) -> set[str]:
    named = (getattr(laws, name) for name in Laws.__slots__)
    return {law for law in named if law is not None}


@by_entry
def test_the_laws_of_an_entry_are_in_the_catalog(operation: Operation) -> None:
    named = laws_of(operation.laws)
    if operation.listing is not None:
        named |= {operation.listing.law, operation.listing.paging_law}
    for law in sorted(named):
        assert law in LAWS, f"{law} of {operation.name} is no law: add it to {KIT}/spec/laws.py"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_optional_protocol_has_a_law(name: str) -> None:
    laws = [law.id for law in LAWS.values() if law.capability == name]
    assert laws, f"{name} has no law: add it to {KIT}/spec/laws.py"


@pytest.mark.parametrize("law", LAWS)
def test_every_law_is_examined_by_a_check(law: str) -> None:
    from collection_jobs.conformance.checks.registry import CHECKS

    assert any(law in check.laws for check in CHECKS), (
        f"no check examines {law}: add it to one in {KIT}/checks/registry.py"
    )


@by_entry
def test_the_law_of_a_methods_answers_is_examined_with_one_caller(operation: Operation) -> None:
    law = operation.laws.answer
    assert law in examined_by("one caller"), (
        f"{law} of {operation.name} is not examined with one caller: add it to the laws of that"
        f" check in {KIT}/checks/registry.py"
    )


@by_entry
def test_the_laws_of_concurrent_changes_are_examined_by_interleavings(
    operation: Operation,
) -> None:
    laws = operation.laws
    for law in (laws.one_winner, laws.lost, laws.losing, laws.one_instant):
        # That of two deletions one wins is a part of what DELETE-1 says of each.
        if law is not None and law != "DELETE-1":
            assert law in examined_by("interleavings"), (
                f"{law} of {operation.name} is not examined with several callers: add it to the"
                f" laws of interleavings in {KIT}/checks/registry.py"
            )


def test_every_law_of_several_callers_is_of_a_method() -> None:
    named = {law for one in OPERATIONS.values() for law in laws_of(one.laws)}
    for law in sorted(examined_by("interleavings") - named):
        pytest.fail(f"no method can break {law}: add it to an entry in {KIT}/spec/operations.py")


def examined_by(name: str) -> frozenset[str]:
    from collection_jobs.conformance.checks.registry import CHECKS

    return next(check.laws for check in CHECKS if check.name == name)


# The oracle


def states() -> Iterator[JobState]:
    """A job in every status, with and without outcomes; and none."""
    yield ABSENT
    outcomes: tuple[dict[str, Any], ...] = (
        {},
        {"completed_symbols": {"BTC": 5}},
        {"failed_symbols": {"BTC": "boom"}},
    )
    for status in JobStatus:
        for fields in outcomes:
            job = example_job("a", status=status, **fields)
            yield JobState(facts_of(job), 1, 1)
    yield JobState(facts_of(example_job("a", status=JobStatus.RUNNING)), 1, 1, lease=LEASED)


STRANGER = example_lease("a")
LEASED = LeaseState(worker=STRANGER.worker, token=STRANGER.token)


def returned(value: object) -> Outcome:
    return Outcome(NOW, NOW, value)


def judged(state: JobState, call: Call, operation: Operation) -> Judgement:
    """What the oracle says of a call that succeeded, of which it is told that the job was its."""
    if call.job_is_in_answer:
        return judge(state, call, returned(operation.success))
    after, breaches = judge_call({"a": state}, call, returned(operation.success))
    return after["a"], tuple(breaches)


@by_entry
def test_the_oracle_has_an_answer_for_every_method(operation: Operation) -> None:
    assert (operation.effect == "lists") is (operation.listing is not None), operation.name
    assert (operation.effect in ("lists", "counts")) is (operation.judge is None), (
        f"the oracle cannot judge {operation.name}: its entry in {KIT}/spec/operations.py names"
        " no function"
    )
    for state in states():
        judge_call({"a": state}, operation.call("a"), returned(operation.success))


@pytest.mark.parametrize("operation", [one for one in OPERATIONS.values() if one.writes])
def test_a_change_that_succeeds_is_right_for_some_job(operation: Operation) -> None:
    call = operation.call("a")
    right = [
        after
        for state in states()
        for after, breaches in [judged(state, call, operation)]
        if not breaches
    ]
    assert right, f"no state of a job has {call} return {operation.success}"


@pytest.mark.parametrize("operation", [one for one in OPERATIONS.values() if one.writes])
@pytest.mark.parametrize("number", range(3))
def test_an_entry_tells_all_that_a_change_gives(operation: Operation, number: int) -> None:
    call = operation.call("a", number)
    for state in states():
        after, breaches = judged(state, call, operation)
        if breaches:
            continue
        for gift in given(state.facts, after.facts):
            assert gift in set(operation.gives(call)), (
                f"{call} gives {gift}, and the entry of {operation.name} in"
                f" {KIT}/spec/operations.py does not say so"
            )


def given(before: Facts | None, after: Facts | None) -> Iterator[object]:
    """What a read can show after a change and not before it."""
    if after is None:
        yield from () if before is None else (DELETION,)
        return
    if before is None or before.status != after.status:
        yield after.status
    yield from after.completed_symbols - (
        frozenset() if before is None else before.completed_symbols
    )
    yield from after.failed_symbols - (frozenset() if before is None else before.failed_symbols)


# The checks


@by_method
def test_every_argument_can_be_drawn(method: str) -> None:
    from collection_jobs.conformance.checks.sequential.strategies import HOSTILE

    operation = OPERATIONS[method]
    for parameter in operation.parameters:
        kind = kind_of(parameter.name)
        if kind.name != "job":  # a save has a rule of its own
            assert kind.name in HOSTILE, (
                f"nothing draws a {kind.name} for {method}: add it to HOSTILE in"
                f" {KIT}/checks/sequential/strategies.py"
            )
        if operation.writes and parameter.is_required:
            assert kind.few or kind.holds_ids, (
                f"there are no few values of a {kind.name} for {method}: see"
                f" {KIT}/spec/parameters.py"
            )


def methods_of(steps: Iterator[Step | Call]) -> set[str]:
    return {step.method for step in steps}


@by_method
def test_every_method_is_in_every_check(method: str) -> None:
    for check, methods in made_from_the_registry().items():
        assert method in methods, f"{check} never calls {method}"


def made_from_the_registry() -> dict[str, set[str]]:
    """What each check calls, on an adapter that has every capability."""
    from collection_jobs.conformance.checks.cancellation.scenarios import scene, scenes
    from collection_jobs.conformance.checks.faults.damage import calls_on_damage
    from collection_jobs.conformance.checks.interleavings.pairs import pairs
    from collection_jobs.conformance.checks.network.deeds import calls_of
    from collection_jobs.conformance.checks.sequential.fixed_cases import fixed_programs
    from collection_jobs.conformance.checks.sequential.wrong_inputs import wrong_calls

    paired = (
        step for one in pairs(capabilities=EVERY) for client in one.clients for step in client
    )
    fixed = (step for program in fixed_programs(EVERY) for step in program)
    return {
        "the fixed cases": methods_of(fixed),
        "the wrong inputs": {*methods_of(call for call, _, _ in wrong_calls(EVERY))}
        | {one.name for one in OPERATIONS.values() if not one.parameters},
        "the interleavings": methods_of(paired),
        "the cancelled calls": {scene(name, "a").victim.method for name in scenes(EVERY)},
        "the damaged stores": methods_of(iter(calls_on_damage(EVERY))),
        "a failing network": set(calls_of("a", EVERY)),
    }


@pytest.mark.parametrize("operation", [one for one in operations(EVERY) if one.capability])
def test_the_rounds_of_an_entrys_laws_call_it(operation: Operation) -> None:
    from collection_jobs.conformance.checks.contention.workloads import rounds

    laws = operation.laws
    about = [one for one in rounds(0, 2, EVERY) if one.kind.startswith(f"{operation.name} ")]
    assert bool(about) is bool(laws.lost or laws.one_winner or laws.one_instant)
    for round_ in about:
        assert any(operation.name == step.method for one in round_.clients for step in one)


@by_entry
def test_every_job_that_a_plain_call_names_is_the_given_one(operation: Operation) -> None:
    named = jobs_named(operation.name, operation.arguments("some job"))
    assert set(map(id_of, named)) <= {"some job"}
    names_none = operation.effect == "lists" or operation.counts_jobs or operation.picks
    assert bool(named) is not names_none
