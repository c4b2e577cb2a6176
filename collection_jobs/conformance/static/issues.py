"""Fault: one thing that is wrong with one method, and what to change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Fault", "FaultKind"]


class FaultKind(StrEnum):
    """The kinds of faults, as reports name them."""

    MISSING = "missing"
    """The class has no such method, or it is still abstract."""
    SHAPE = "shape"
    """It is no method: a property, an attribute, a class, a method without an instance."""
    SYNC = "sync"
    """Calling it gives no coroutine."""
    PARAMETERS = "parameters"
    """Their names, kinds, order or number differ."""
    DEFAULT = "default"
    """A parameter has another default."""
    TYPES = "types"
    """A type differs from the contract's."""
    UNCHECKED = "unchecked"
    """No type checker can see what it takes or gives: Any, no annotation, a lossy decorator."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one method.

    Attributes:
        kind: Its kind.
        message: What is wrong.
        change: What to do about it.
        certain: Whether it is a fault in any case. What is not certain (another type may be a
            wider one; functools.wraps may lend a method the looks of another) counts only where
            a type checker rejects the method.
    """

    kind: FaultKind
    message: str
    change: str
    certain: bool = True
