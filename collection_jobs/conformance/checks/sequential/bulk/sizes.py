"""Sizes: how large the stores are that a profile asks for."""

from __future__ import annotations

from dataclasses import dataclass

from collection_jobs.conformance.running.configuration import Profile

__all__ = ["Sizes", "sizes_of"]

_LEAST = 130
"""The fewest jobs: more than pages of 100, and than splits at 64 and 128."""
_FEW_MARKS = (0, 1, 100, 1_000)
_MARKS = (0, 1, 10, 50, 100, 101, 500, 1_000, 10_000)
"""What adapters and engines take for a default or a bound."""
_BATCHES = (1_001, 100, 26, 25, 1, 1_000, 999)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large stores are.

    Attributes:
        jobs: How many jobs the large store has.
        batches: How many of them are saved together.
        changes: How many changes are drawn, and how many are made in one process before it is
            killed.
        symbols: How many symbols the large jobs have.
        of_one_job: How many changes of one job follow each other.
        of_the_store: How many changes are made by ``save_many`` of a thousand jobs.
        openings: How often a store is opened and closed in a row.
        every: Of the jobs of the large store, each of so many is read again in other processes.
        marks: The limits and offsets that listings are given.
        zones: In how many other processes a store is opened one after another.
        brief: Whether what costs much and finds little is left out.
    """

    jobs: int
    batches: tuple[int, ...]
    changes: int
    symbols: tuple[int, ...]
    of_one_job: int
    of_the_store: int
    openings: int
    every: int
    marks: tuple[int, ...]
    zones: int
    brief: bool


def sizes_of(profile: Profile) -> Sizes:
    """Return the sizes that a profile asks for."""
    factor = profile.smaller
    jobs = max(_LEAST, profile.stored // factor)
    most = profile.stored if factor == 1 else jobs
    brief = factor > 1 or not profile.counted
    return Sizes(
        jobs=jobs,
        batches=tuple(size for size in _BATCHES if size <= most),
        changes=max(60, profile.altered // factor),
        symbols=tuple(
            size for size in (1, 30, 300, 2_000, 20_000) if size <= profile.symbols // factor
        ),
        of_one_job=max(40, profile.repeated // factor),
        of_the_store=profile.counted if factor == 1 else 0,
        openings=3 if brief else 20,
        every=8 if brief else 3,
        marks=_FEW_MARKS if brief else _MARKS,
        zones=1 if brief else 2,
        brief=brief,
    )
