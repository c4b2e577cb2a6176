"""The errors: their family, what they carry, and that they survive a process boundary."""

from __future__ import annotations

import pickle

import pytest

import collection_jobs
from collection_jobs import (
    CollectionJobError,
    ForbiddenTransitionError,
    JobNotFoundError,
    LeaseLostError,
    RepositoryClosedError,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)

ERRORS: list[tuple[CollectionJobError, dict[str, object], str]] = [
    (JobNotFoundError("a"), {"job_id": "a"}, "there is no job 'a'"),
    (
        UnknownSymbolError("a", "XRP"),
        {"job_id": "a", "symbol": "XRP"},
        "job 'a' does not collect the symbol 'XRP'",
    ),
    (
        StaleJobError("a", 3, 5),
        {"job_id": "a", "expected": 3, "found": 5},
        "job 'a' was read at revision 3, but revision 5 is stored now",
    ),
    (
        StaleJobError("a", 3, None),
        {"job_id": "a", "expected": 3, "found": None},
        "job 'a' was read at revision 3, but it is no longer stored",
    ),
    (
        ForbiddenTransitionError("a", "completed", "running"),
        {"job_id": "a", "current": "completed", "wanted": "running"},
        "job 'a' is completed and cannot become running",
    ),
    (
        LeaseLostError("a b", "w'1"),
        {"job_id": "a b", "worker": "w'1"},
        (
            "worker \"w'1\" no longer has job 'a b': it was claimed again, left RUNNING,"
            " or was deleted"
        ),
    ),
    (RepositoryError("the disk is full"), {}, "the disk is full"),
    (RepositoryClosedError("closed"), {}, "closed"),
]


@pytest.mark.parametrize(("error", "values", "message"), ERRORS)
def test_an_error_carries_its_ids_and_says_them(
    error: CollectionJobError, values: dict[str, object], message: str
) -> None:
    assert {name: getattr(error, name) for name in values} == values
    assert str(error) == message


@pytest.mark.parametrize(("error", "values", "message"), ERRORS)
def test_an_error_survives_pickling(
    error: CollectionJobError, values: dict[str, object], message: str
) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert {name: getattr(copy, name) for name in values} == values
    assert str(copy) == message


def test_every_public_error_has_the_one_root() -> None:
    public = [getattr(collection_jobs, name) for name in collection_jobs.__all__]
    errors = [item for item in public if isinstance(item, type) and issubclass(item, Exception)]
    assert len(errors) == 8
    assert all(issubclass(error, CollectionJobError) for error in errors)


def test_errors_are_also_what_the_language_calls_them() -> None:
    assert issubclass(JobNotFoundError, LookupError)
    assert issubclass(UnknownSymbolError, ValueError)
    assert issubclass(ForbiddenTransitionError, ValueError)
    assert issubclass(RepositoryClosedError, RepositoryError)
