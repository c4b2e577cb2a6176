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
    "test_leasing_mutants.py",
    "test_network.py",
    "test_new_adapter.py",
    "test_not_implemented.py",
    "test_postgres_large.py",
    "test_collect_candles.py",
    "test_handles.py",
)


# Each verifies a store in full, as others do that run each time: these run before a release.
BEFORE_A_RELEASE = (
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/reading-a-report",
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/continuous-",
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/short-adapters",
    "test_pictures.py::test_the_terminal_shows_what_the_command_prints",
    "test_open_files.py::test_no_file_of_a_store_is_opened_by_a_process_that_has_it_open[sqlite",
    "test_verify.py::test_jobs_behind_a_url_are_never_touched",
)


@pytest.hookimpl(tryfirst=True)  # before those that are marked so are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and leave the tests of each in their order."""
    for item in items:
        if any(name in item.nodeid for name in BEFORE_A_RELEASE):
            item.add_marker(pytest.mark.release)
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONGEST)))
