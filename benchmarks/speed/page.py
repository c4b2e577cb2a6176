"""docs/benchmarks.md: what stands between its markers is written here, the rest by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.goals import goals
from benchmarks.speed.results import Results
from benchmarks.speed.tables import anatomy, tables

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PLOT = PAGE.with_name("benchmarks.svg")
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write_page(results: Results) -> None:
    """Put the figures between the markers, and draw the plot."""
    # Imported here, since whoever only measures does without matplotlib.
    from benchmarks.speed.plot import draw

    text = PAGE.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has lost its markers {_BEGIN} and {_END}")
    draw(results, PLOT)
    body = "\n".join(_body(results))
    PAGE.write_text(f"{before}{_BEGIN}\n\n{body}\n{_END}{after}")


def _body(results: Results) -> Iterator[str]:
    yield f"Measured on {results.machine};"
    yield f"rounds of each cell: at least {results.rounds}; {results.seconds / 60:.0f} minutes."
    yield "A load average above the number of cores is other work."
    if results.runs > 1:
        yield f"Put together from {results.runs} runs; what several measured is that of the last."
    yield from ("", f"![Ratios by method and number of callers]({PLOT.name})", "")
    yield from ("## Goals", "", *goals(results), "")
    if results.anatomy:
        yield from ("## Where the time of a read on SQLite goes", "")
        yield "Processor time of the loop's thread; in brackets the share of blocking sqlite3."
        yield from ("", *anatomy(results), "")
    yield from tables(results)
