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


# Each verifies a store in full, or waits for real time, as others do that run each time: these run
# before a release.
BEFORE_A_RELEASE = (
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/reading-a-report",
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/continuous-",
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/short-adapters",
    "test_pictures.py::test_the_terminal_shows_what_the_command_prints",
    "test_open_files.py::test_no_file_of_a_store_is_opened_by_a_process_that_has_it_open[sqlite",
    # The README's first block does it by the command line.
    "test_verify.py::test_our_own_repositories_keep_every_law_that_applies[None",
    "test_verify.py::test_jobs_behind_a_url_are_never_touched",
    "test_verify.py::test_the_json_can_be_the_standard_output",
    "test_reports.py::test_the_command_writes_both",
    "test_verify.py::test_the_command_exits_with_0_when_the_repository_conforms",
    "test_verify.py::test_the_command_finds_a_factory_beside_the_user_and_exits_with_1",
    "test_law_examples.py::test_the_one_with_the_capabilities_beyond_the_nine_methods_keeps_",
    "test_postgres_jobs.py::test_a_listing_by_status_passes_over_no_job_of_another_status[100000",
    "test_postgres_proxying.py::test_no_call_waits_for_ever_by_the_kits_own_proxy",
    "test_real_mutants.py::test_what_a_store_can_do_and_does_not_say_is_told_and_is_no_finding",
    "test_real_mutants.py::test_an_odd_but_right_store_is_acquitted[HasAThread",
    "test_real_mutants.py::test_an_odd_but_right_store_is_acquitted[store1",
    "test_pytest_plugin.py::test_a_law_that_applies_and_went_unchecked_is_not_green",
    "test_pytest_plugin.py::test_the_option_gives_one_test_per_law_of_a_target",
    "test_failing_resources.py::test_what_cancelled_calls_leave_is_counted",
    "test_collect_candles.py::test_what_failed_is_tried_again_and_the_rest_is_not",
    "test_collect_candles.py::test_a_job_that_ends_its_workers_is_given_up_after_the_third",
    "test_collect_candles.py::test_a_job_that_takes_longer_than_its_lease_stays_with_its_worker",
    "test_collect_candles.py::test_after_all_were_killed_another_run_goes_on",
    "test_law_examples.py::test_a_breach_breaks_its_law_alone_and_prints_what_the_page_shows[CANCEL-1",
    "test_made_up_capability.py::test_right_adapters_keep_its_law_and_wrong_ones_are_convicted",
    "test_trial.py::test_an_eccentric_store_is_acquitted",
    "test_beside.py::test_a_process_that_ends_and_does_not_do_so_again_is_told_of",
    "test_engine_interleavings.py::test_a_large_store_that_opens_once_in_a_process_is_examined_on_one",
    "test_real_mutants.py::test_a_planted_bug_is_convicted_by_its_laws[ReadsTheHeader",
    "test_verify.py::test_a_race_is_made_again_by_its_schedule",
    "test_handles.py::test_a_finding_is_told_in_few_lines_and_made_again_by_its_token",
    "test_engine_interleavings.py::test_an_adapter_that_opens_once_in_a_process_is_examined_on_one",
    "test_thread_steps.py::test_the_steps_of_threads_convict_it[PoolWithoutALock",
    "test_undecided.py::test_one_of_too_many_orders_breaks_no_law_and_is_noted",
    "test_pytest_plugin.py::test_a_class_gives_one_test_per_law",
    "test_interleavings.py::test_one_preemption_is_explored_in_a_quick_run_of_an_adapter_that_waits_twice",
    "test_interleavings.py::test_a_random_search_finds_and_shrinks_a_race",
    "test_new_adapter.py::test_its_tests_are_red_with_one_finding_that_says_what_to_write",
    "test_documentation.py::test_every_block_runs_and_prints_what_the_page_shows[docs/interleavings",
    "test_made_up_capability.py::test_with_all_edits_nothing_is_missing",
    "test_undecided.py::test_the_laws_of_several_callers_are_not_said_to_hold_by_it",
    "test_windows.py::test_the_checks_that_start_and_kill_processes_do",
    "test_interleavings.py::test_what_the_limit_of_runs_left_is_told",
    "test_thread_steps.py::test_threads_do_the_same_again_also_by_a_token",
    "test_real_mutants.py::test_an_odd_but_right_store_is_acquitted[TakesItsMarkAlong",
    "test_collect_candles.py::test_who_is_asked_to_end_gives_the_jobs_back",
    "test_checked_repository.py::test_a_short_adapter_keeps_every_law",
)

# Of the cases of each, every so many-th runs each time, and the rest before a release.
EVERY = {
    "test_beside.py::test_the_report_is_the_same": 2,
    "test_beyond_mutants.py::test_a_method_that_drops_a_field_is_convicted": 3,
    "test_beyond_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws": 4,
    "test_beyond_mutants.py::test_a_race_is_convicted_by_exactly_its_laws": 4,
    "test_collect_candles.py::test_two_machines_lose_nothing_and_collect_nothing_twice_whoever_": 2,
    "test_data_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws": 3,
    "test_engine_interleavings.py::test_a_right_adapter_is_explored_on_one_handle_and_on": 2,
    "test_interleavings.py::test_a_race_is_convicted_by_exactly_its_laws": 4,
    "test_large_stores.py::test_a_planted_bug_is_convicted_by_its_laws": 2,
    "test_law_examples.py::test_a_breach_breaks_its_law_alone_and_prints_what_the_page_shows": 6,
    "test_law_examples.py::test_the_repository_that_all_derive_from_keeps_every_law": 3,
    "test_leasing_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws": 3,
    "test_made_up_capability.py::test_without_an_edit_a_test_names_what_is_missing_and_where": 4,
    "test_mutants.py::test_a_planted_bug_is_convicted_by_exactly_its_laws": 6,
    "test_network.py::test_who_waits_for_ever_or_answers_falsely_is_convicted": 3,
    "test_not_implemented.py::test_a_method_that_always_fails_is_a_finding_and_no_crash": 4,
    "test_not_implemented.py::test_no_method_is_blamed_for_another_that_is_missing": 4,
    "test_postgres_large.py::test_a_job_of_100_000_symbols": 3,
    "test_postgres_names.py::test_a_schema_of_any_name_works_and_nothing_else_in_the_database_": 2,
    "test_real_mutants.py::test_a_planted_bug_is_convicted_by_its_laws": 4,
    "test_sqlite_handles.py::test_nothing_acknowledged_is_lost_with_many_handles_processes_and": 2,
    "test_sqlite_queries_model.py::test_as_in_memory": 2,
    "test_trial.py::test_a_mutant_is_convicted_of_its_laws": 3,
}


@pytest.hookimpl(tryfirst=True)  # before those that are marked so are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs before a release only, and sort the files."""
    seen = Counter[str]()
    for item in items:
        if any(name in item.nodeid for name in BEFORE_A_RELEASE):
            item.add_marker(pytest.mark.release)
        function = next((name for name in EVERY if name in item.nodeid), None)
        if function is not None and item.get_closest_marker("release") is None:
            if seen[function] % EVERY[function]:
                item.add_marker(pytest.mark.release)
            seen[function] += 1
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONGEST)))
