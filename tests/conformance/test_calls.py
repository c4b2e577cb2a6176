"""Calls are printed as the Python that they are, and a reader sees what matters of it."""

from __future__ import annotations

import ast

import pytest

from collection_jobs.conformance.spec.calls import code


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
