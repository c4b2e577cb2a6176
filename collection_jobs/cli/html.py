"""The HTML of a report: one page that needs nothing else, for a person on any screen."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from collection_jobs.conformance import LAWS, Report
from collection_jobs.conformance.report.report import reproduce_command
from collection_jobs.conformance.spec.findings import Bar

__all__ = ["html_page"]

_TEMPLATES = Environment(
    loader=PackageLoader("collection_jobs", "cli"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class _Drawn(NamedTuple):
    """A call on the timeline, with the place of its bar in percent of the width."""

    client: str
    call: str
    outcome: str
    left: float
    width: float


def html_page(report: Report, sentence: str) -> str:
    """Render the page: the verdict, each finding with its history and timeline, and every law.

    Args:
        report: What to show.
        sentence: The verdict in words.
    """
    return _TEMPLATES.get_template("report.html.jinja").render(
        report=report,
        sentence=sentence,
        laws=LAWS,
        python=platform.python_version(),
        bars=_drawn,
        reproduce=reproduce_command,
    )


def _drawn(timeline: Sequence[Bar]) -> list[_Drawn]:
    """Where each bar stands; a call that never returned reaches to the end."""
    moments = [bar.began for bar in timeline] + [bar.ended or bar.began for bar in timeline]
    first, last = min(moments), max(moments) + 1
    scale = 100 / (last - first)
    return [
        _Drawn(
            bar.client,
            bar.call,
            bar.outcome,
            round((bar.began - first) * scale, 2),
            round(((last if bar.ended is None else bar.ended) - bar.began) * scale, 2),
        )
        for bar in timeline
    ]
