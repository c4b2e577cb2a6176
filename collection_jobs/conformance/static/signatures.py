"""Signatures: the static verdict on the class behind a target, beside the verdict on its laws."""

from __future__ import annotations

from importlib.util import find_spec

from collection_jobs.conformance.static.check import check_class
from collection_jobs.conformance.static.checked_class import CheckedClassError
from collection_jobs.conformance.static.report import StaticReport

__all__ = ["signatures_of"]


def signatures_of(adapter: str) -> StaticReport | str:
    """Hold the signatures of a class against the contract's.

    Args:
        adapter: The class, as ``module:Class``.

    Returns:
        The report, by mypy and a look at run time where mypy is installed, else by the look
        alone; or the reason why there is none (a class made inside a function, for instance).
    """
    checkers = ("mypy",) if find_spec("mypy") is not None else ()
    try:
        return check_class(adapter, checkers=checkers)
    except CheckedClassError as error:
        return str(error)
