"""The order of the test files: where several workers share them, the longest begin first."""

from __future__ import annotations

import pytest

# Each takes some ten seconds to a minute, as `pytest --durations=60` says.
LONGEST = (
    "test_law_examples.py",
    "test_real_mutants.py",
    "test_verify.py",
    "test_interleavings.py",
    "test_documentation.py",
    "test_mutants.py",
    "test_first_adapter.py",
    "test_postgres_network.py",
    "test_postgres_urls.py",
    "test_pytest_plugin.py",
    "test_sqlite_bounds.py",
    "test_readme.py",
    "test_beyond_mutants.py",
    "test_network.py",
    "test_new_adapter.py",
    "test_not_implemented.py",
    "test_postgres_large.py",
    "test_collect_candles.py",
    "test_handles.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and leave the tests of each in their order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONGEST)))
