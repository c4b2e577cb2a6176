"""The entity: what it accepts, how it refuses the rest, and how it changes."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import textwrap
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection_jobs import (
    CollectionJob,
    ForbiddenTransitionError,
    JobStats,
    JobStatus,
    UnknownSymbolError,
)
from collection_jobs.conformance.spec.calls import example_job
from collection_jobs.job import restore_job
from tests.jobs import jobs

NOW = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
NAIVE = datetime(2024, 3, 1)  # noqa: DTZ001 - a naive one is what must be refused


def job(**fields: Any) -> CollectionJob:
    return example_job("a", **fields)


# What is refused


@pytest.mark.parametrize("field", ["id", "source", "timeframe"])
@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        ("", ValueError, "''"),
        ("x" * 256, ValueError, "256"),
        ("a\0b", ValueError, r"'a\x00b'"),
        ("a\ud800b", ValueError, r"'a\ud800b'"),
        (None, TypeError, "None"),
        (b"a", TypeError, "b'a'"),
    ],
)
def test_a_name_out_of_bounds_is_refused_by_its_field(
    field: str, value: Any, error: type[Exception], shown: str
) -> None:
    with pytest.raises(error) as caught:
        replace(job(), **{field: value})
    assert str(caught.value).startswith(field)
    assert shown in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"symbols": ()}, ValueError, "at least one"),
        ({"symbols": ("BTC", "ETH", "BTC")}, ValueError, "'BTC' occurs more than once"),
        ({"symbols": "BTC"}, TypeError, "not str: 'BTC'"),
        ({"symbols": ("BTC", "")}, ValueError, "a symbol must have"),
        ({"symbols": ("BTC", 7)}, TypeError, "not int: 7"),
        ({"symbols": {"BTC"}}, TypeError, "not set: {'BTC'}"),
        ({"start": NAIVE}, ValueError, "start must be an aware datetime"),
        ({"created_at": date(2024, 3, 1)}, TypeError, "not date"),
        ({"started_at": "2024-03-01"}, TypeError, "started_at must be an aware datetime"),
        ({"finished_at": NAIVE}, ValueError, "finished_at"),
        ({"end": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))}, ValueError, "9999"),
        ({"start": NOW, "end": NOW}, ValueError, "is not before"),
        ({"status": "pending"}, TypeError, "must be a JobStatus, not str: 'pending'"),
        ({"error_message": 7}, TypeError, "error_message must be a str, not int: 7"),
        ({"completed_symbols": [("BTC", 1)]}, TypeError, "completed_symbols must be a mapping"),
        ({"completed_symbols": {"XRP": 1}}, ValueError, "lack 'XRP'"),
        ({"completed_symbols": {"BTC": -1}}, ValueError, "candles must be 0 or more: -1"),
        ({"completed_symbols": {"BTC": True}}, TypeError, "not bool: True"),
        ({"completed_symbols": {"BTC": 1.0}}, TypeError, "not float: 1.0"),
        ({"failed_symbols": {"XRP": "boom"}}, ValueError, "lack 'XRP'"),
        ({"failed_symbols": {"BTC": None}}, TypeError, "not NoneType: None"),
        (
            {"completed_symbols": {"BTC": 1}, "failed_symbols": {"BTC": "boom"}},
            ValueError,
            "not both: 'BTC'",
        ),
        ({"metadata": [("a", "b")]}, TypeError, "metadata must be a mapping of texts, not list"),
        ({"metadata": {"": "b"}}, ValueError, "a metadata key must have 1 to 255 characters"),
        ({"metadata": {"x" * 256: "b"}}, ValueError, "a metadata key must have 1 to 255"),
        ({"metadata": {"a\0": "b"}}, ValueError, r"no NUL and no lone surrogate: 'a\x00'"),
        ({"metadata": {"a\udfff": "b"}}, ValueError, r"no NUL and no lone surrogate: 'a\udfff'"),
        ({"metadata": {7: "b"}}, TypeError, "a metadata key must be a str, not int: 7"),
        (
            {"metadata": {"a": None}},
            TypeError,
            "a metadata value must be a str, not NoneType: None, of the metadata key 'a'",
        ),
        (
            {"metadata": {f"{n}": "" for n in range(1_001)}},
            ValueError,
            "metadata must have at most 1,000 keys, not 1,001",
        ),
        ({"revision": "1"}, TypeError, "revision must be an int or None: '1'"),
        ({"revision": True}, TypeError, "revision must be an int or None: True"),
    ],
)
def test_a_wrong_value_is_refused_with_a_message_that_shows_it(
    fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        job(**fields)
    assert message in str(caught.value)


@given(st.text(min_size=1, max_size=300))
def test_an_id_is_accepted_exactly_if_the_contract_allows_it(text: str) -> None:
    allowed = len(text) <= 255 and not any(c == "\0" or 0xD800 <= ord(c) <= 0xDFFF for c in text)
    try:
        accepted = example_job(text).id == text
    except ValueError:
        accepted = False
    assert accepted is allowed


# What is normalised


@pytest.mark.parametrize("field", ["start", "end", "created_at", "started_at", "finished_at"])
def test_a_time_is_normalised_to_utc_and_keeps_its_microseconds(field: str) -> None:
    tokyo = timezone(timedelta(hours=9))
    value = datetime(2024, 1, 15, 3, 4, 5, 678901, tzinfo=tokyo)
    kept = getattr(job(**{field: value}), field)
    assert kept == value
    assert kept.tzinfo is UTC
    assert kept.microsecond == 678901


def test_a_subclass_of_datetime_becomes_a_plain_one() -> None:
    class Stamp(datetime):
        pass

    kept = job(created_at=Stamp(2024, 1, 1, tzinfo=UTC)).created_at
    assert type(kept) is datetime


def test_a_str_subclass_becomes_a_plain_str() -> None:
    class Timeframe(StrEnum):
        HOUR = "1h"

    assert type(job(timeframe=Timeframe.HOUR).timeframe) is str


@given(st.text())
def test_free_text_is_never_refused_and_loses_only_what_cannot_be_stored(text: str) -> None:
    made = job(error_message=text, failed_symbols={"BTC": text})
    kept = made.error_message
    assert kept == made.failed_symbols["BTC"]
    assert kept is not None
    assert len(kept) == len(text)
    for is_, was in zip(kept, text, strict=True):
        assert is_ == ("\ufffd" if was == "\0" or 0xD800 <= ord(was) <= 0xDFFF else was)
    assert "\0" not in kept
    kept.encode()


def test_a_job_owns_its_outcomes() -> None:
    mine = {"BTC": 1}
    made = job(completed_symbols=mine)
    mine["ETH"] = 2
    assert dict(made.completed_symbols) == {"BTC": 1}


def test_metadata_is_kept_as_it_is_but_for_what_no_store_holds() -> None:
    keys = ("a", "A", "a ", "\u00e1", "a\u0301", "x" * 255, "\U0001f600")
    mine = dict.fromkeys(keys, "") | {"a": "nul \0 and \ud800", "A": "x" * 65_536}
    made = job(metadata=mine)
    mine["a"] = "changed"
    assert made.metadata == dict.fromkeys(keys, "") | {
        "a": "nul \ufffd and \ufffd",
        "A": "x" * 65_471 + "\n[65 bytes left out]",
    }
    assert replace(made) == made
    assert job().metadata == {}


def test_metadata_is_read_only_and_part_of_equality() -> None:
    made: Any = job(metadata={"a": "1", "b": "2"})
    with pytest.raises(TypeError):
        made.metadata["a"] = "3"
    with pytest.raises(TypeError):
        job().metadata["a"] = "3"  # type: ignore[index] # pyright: ignore[reportIndexIssue] # refused
    assert made == job(metadata={"b": "2", "a": "1"})
    assert hash(made) == hash(job(metadata={"b": "2", "a": "1"}))
    for other in ({}, {"a": "1"}, {"a": "1", "b": ""}, {"a": "1", "B": "2"}):
        assert made != job(metadata=other)


def test_metadata_stays_through_every_change() -> None:
    made = job(metadata={"a": "1"}).start_running().with_completed_symbol("BTC", 1)
    made = made.with_failed_symbol("ETH", "boom").fail("1 failed").give_back().with_revision(3)
    assert made.metadata == {"a": "1"}


# What a value is


def test_a_job_is_frozen_and_slotted() -> None:
    made: Any = job(completed_symbols={"BTC": 1})
    with pytest.raises(FrozenInstanceError):
        made.source = "other"
    with pytest.raises(TypeError):
        made.completed_symbols["BTC"] = 2
    with pytest.raises((AttributeError, TypeError)):
        made.note = "new"
    assert not hasattr(made, "__dict__")


def test_a_job_is_keyword_only() -> None:
    with pytest.raises(TypeError):
        CollectionJob("a")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] # refused


@given(jobs)
def test_equality_leaves_out_the_revision_and_hash_agrees(made: CollectionJob) -> None:
    other = made.with_revision(7)
    assert other == made
    assert hash(other) == hash(made)
    assert other.revision == 7


@given(jobs, st.sampled_from(["source", "timeframe", "error_message", "symbols"]))
def test_equality_sees_every_other_field(made: CollectionJob, field: str) -> None:
    other: Any = (
        ("XYZ", *made.symbols) if field == "symbols" else f"{getattr(made, field)}"[:9] + "!"
    )
    assert replace(made, **{field: other}) != made


def pickled(made: CollectionJob) -> Any:
    return pickle.loads(pickle.dumps(made))  # noqa: S301 - our own bytes


@given(jobs, st.sampled_from([copy.copy, copy.deepcopy, pickled]))
def test_a_copy_is_equal_and_keeps_the_revision(
    made: CollectionJob, duplicate: Callable[[CollectionJob], CollectionJob]
) -> None:
    made = made.with_revision(5)
    twin = duplicate(made)
    assert twin == made
    assert twin.revision == 5


# How it changes


@pytest.mark.parametrize("before", JobStatus)
@pytest.mark.parametrize("after", JobStatus)
def test_a_change_of_status_sets_and_clears_what_the_lifecycle_says(
    before: JobStatus, after: JobStatus
) -> None:
    early, late = NOW - timedelta(hours=2), NOW - timedelta(hours=1)
    made = job(
        status=before,
        started_at=early,
        finished_at=late,
        error_message="old",
        completed_symbols={"BTC": 5},
        revision=3,
    )
    if not before.can_become(after):
        with pytest.raises(ForbiddenTransitionError):
            made.with_status(after, at=NOW)
        return
    changed = made.with_status(after, error_message="new", at=NOW)
    times = {
        JobStatus.RUNNING: (NOW, None),
        JobStatus.PENDING: (None, None),
    }.get(after, (early, NOW))
    assert (changed.started_at, changed.finished_at) == times
    assert changed.status is after
    assert changed.error_message == "new"
    assert changed.completed_symbols == {"BTC": 5}
    assert changed.revision == 3
    assert made.status is before


def test_a_change_of_status_carries_no_error_message_unless_given_one() -> None:
    assert job(error_message="old").start_running().error_message is None


def test_a_whole_life_in_words() -> None:
    made = job().start_running(at=NOW).with_completed_symbol("BTC", 744)
    failed = made.with_failed_symbol("ETH", "timeout").fail("1 of 2 failed", at=NOW)
    assert (failed.status, failed.error_message) == (JobStatus.FAILED, "1 of 2 failed")
    again = failed.give_back().start_running().with_completed_symbol("ETH", 744)
    done = again.complete()
    assert done.status is JobStatus.COMPLETED
    assert done.failed_symbols == {}
    assert JobStats.from_job(done) == JobStats(2, 2, 0, 1488)
    assert job().cancel("not needed").error_message == "not needed"


def test_the_default_time_of_a_change_is_now() -> None:
    before = datetime.now(UTC)
    started = job().start_running().started_at
    assert started is not None
    assert before <= started <= datetime.now(UTC)


def test_the_time_of_a_change_must_be_aware() -> None:
    with pytest.raises(ValueError, match="at must be an aware datetime"):
        job().start_running(at=NAIVE)


@given(jobs, st.data())
def test_the_last_outcome_of_a_symbol_counts(made: CollectionJob, data: st.DataObject) -> None:
    symbol = data.draw(st.sampled_from(made.symbols))
    failed = made.with_failed_symbol(symbol, "boom")
    assert failed.failed_symbols == {**made.failed_symbols, symbol: "boom"}
    assert symbol not in failed.completed_symbols
    completed = failed.with_completed_symbol(symbol, 9)
    assert completed.completed_symbols == {**made.completed_symbols, symbol: 9}
    assert symbol not in completed.failed_symbols


def test_an_outcome_of_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(UnknownSymbolError) as caught:
        job().with_completed_symbol("XRP", 1)
    assert (caught.value.job_id, caught.value.symbol) == ("a", "XRP")
    with pytest.raises(UnknownSymbolError):
        job().with_failed_symbol("btc", "boom")


@given(jobs)
def test_a_changed_job_is_one_that_could_have_been_built(made: CollectionJob) -> None:
    changed = made.with_failed_symbol(made.symbols[0], "boom").with_revision(3)
    assert replace(changed) == changed


# Its stats


@given(jobs)
def test_stats_add_up(made: CollectionJob) -> None:
    stats = JobStats.from_job(made)
    assert stats.total == len(made.symbols)
    assert stats.pending + stats.completed + stats.failed == stats.total
    assert stats.total_candles == sum(made.completed_symbols.values())
    assert 0.0 <= stats.progress <= 1.0
    assert (stats.progress == 1.0) is (stats.pending == 0)


@given(jobs)
def test_a_restored_job_is_a_job_like_any_other(made: CollectionJob) -> None:
    restored = restore_job(tuple(getattr(made, item.name) for item in fields(CollectionJob)))
    assert type(restored) is CollectionJob
    assert restored == made
    assert repr(restored) == repr(made)
    assert pickled(restored) == made
    with pytest.raises(FrozenInstanceError):
        setattr(restored, "source", "other")  # noqa: B010 - type checkers know that it is refused


def test_a_restored_job_needs_a_value_for_each_field() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        restore_job(("id", "source"))


def test_every_field_has_a_docstring_that_editors_show() -> None:
    (entity,) = ast.parse(textwrap.dedent(inspect.getsource(CollectionJob))).body
    assert isinstance(entity, ast.ClassDef)
    documented = {
        item.target.id
        for item, following in pairwise(entity.body)
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }
    assert documented == {item.name for item in fields(CollectionJob)}
