"""Zones: time zones with daylight saving, for processes that are not to run in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

__all__ = ["ZONES", "Zone"]

_DATABASE = Path("/usr/share/zoneinfo")


@dataclass(frozen=True, slots=True)
class Zone:
    """The environment of a process in another place.

    Attributes:
        name: The name of its time zone.
        rule: The same in the words of POSIX, for systems without a database of zones.
        hash_seed: The seed of the hashes of its strings.
    """

    name: str
    rule: str
    hash_seed: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of the process."""
        known = (_DATABASE / self.name).exists()
        return {"TZ": self.name if known else self.rule, "PYTHONHASHSEED": str(self.hash_seed)}


ZONES: Mapping[str, Zone] = MappingProxyType(
    {
        zone.name: zone
        for zone in (
            Zone("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", 1),
            Zone("Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2),
        )
    }
)
"""One zone in the north, and one in the south that is moved by half an hour only."""
