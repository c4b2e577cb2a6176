"""The conformance kit: laws, an oracle, and the search for the shortest breach of a law.

``verify(find_target("my_package.stores:open_store"))`` judges an adapter by every law and returns
a report; the command ``collection-jobs verify`` shows it. The kit knows no test runner.
"""

from typing import TYPE_CHECKING

from collection_jobs.conformance.calls import example_job
from collection_jobs.conformance.findings import Finding, LawBroken
from collection_jobs.conformance.laws import LAWS, Law
from collection_jobs.conformance.report import LawReport, Report
from collection_jobs.conformance.store import OpenStore
from collection_jobs.conformance.targets import Target, TargetError, find_target
from collection_jobs.conformance.verify import verify

if TYPE_CHECKING:
    from collection_jobs.conformance.machine import LifecycleMachine

__all__ = [
    "LAWS",
    "Finding",
    "Law",
    "LawBroken",
    "LawReport",
    "LifecycleMachine",
    "OpenStore",
    "Report",
    "Target",
    "TargetError",
    "example_job",
    "find_target",
    "verify",
]


def __getattr__(name: str) -> object:
    """Load the one name that needs Hypothesis when it is asked for: worker processes never do."""
    if name == "LifecycleMachine":
        from collection_jobs.conformance.machine import LifecycleMachine

        return LifecycleMachine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
