"""The order of the test files: where several workers share them, the longest begin first."""

from __future__ import annotations

from collections import Counter

import pytest

# Each takes some ten seconds to a minute, as `pytest --durations=60` says.
LONGEST = (
    "test_postgres_urls.py",
    "test_readme.py",
    "test_law_examples.py",
    "test_real_mutants.py",
    "test_verify.py",
    "test_interleavings.py",
    "test_documentation.py",
    "test_mutants.py",
    "test_first_adapter.py",
    "test_postgres_network.py",
    "test_pytest_plugin.py",
    "test_sqlite_bounds.py",
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
    "test_verify.py::test_the_json_can_be_the_standard_output",
    "test_reports.py::test_the_command_writes_both",
    "test_verify.py::test_the_command_exits_with_0_when_the_repository_conforms",
    "test_verify.py::test_the_command_finds_a_factory_beside_the_user_and_exits_with_1",
    "test_law_examples.py::test_the_one_with_the_capabilities_beyond_the_nine_methods_keeps_",
    "test_postgres_jobs.py::test_a_listing_by_status_passes_over_no_job_of_another_status[100000",
    "test_real_mutants.py::test_what_a_store_can_do_and_does_not_say_is_told_and_is_no_finding",
    "test_real_mutants.py::test_an_odd_but_right_store_is_acquitted[HasAThread",
    "test_real_mutants.py::test_an_odd_but_right_store_is_acquitted[store1",
    "test_pytest_plugin.py::test_a_law_that_applies_and_went_unchecked_is_not_green",
    "test_failing_resources.py::test_what_cancelled_calls_leave_is_counted",
    "test_collect_candles.py::test_what_failed_is_tried_again_and_the_rest_is_not",
    "test_law_examples.py::test_a_breach_breaks_its_law_alone_and_prints_what_the_page_shows[CANCEL-1",
)

# Of the cases of each, every second one runs each time, and the rest before a release.
EVERY_SECOND = (
    "test_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws",
    "test_beyond_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws",
    "test_beyond_mutants.py::test_a_method_that_drops_a_field_is_convicted",
    "test_beyond_mutants.py::test_a_race_is_convicted_by_exactly_its_laws",
    "test_data_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws",
    "test_interleavings.py::test_a_race_is_convicted_by_exactly_its_laws",
    "test_large_stores.py::test_a_planted_bug_is_convicted_by_its_laws",
    "test_law_examples.py::test_a_breach_breaks_its_law_alone_and_prints_what_the_page_shows",
    "test_law_examples.py::test_the_repository_that_all_derive_from_keeps_every_law",
    "test_network.py::test_who_waits_for_ever_or_answers_falsely_is_convicted",
    "test_not_implemented.py::test_a_method_that_always_fails_is_a_finding_and_no_crash_of_the_kit",
    "test_not_implemented.py::test_no_method_is_blamed_for_another_that_is_missing",
    "test_real_mutants.py::test_a_planted_bug_is_convicted_by_its_laws",
    "test_trial.py::test_a_mutant_is_convicted_of_its_laws",
)


@pytest.hookimpl(tryfirst=True)  # before those that are marked so are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs before a release only, and sort the files."""
    seen = Counter[str]()
    for item in items:
        if any(name in item.nodeid for name in BEFORE_A_RELEASE):
            item.add_marker(pytest.mark.release)
        function = item.nodeid.rpartition("/")[2].partition("[")[0]
        if function in EVERY_SECOND and item.get_closest_marker("release") is None:
            seen[function] += 1
            if seen[function] % 2 == 0:
                item.add_marker(pytest.mark.release)
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONGEST)))
