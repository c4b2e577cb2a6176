"""Points in time as a command line has them: a date, an instant, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from collection_jobs.cli.escape import harmless

__all__ = ["since"]

_AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Read an option: how long ago (90m, 3d), or an ISO date or instant, in UTC if bare."""
    if value is None:
        return None
    try:
        if ago := _AGO.fullmatch(value.strip()):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{harmless(value)!r} is no time: give how long ago (90m, 12h, 3d, 2w), or a date or"
            " instant in UTC (2026-01-31, 2026-01-31T09:30)",
            ctx,
            param,
        ) from None
