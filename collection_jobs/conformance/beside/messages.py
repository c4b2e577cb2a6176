"""Messages between the process that examines and the second one, which makes some of the checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from collection_jobs.conformance.running.configuration import Examination, Profile
from collection_jobs.conformance.running.probing import Probed

__all__ = ["Beat", "CheckMade", "ChecksWanted", "GaveUp", "take"]


def take(directory: Path, check: str) -> bool:
    """Take a check for oneself; False where the other process has taken it."""
    try:
        (directory / f"taken-{check.replace(' ', '-')}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ChecksWanted:
    """Make some checks, one after another.

    Attributes:
        checks: Their names; each is made by whoever takes it first.
        directory: Where to make the directories of their stores.
        in_memory: Whether that is in the system's memory.
        probed: What the first look at the target told.
        profile: How thoroughly to look, as it was fitted to the adapter's pace.
        seed: Seed of all random choices.
        printing: Whether what workers print is kept.
    """

    checks: tuple[str, ...]
    directory: Path
    in_memory: bool
    probed: Probed
    profile: Profile
    seed: int
    printing: bool


@dataclass(frozen=True, slots=True)
class Beat:
    """The interpreter of the second process still runs.

    Attributes:
        done: How much of the check under way is done.
        total: Of how much.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CheckMade:
    """A check was made.

    Attributes:
        check: Its name.
        examination: What came of it.
    """

    check: str
    examination: Examination


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A call did not return, or the event loop was ended: the checks are to be made elsewhere."""
