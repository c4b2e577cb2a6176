"""The plot: by how many times the adapters are faster than each of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.speed.frame import Cell, ratio
from benchmarks.speed.results import Results
from benchmarks.speed.tables import OURS, callers, candidates
from benchmarks.speed.workload import METHODS

# A grey and colours that can be told apart on white and on black.
_INK, _GRID = "#808080", "#80808060"
_COLOURS = ("#e69f00", "#56a4d8", "#00a878", "#d55e5e", "#b07fd0", "#a8862f")
_MARKERS = "os^Dvp"
_SHOWN = ("SQLite, synchronous=FULL", "PostgreSQL", "in memory")
_SIZE = 100_000


def draw(results: Results, path: Path) -> None:
    """Write the plot as SVG: a row for each engine, a panel for each number of callers."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "collection-jobs"})
    engines = [it for it in _SHOWN if any(cell.engine == it for cell in results.rates)]
    columns = max(len(callers(results, engine)) for engine in engines)
    figure = Figure(figsize=(12, 0.6 + 3.9 * len(engines)))
    panels = figure.subplots(len(engines), columns, squeeze=False, sharey=True)
    for row, engine in zip(panels, engines, strict=True):
        for panel, number in zip(row, callers(results, engine), strict=False):
            _panel(panel, results, engine, number)
        for unused in row[len(callers(results, engine)) :]:
            unused.set_visible(False)
        row[0].set_title(f"{engine}, {_size(results, engine):,} jobs\n1 caller", **_TITLE)
        last = row[len(callers(results, engine)) - 1]
        last.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, labelcolor=_INK)
    figure.supxlabel("calls a second, as a multiple of the other's", color=_INK, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, transparent=True, metadata={"Date": None})


_TITLE: dict[str, Any] = {"color": _INK, "fontsize": 10, "loc": "left"}


def _size(results: Results, engine: str) -> int:
    sizes = sorted({cell.size for cell in results.rates if cell.engine == engine})
    return _SIZE if _SIZE in sizes else sizes[-1]


def _panel(panel: Any, results: Results, engine: str, number: int) -> None:
    size = _size(results, engine)
    for name, colour, marker in zip(candidates(results, engine), _COLOURS, _MARKERS, strict=False):
        points = [
            (value, place)
            for place, method in enumerate(reversed(METHODS))
            if (rates := results.rates.get(Cell(engine, size, number, method)))
            and (value := ratio(rates, OURS, name)) is not None
        ]
        panel.plot(*zip(*points, strict=True), marker, color=colour, label=name, markersize=5.5)
    panel.set_xscale("log")
    panel.axvline(1, color=_INK, linewidth=1.2)
    panel.grid(color=_GRID, linewidth=0.5)
    panel.set_yticks(range(len(METHODS)), list(reversed(METHODS)))
    panel.tick_params(colors=_INK, labelsize=8)
    panel.set_title(f"\n{number} callers", **_TITLE)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    for spine in panel.spines.values():
        spine.set_visible(False)
