"""The conformance kit: laws, an oracle, and the search for the shortest violation of a law.

``verify(find_target("my_package.stores:open_store"))`` verifies an adapter against every law and
returns a report; the command ``collection-jobs verify`` shows it. The kit does not depend on a test
runner.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collection_jobs.conformance.checks.sequential.machine import LifecycleMachine
    from collection_jobs.conformance.report.report import LawReport, Report
    from collection_jobs.conformance.run import reproduce, verify
    from collection_jobs.conformance.running.open_store import OpenStore
    from collection_jobs.conformance.running.targets import (
        Proxied,
        Target,
        TargetError,
        find_target,
    )
    from collection_jobs.conformance.spec.calls import example_job
    from collection_jobs.conformance.spec.findings import Finding, LawBroken
    from collection_jobs.conformance.spec.laws import LAWS, Law
else:
    # Loaded when they are asked for: the static checks live in this package too, and importing
    # hypothesis takes longer than they do.
    _HOMES = {
        "LAWS": "spec.laws",
        "Finding": "spec.findings",
        "Law": "spec.laws",
        "LawBroken": "spec.findings",
        "LawReport": "report.report",
        "LifecycleMachine": "checks.sequential.machine",
        "OpenStore": "running.open_store",
        "Proxied": "running.targets",
        "Report": "report.report",
        "Target": "running.targets",
        "TargetError": "running.targets",
        "example_job": "spec.calls",
        "find_target": "running.targets",
        "reproduce": "run",
        "verify": "run",
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
