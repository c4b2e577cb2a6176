"""How long ``import collection_jobs`` takes, against the modules that it needs."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

STANDARD = "import dataclasses, enum, datetime, typing"
_TIMED = "from time import perf_counter as now; began = now(); {}; print(now() - began)"


def ratio(rounds: int) -> float:
    """Return the median of the ratios in so many rounds, each import in a fresh interpreter."""
    _seconds("import collection_jobs")  # writes the bytecode
    return median(_seconds("import collection_jobs") / _seconds(STANDARD) for _ in range(rounds))


def _seconds(statement: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
