"""What a run found, as a value that can be kept in a file and rendered later."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed.frame import Cell, Rates


@dataclass
class Results:
    """Everything that the page tells.

    Attributes:
        machine: Where it ran, in words.
        seconds: How long it took.
        runs: Of how many runs it is put together, of which each measured some parts.
        rates: Calls per second.
        figures: Single figures, by their names.
        anatomy: Microseconds of reads on SQLite, by method and by what does it.
    """

    machine: str
    seconds: float = 0.0
    runs: int = 1
    rates: Rates = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    anatomy: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many rounds each cell had at least, but for the slowest of the others."""
        return min(max(map(len, rates.values())) for rates in self.rates.values())

    def save(self, path: Path) -> None:
        """Write them as JSON."""
        cells = [
            {**vars(cell), "rates": candidates} for cell, candidates in sorted(self.rates.items())
        ]
        rest = {name: value for name, value in vars(self).items() if name != "rates"}
        path.write_text(json.dumps({**rest, "cells": cells}, indent=1))

    def updated(self, later: Results) -> Results:
        """Return these, with what a later run on the same machine found."""
        return Results(
            machine=later.machine if "PostgreSQL" in later.machine else self.machine,
            seconds=self.seconds + later.seconds,
            runs=self.runs + later.runs,
            rates={**self.rates, **later.rates},
            figures={**self.figures, **later.figures},
            anatomy=later.anatomy or self.anatomy,
        )

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what save wrote."""
        found: dict[str, Any] = json.loads(path.read_text())
        rates = {
            Cell(it["engine"], it["size"], it["callers"], it["method"]): it["rates"]
            for it in found.pop("cells")
        }
        return cls(**found, rates=rates)


def machine(directory: Path) -> str:
    """Return the machine's kind in words: what the figures depend on."""
    load = f", load average {os.getloadavg()[1]:.0f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {_file_system(directory)}, "
        f"{platform.system()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}{load}"
    )


def _file_system(directory: Path) -> str:
    """Return the kind of file system that a directory is on, where the system tells."""
    if sys.platform != "linux":
        return "a file system of unknown kind"
    places = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [
        (len(place), kind) for place, kind in places if directory.resolve().is_relative_to(place)
    ]
    return max(above)[1]
