"""Every mutant that needs real files, processes, signals, cancellations or many jobs to show."""

from __future__ import annotations

from tests.mutants import (
    aiosqlite_rows,
    beyond_real,
    bulk,
    bulk_queries,
    bulk_right,
    cancelling,
    contending,
    crashing,
    data_real,
    exhausted,
    expiring,
    failing,
    growing,
    handling,
    knowing,
    lagging,
    leaking,
    leasing_real,
    pooled,
    swelling,
    unusual,
)
from tests.mutants.table import BUGS, ODD

__all__ = [
    "BUGS",
    "ODD",
    "aiosqlite_rows",
    "beyond_real",
    "bulk",
    "bulk_queries",
    "bulk_right",
    "cancelling",
    "contending",
    "crashing",
    "data_real",
    "exhausted",
    "expiring",
    "failing",
    "growing",
    "handling",
    "knowing",
    "lagging",
    "leaking",
    "leasing_real",
    "pooled",
    "swelling",
    "unusual",
]
