"""The checks: which laws each examines, and what does it."""

from __future__ import annotations

from collection_jobs.conformance.checks.cancellation.examine import examine_cancellation
from collection_jobs.conformance.checks.contention.examine import (
    examine_contention,
)
from collection_jobs.conformance.checks.crash.dead_workers import examine_dead_workers
from collection_jobs.conformance.checks.crash.kill import examine_kills
from collection_jobs.conformance.checks.faults.damage import examine_damage
from collection_jobs.conformance.checks.faults.examine import examine_faults
from collection_jobs.conformance.checks.handles.examine import examine_handles, find_handles_again
from collection_jobs.conformance.checks.handles.many_callers import examine_many_callers
from collection_jobs.conformance.checks.handles.pending import examine_pending
from collection_jobs.conformance.checks.interleavings.examine import (
    examine_interleavings,
    find_interleaving_again,
)
from collection_jobs.conformance.checks.interleavings.passing_time import examine_passing_time
from collection_jobs.conformance.checks.network.examine import examine_network
from collection_jobs.conformance.checks.scaling.examine import examine_scaling
from collection_jobs.conformance.checks.sequential.bulk.examine import (
    examine_large_stores,
    find_in_large_stores_again,
)
from collection_jobs.conformance.checks.sequential.closing import examine_closing
from collection_jobs.conformance.checks.sequential.examine import (
    examine_one_caller,
    find_one_caller_again,
)
from collection_jobs.conformance.checks.sequential.wrong_inputs import examine_wrong_inputs
from collection_jobs.conformance.running.configuration import Check
from collection_jobs.conformance.spec.operations import CONCURRENT_LAWS

__all__ = ["CHECKS"]

_ONE_CALLER = frozenset(
    {
        *("SAVE-1", "SAVE-2", "SAVE-3", "SAVE-4", "SAVE-5"),
        *("GET-1", "GET-2", "DELETE-1", "DELETE-2"),
        *("LIST-1", "LIST-2", "RECENT-1", "RECENT-2", "RUNNING-1"),
        *("STATUS-1", "STATUS-3", "FAILED-1", "FAILED-3", "STATS-1"),
        *("COMPLETED-1", "COMPLETED-3", "MANY-1", "MANY-2", "KEY-1", "KEY-2"),
        *("ADD-1", "ADD-3", "FAILURE-1", "FAILURE-2", "CURSOR-1"),
        *("FIND-1", "FIND-2", "FIND-3", "PURGE-1"),
    }
)
"""The laws that one caller alone can see broken, but for those of leases."""
_LEASES = frozenset({"LEASE-1", "LEASE-2", "LEASE-3", "LEASE-4", "LEASE-5", "LEASE-6"})

CHECKS: tuple[Check, ...] = (
    Check("wrong inputs", frozenset({"INPUT-1"}), examine_wrong_inputs),
    Check("a closed repository", frozenset({"ERROR-1"}), examine_closing),
    Check(
        "one caller",
        _ONE_CALLER | _LEASES,
        examine_one_caller,
        again=find_one_caller_again,
        early=True,
        beside=True,
    ),
    Check(
        "large stores",
        # Nobody misuses there what the store gave out.
        (_ONE_CALLER - {"GET-2"}) | _LEASES | {"DURABLE-1"},
        examine_large_stores,
        again=find_in_large_stores_again,
        beside=True,
    ),
    Check("interleavings", CONCURRENT_LAWS, examine_interleavings, again=find_interleaving_again),
    Check("passing time", frozenset({"GET-1"}), examine_passing_time),
    Check("damaged stores", frozenset({"ERROR-1"}), examine_damage, beside=True),
    Check("killed processes", frozenset({"DURABLE-1"}), examine_kills, beside=True),
    Check("failing resources", frozenset({"ERROR-1"}), examine_faults, beside=True),
    Check("concurrent calls", CONCURRENT_LAWS, examine_contention),
    Check("many callers", CONCURRENT_LAWS, examine_many_callers),
    Check("calls pending at the close", frozenset({"ERROR-1", "DURABLE-1"}), examine_pending),
    Check(
        "several handles",
        CONCURRENT_LAWS | {"DURABLE-1"},
        examine_handles,
        again=find_handles_again,
    ),
    Check("cancelled calls", frozenset({"CANCEL-1"}), examine_cancellation, beside=True),
    Check("a failing network", frozenset({"TIME-1"}), examine_network),
    Check("killed workers", _LEASES - {"LEASE-5", "LEASE-6"}, examine_dead_workers),
    Check("growing stores", frozenset({"SCALE-1", "KEY-3"}), examine_scaling),
)
"""Every check, in the order in which they are made.

Of those that can be made in a second process, the second one begins with the first and this one
with the last; the longest are first and last, so that neither is left with one of them at the end.
"""
