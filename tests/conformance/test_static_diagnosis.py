"""Each fault is told in one sentence, with what to change; what is right is left alone."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from collection_jobs import CollectionJob, InMemoryCollectionJobRepository, JobStatus
from collection_jobs.conformance.static.assignable import has_any, is_assignable, is_unrelated
from collection_jobs.conformance.static.contract import (
    ContractMethod,
    contract_methods,
    methods_beyond,
    methods_due,
)
from collection_jobs.conformance.static.diagnosis import method_faults
from collection_jobs.conformance.static.location import Location
from collection_jobs.conformance.static.probe import make_probe
from collection_jobs.conformance.static.report import Fault
from collection_jobs.conformance.static.runtime_signature import find_method, type_text

T = TypeVar("T", bound=CollectionJob)


def contract(name: str) -> ContractMethod:
    return next(method for method in contract_methods() if method.name == name)


def faults_of(value: Any, name: str) -> list[Fault]:
    cls = type("Jobs", (), {name: value})
    return method_faults(cls, contract(name), find_method(cls, name))


def told(value: Any, name: str) -> list[str]:
    return [f"{fault.message}: {fault.change}" for fault in faults_of(value, name)]


async def delete(self: object, job_id: str) -> bool:
    raise NotImplementedError


async def remove(self: object, identity: str) -> bool:
    raise NotImplementedError


def test_a_right_method_has_no_fault() -> None:
    assert faults_of(delete, "delete") == []


def test_a_renamed_parameter() -> None:
    assert told(remove, "delete") == [
        "the parameter job_id is named identity: rename identity to job_id"
    ]


def test_a_default_that_cannot_be_compared() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None  # type: ignore[assignment] # as for every class with __eq__ alone

        def __repr__(self) -> str:
            return "Odd()"

    odd: Any = Odd()

    async def get_running_jobs(self: object, limit: int = odd) -> list[CollectionJob]:
        raise NotImplementedError

    async def list_recent(
        self: object,
        limit: int = odd,
        since: datetime | None = None,
    ) -> list[CollectionJob]:
        raise NotImplementedError

    assert faults_of(get_running_jobs, "get_running_jobs") == []
    assert told(list_recent, "list_recent") == [
        "limit defaults to Odd(), not 100: give limit the default 100"
    ]


def test_a_missing_method_with_a_near_name() -> None:
    cls = type("Jobs", (), {"list_by_state": delete})
    (fault,) = method_faults(cls, contract("list_by_status"), None)
    assert fault.message == "there is no list_by_status"
    assert fault.change == "rename list_by_state to list_by_status"


DELETE: Any = delete


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "delete is 3, not a method"),
        (property(DELETE), "delete is a property, not a method"),
        (functools.cached_property(DELETE), "delete is a cached_property, not a method"),
        (int, "delete is a class, not a method"),
        (staticmethod(DELETE), "delete is a staticmethod: it has no access to the repository"),
        (classmethod(DELETE), "delete is a classmethod: it has no access to the repository"),
        (functools.cache(DELETE), "functools.cache returns the same coroutine twice"),
    ],
)
def test_what_is_no_method(value: object, message: str) -> None:
    (fault,) = faults_of(value, "delete")
    assert fault.message.startswith(message), fault


def test_an_object_that_is_called_in_place_of_a_method_is_right() -> None:
    class Delete:
        async def __call__(self, job_id: str) -> bool:
            raise NotImplementedError

    assert faults_of(Delete(), "delete") == []


def test_types_that_cannot_be_evaluated_are_left_to_the_checkers() -> None:
    async def typed(self, job_id): ...  # type: ignore[no-untyped-def] # typed below

    typed.__annotations__ = {"job_id": "Unheard", "return": "Of"}
    assert [fault for fault in faults_of(typed, "delete") if fault.certain] == []


def test_a_signature_that_inspect_cannot_read() -> None:
    (fault,) = faults_of(dict.fromkeys, "delete")
    assert fault.kind == "unchecked"


@pytest.mark.parametrize(
    ("own", "wanted", "assignable", "unrelated"),
    [
        (bool, int, True, False),
        (int, bool, False, True),
        (str, object, True, False),
        (object, str, False, True),
        (int, float, True, False),
        (float, int, False, False),
        (JobStatus, str, True, False),
        (str, JobStatus, False, True),
        (int, int | None, True, False),
        (int | None, int, False, True),
        (list[int], list[int], True, False),
        (list[int], list[str], False, True),
        (list[bool], list[int], False, False),
        (dict[str, int], dict[str, str], False, False),
        (tuple[int, ...], list[int], False, True),
        (Literal[True], bool, True, False),
        (Literal["a"], int, False, False),
        (T, CollectionJob, True, False),
        (CollectionJob, T, True, False),
        (int, Awaitable[int], False, True),
        (Any, int, True, False),
    ],
)
def test_which_types_may_stand_for_which(
    own: Any, wanted: Any, assignable: bool, unrelated: bool
) -> None:
    assert is_assignable(own, wanted) is assignable
    assert is_unrelated(own, wanted) is unrelated


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Any, True),
        (list, True),
        (list[Any], True),
        (dict[str, Any] | None, True),
        (Coroutine[Any, Any, int], False),
        (Coroutine[Any, Any, list[Any]], True),
        (list[int], False),
        (object, False),
        (Callable[[int], str], False),
    ],
)
def test_where_any_hides(annotation: Any, expected: bool) -> None:
    assert has_any(annotation) is expected


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (type(None), "None"),
        (int, "int"),
        (CollectionJob | None, "CollectionJob | None"),
        (list[CollectionJob], "list[CollectionJob]"),
        ("collection_jobs.CollectionJob", "CollectionJob"),
        (Coroutine[Any, Any, datetime], "Coroutine[Any, Any, datetime]"),
    ],
)
def test_types_are_shown_as_people_write_them(annotation: object, text: str) -> None:
    assert type_text(annotation) == text


def test_the_contract_reads_as_the_abc_is_written() -> None:
    assert str(contract("list_recent")) == (
        "async def list_recent(self, limit: int = 100, since: datetime | None = None)"
        " -> list[CollectionJob]"
    )


def test_the_probe_knows_what_each_of_its_lines_speaks_of() -> None:
    probe = make_probe([("shop", "Jobs"), ("shop.stores", "Outer.Jobs")])
    lines = probe.text.splitlines()
    assert len(lines) == len(probe.lines)
    for number, line in enumerate(lines, start=1):
        about = probe.at(number)
        if "adapter.save" in line:
            assert about.method == "save"
        if "Adapter1." in line or "Outer1." in line:
            assert about.target == "shop.stores:Outer.Jobs"
        if line.startswith(("from", "import")):
            assert about.imports
    assert probe.at(0).target is None
    assert probe.at(len(lines) + 1).target is None


def test_a_location_is_shown_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(Location(str(tmp_path / "a" / "b.py"), 3)) == f"{Path('a', 'b.py')}:3"
    assert str(Location("/elsewhere/b.py", 3)) == "/elsewhere/b.py:3"


def test_every_method_of_the_package_is_found() -> None:
    for method in methods_due([one.name for one in methods_beyond()]):
        found = find_method(InMemoryCollectionJobRepository, method.name)
        assert found is not None
        assert str(found) == str(method)


class Timed:
    """A decorator that is a class, and binds as functions do."""

    def __init__(self, method: Callable[..., Coroutine[Any, Any, bool]]) -> None:
        self.method = method
        functools.update_wrapper(self, method)

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, bool]:
        return self.method(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return functools.partial(self.method, instance)


class Late:
    """A descriptor that cannot be called itself."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return functools.partial(delete, instance)


class Typed:
    """A decorator that is a class, and says itself what it takes."""

    async def __call__(self, instance: object, job_id: str) -> bool:
        return await delete(instance, job_id)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return functools.partial(self, instance)


async def delete_from(self: object, table: str, job_id: str) -> bool:
    raise NotImplementedError


@pytest.mark.parametrize(
    "value",
    [
        Timed(delete),
        Late(),
        Typed(),
        functools.singledispatchmethod(delete),
        functools.partialmethod(delete_from, "jobs"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_methods_made_by_descriptors_are_right(value: object) -> None:
    assert faults_of(value, "delete") == []
