"""The picture of the lifecycle, drawn from TRANSITIONS: `python -m tests.lifecycle` draws it anew.

Placed by hand, for five boxes need no layout engine, and none is there on every machine. Its
colours are read on light paper and on dark.
"""

from __future__ import annotations

from math import hypot
from pathlib import Path

from collection_jobs import TRANSITIONS, JobStatus

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "lifecycle.svg"

Point = tuple[float, float]

_PLACES: dict[JobStatus, Point] = {
    JobStatus.PENDING: (120, 150),
    JobStatus.RUNNING: (360, 50),
    JobStatus.COMPLETED: (620, 50),
    JobStatus.FAILED: (360, 150),
    JobStatus.CANCELLED: (620, 250),
}
_COLOURS = {
    JobStatus.PENDING: "#64748b",
    JobStatus.RUNNING: "#2563eb",
    JobStatus.COMPLETED: "#15803d",
    JobStatus.FAILED: "#b91c1c",
    JobStatus.CANCELLED: "#78716c",
}
_NAMES = {
    (JobStatus.RUNNING, JobStatus.PENDING): "given back",
    (JobStatus.FAILED, JobStatus.PENDING): "retry",
}
_HALF_WIDTH, _HALF_HEIGHT, _APART = 60.0, 20.0, 9.0

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 290" role="img" \
aria-labelledby="title" font-family="system-ui, sans-serif" font-size="16">
<title id="title">{title}</title>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" \
orient="auto"><path d="M0 0 8 4 0 8z" fill="#7d8590"/></marker></defs>
<g stroke="#7d8590" stroke-width="1.5" fill="none" marker-end="url(#head)">
<path d="M14 150 H58"/>
"""


def drawn() -> str:
    """The picture, as SVG."""
    edges = [
        (former, new) for former in JobStatus for new in JobStatus if new in TRANSITIONS[former]
    ]
    lines = [_line(former, new) for former, new in edges]
    title = "; ".join(f"{former} may become {new}" for former, new in edges)
    names = [_name(*edge) for edge in edges if edge in _NAMES]
    boxes = [_box(status) for status in JobStatus]
    start = '<circle cx="10" cy="150" r="6" fill="#7d8590"/>'
    return "\n".join(
        [_HEAD.format(title=title) + "\n".join(lines), "</g>", start, *names, *boxes, "</svg>\n"]
    )


def _ends(former: JobStatus, new: JobStatus) -> tuple[Point, Point]:
    """Where a line leaves the one box and meets the other; two of a pair run side by side."""
    (x1, y1), (x2, y2) = _PLACES[former], _PLACES[new]
    length = hypot(x2 - x1, y2 - y1)
    apart = _APART if former in TRANSITIONS[new] else 0.0
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    side_x, side_y = -dy * apart, dx * apart
    out = _way_out((side_x, side_y), (dx, dy), 0)
    back = _way_out((side_x, side_y), (-dx, -dy), 7 if new.is_final else 3)
    return (
        (x1 + side_x + dx * out, y1 + side_y + dy * out),
        (x2 + side_x - dx * back, y2 + side_y - dy * back),
    )


def _way_out(point: Point, direction: Point, gap: float) -> float:
    """How far it is from a point in a box, seen from its middle, to a gap behind its edge."""
    halves = (_HALF_WIDTH + gap, _HALF_HEIGHT + gap)
    return min(
        (half - at * (1 if d > 0 else -1)) / abs(d)
        for half, at, d in zip(halves, point, direction, strict=True)
        if d
    )


def _line(former: JobStatus, new: JobStatus) -> str:
    (x1, y1), (x2, y2) = _ends(former, new)
    return f'<path d="M{x1:.0f} {y1:.0f} L{x2:.0f} {y2:.0f}"/>'


def _name(former: JobStatus, new: JobStatus) -> str:
    (x1, y1), (x2, y2) = _ends(former, new)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2 - 8
    # Above a level line, before a rising one.
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{"middle" if y1 == y2 else "end"}"'
    return f'<text {place} fill="#7d8590">{_NAMES[former, new]}</text>'


def _box(status: JobStatus) -> str:
    x, y = _PLACES[status]
    ring = (
        f'<rect x="{x - 64}" y="{y - 24}" width="128" height="48" rx="12" fill="none"'
        f' stroke="{_COLOURS[status]}" stroke-width="2"/>\n'
        if status.is_final
        else ""
    )
    return (
        f'{ring}<rect x="{x - 60}" y="{y - 20}" width="120" height="40" rx="9"'
        f' fill="{_COLOURS[status]}"/>\n<text x="{x}" y="{y + 5}" fill="#fff"'
        f' text-anchor="middle">{status}</text>'
    )


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn(), encoding="utf-8")
