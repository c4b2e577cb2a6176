"""The conformance kit: laws, an oracle, and the search for the shortest breach of a law.

``verify(find_target("my_package.stores:open_store"))`` judges an adapter by every law and returns
a report; the command ``collection-jobs verify`` shows it. The kit knows no test runner.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collection_jobs.conformance.caller.machine import LifecycleMachine
    from collection_jobs.conformance.calls import example_job
    from collection_jobs.conformance.findings import Finding, LawBroken
    from collection_jobs.conformance.laws import LAWS, Law
    from collection_jobs.conformance.report import LawReport, Report
    from collection_jobs.conformance.store import OpenStore
    from collection_jobs.conformance.targets import Proxied, Target, TargetError, find_target
    from collection_jobs.conformance.verdict import reproduce, verify
else:
    # Loaded when they are asked for: the static checks live in this package too, and importing
    # hypothesis takes longer than they do.
    _HOMES = {
        "LAWS": "laws",
        "Finding": "findings",
        "Law": "laws",
        "LawBroken": "findings",
        "LawReport": "report",
        "LifecycleMachine": "caller.machine",
        "OpenStore": "store",
        "Proxied": "targets",
        "Report": "report",
        "Target": "targets",
        "TargetError": "targets",
        "example_job": "calls",
        "find_target": "targets",
        "reproduce": "verdict",
        "verify": "verdict",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "LAWS",
    "Finding",
    "Law",
    "LawBroken",
    "LawReport",
    "LifecycleMachine",
    "OpenStore",
    "Proxied",
    "Report",
    "Target",
    "TargetError",
    "example_job",
    "find_target",
    "reproduce",
    "verify",
]
