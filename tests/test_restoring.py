"""Functions that build jobs from rows, compiled from what each field is in a row."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from operator import attrgetter

import pytest

from collection_jobs import CollectionJob
from collection_jobs.fields import FIELD_NAMES
from collection_jobs.restoring import compile_restorer, compile_rows
from tests.adapters.sqlite_support import a_job

ROW = ", ".join(f"its_{name}" for name in FIELD_NAMES)
EXPRESSIONS = {name: f"its_{name}" for name in FIELD_NAMES}
values_of = attrgetter(*FIELD_NAMES)


def test_a_job_is_built_of_each_row_and_is_like_any_other() -> None:
    jobs = [a_job("1"), a_job("2", completed_symbols={"BTC/USDT": 3}).with_revision(4)]
    restored = compile_restorer(ROW, EXPRESSIONS, {})(map(values_of, jobs))
    assert restored == jobs
    assert [job.revision for job in restored] == [None, 4]
    for job, former in zip(restored, jobs, strict=True):
        assert type(job) is CollectionJob
        assert (repr(job), hash(job)) == (repr(former), hash(former))
        assert pickle.loads(pickle.dumps(job)) == former  # noqa: S301 - what was just pickled
        with pytest.raises(FrozenInstanceError):
            setattr(job, "source", "other")  # noqa: B010 - type checkers know that it is refused


def test_what_comes_first_may_refuse_a_row() -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    restore = compile_restorer(ROW, EXPRESSIONS, {"refuse": refuse}, first=["refuse(its_id)"])
    with pytest.raises(ValueError, match=r"^job$"):
        restore([values_of(a_job())])


def test_a_field_that_no_expression_gives_is_named() -> None:
    with pytest.raises(KeyError, match="metadata"):
        compile_restorer(ROW, {k: v for k, v in EXPRESSIONS.items() if k != "metadata"}, {})


def test_a_row_of_another_length_is_no_job() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        compile_restorer(ROW, EXPRESSIONS, {})([("id", "source")])


def test_statements_build_what_they_append() -> None:
    assert compile_rows("a, b", ["built.append(a + b)"], {})([(1, 2), (3, 4)]) == [3, 7]
