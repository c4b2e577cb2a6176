"""Coverage: which classes of values were really tried, counted as the work was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Coverage"]


@dataclass(slots=True)
class Coverage:
    """For each field or parameter and each of its classes of values, what was done with them.

    Attributes:
        classes: Every field or parameter, and each class of its values.
        uses: What is to be done with values of each.
        done: What was done, as it was done.
    """

    classes: tuple[tuple[str, str], ...] = ()
    uses: tuple[str, ...] = ()
    done: dict[str, set[tuple[str, str]]] = field(default_factory=dict[str, set[tuple[str, str]]])

    def open_names(self, use: str) -> frozenset[str]:
        """Return the names of which some class is left; they alone need to be looked at."""
        done = self.done.get(use, set[tuple[str, str]]())
        return frozenset(name for name, kind in self.classes if (name, kind) not in done)

    def note(self, use: str, classes: Iterable[tuple[str, str]]) -> bool:
        """Note what was done with values of some classes; return whether any of it is new."""
        done = self.done.setdefault(use, set[tuple[str, str]]())
        known = len(done)
        done.update(classes)
        return len(done) > known

    @property
    def untried(self) -> tuple[str, ...]:
        """What is due and was not done, one line for each field and class."""
        lines = list[str]()
        for name, kind in self.classes:
            missing = [use for use in self.uses if (name, kind) not in self.done.get(use, ())]
            if missing:
                lines.append(f"{name}: {kind}, {' or '.join(missing)}")
        return tuple(lines)

    @property
    def summary(self) -> str:
        """How many of the classes were tried in every way, as a line."""
        names = len({name for name, _ in self.classes})
        count, whole = len(self.classes) - len(self.untried), len(self.classes)
        return f"{count:,} of {whole:,} classes of {names} fields were {_and(self.uses)}"

    def to_json(self) -> dict[str, Any]:
        """Return what was not tried as the command's JSON shows it."""
        return {"summary": self.summary, "not_tried": list(self.untried)}


def _and(uses: Sequence[str]) -> str:
    return " and ".join([", ".join(uses[:-1]), *uses[-1:]]) if len(uses) > 1 else "".join(uses)
