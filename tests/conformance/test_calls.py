"""Calls are printed as the Python that they are, and a reader sees what matters of it."""

from __future__ import annotations

import ast
from datetime import UTC, datetime

import pytest
from typing_extensions import override

from collection_jobs.conformance.running.messages import portable
from collection_jobs.conformance.spec.calls import Outcome, code, error_text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "''"),
        ("BTC", "'BTC'"),
        ("e" * 40, f"'{'e' * 40}'"),
        ("e" * 41, "'e' * 41"),
        ("\U0001f600" * 253 + " 0", r"'\U0001f600' * 253 + ' 0'"),
        ("job " + "x" * 50 + "y" * 60, "'job ' + 'x' * 50 + 'y' * 60"),
        ("é\0", r"'\xe9\x00'"),
    ],
)
def test_a_text_is_printed_as_python_and_a_long_run_by_its_length(text: str, printed: str) -> None:
    assert code(text) == printed
    assert _evaluated(ast.parse(printed, mode="eval").body) == text


def _evaluated(node: ast.expr) -> str:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _evaluated(left) + _evaluated(right)
        case ast.BinOp(left, ast.Mult(), ast.Constant(int(times))):
            return _evaluated(left) * times
        case _:
            return str(ast.literal_eval(node))


class Unshowable:
    @override
    def __repr__(self) -> str:
        raise ValueError("no text")


class UnshowableError(Exception):
    @override
    def __str__(self) -> str:
        raise ValueError("no text")


NOW = datetime(2024, 1, 1, tzinfo=UTC)


def test_what_cannot_be_shown_is_told_all_the_same() -> None:
    assert "Unshowable that cannot be shown" in code(Unshowable())
    assert str(Outcome(NOW, NOW, Unshowable())) == f"returned {code(Unshowable())}"
    raised = Outcome(NOW, NOW, error=UnshowableError())
    assert str(raised) == "raised UnshowableError: (its text cannot be shown)"
    for outcome in (Outcome(NOW, NOW, Unshowable()), raised):
        assert str(portable(outcome))  # as it is sent from another process


def test_of_a_long_error_the_beginning_and_the_end_are_told() -> None:
    told = error_text(ValueError("a" * 3_000_000 + "z"))
    assert len(told) < 2_100
    assert told.startswith("ValueError: aaa")
    assert told.endswith("az")
    assert " ... 2,998,001 characters ... " in told
