"""Static conformance: what type checkers and a look at the class say before anything runs."""

from collection_jobs.conformance.static.check import check_class, probe_text
from collection_jobs.conformance.static.checked_class import CheckedClass, CheckedClassError
from collection_jobs.conformance.static.checkers import CHECKERS
from collection_jobs.conformance.static.location import Location
from collection_jobs.conformance.static.probe import make_probe
from collection_jobs.conformance.static.report import (
    CheckerRun,
    Fault,
    FaultKind,
    MethodReport,
    StaticReport,
    Verdict,
)

__all__ = [
    "CHECKERS",
    "CheckedClass",
    "CheckedClassError",
    "CheckerRun",
    "Fault",
    "FaultKind",
    "Location",
    "MethodReport",
    "StaticReport",
    "Verdict",
    "check_class",
    "make_probe",
    "probe_text",
]
