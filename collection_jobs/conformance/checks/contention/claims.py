"""Rounds of workers: claims of the same jobs, of expired leases, of few at a time, and in turn.

The jobs of a round have a source of their own, so that no other round's are claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from collection_jobs.conformance.spec.calls import WAIT, Held, Program, Step
from collection_jobs.job import CollectionJob
from collection_jobs.lease import MIN_TTL
from collection_jobs.status import JobStatus

__all__ = ["EXPIRED", "KINDS_OF_LEASES"]

EXPIRED = "claim_next of expired"
"""The kind of round in which time has to pass."""

_TTL = timedelta(hours=1)
_JOBS_IN_TURN = 2
_UNTIL_EXPIRED = timedelta(milliseconds=90)

_Parts = tuple[str, Program, tuple[Program, ...]]
"""What it is about, what one caller does before, and what each client does."""


def _saved(source: str, jobs: Sequence[CollectionJob]) -> Program:
    return tuple(Step("save", (replace(job, source=source),)) for job in jobs)


def _next(worker: str, source: str, ttl: timedelta = _TTL, most: int | None = None) -> Step:
    return Step("claim_next", (worker, ttl, source, most))


def _several(source: str, jobs: Sequence[CollectionJob], clients: int) -> _Parts:
    """Each claims one job after another, until all are taken."""
    each = tuple(
        tuple(_next(f"worker {number}", source) for _ in jobs) for number in range(clients)
    )
    return "jobs claimed by workers", _saved(source, jobs), each


def _expired(source: str, jobs: Sequence[CollectionJob], clients: int) -> _Parts:
    """All claim jobs whose leases have expired, while one that was slow comes back."""
    former = tuple(_next("the former", source, MIN_TTL) for _ in jobs)
    setup = (*_saved(source, jobs), *former, Step(WAIT, (_UNTIL_EXPIRED,)))
    about, _, each = _several(source, jobs, clients)
    return f"{about} after their leases expired", setup, each


def _few(source: str, jobs: Sequence[CollectionJob], clients: int) -> _Parts:
    """Each claims jobs, of which no more than two may run at a time."""
    each = tuple((_next(f"worker {number}", source, _TTL, 2),) * 2 for number in range(clients))
    return "few jobs claimed at a time", _saved(source, jobs), each


def _in_turn(source: str, jobs: Sequence[CollectionJob], clients: int) -> _Parts:
    """Each claims a job, works on it, and gives it back; some go on after that."""
    some = jobs[:_JOBS_IN_TURN]
    each = tuple(
        tuple(step for at, job in enumerate(some) for step in _turn(job, number, f"lease_{at}"))
        for number in range(clients)
    )
    return "a job that workers have in turn", _saved(source, some), each


def _turn(job: CollectionJob, number: int, name: str) -> Program:
    """Have a worker claim a job and work on it; every other one is given back by an operator."""
    symbol, lease = job.symbols[number], Held(name)
    back = (job.id, JobStatus.PENDING)
    return (
        Step("claim", (job.id, f"worker {number}", _TTL), keep=name),
        Step("add_completed_symbol", (job.id, symbol, 7, lease)),
        Step("renew", (lease, _TTL)),
        Step("update_status", (*back, None, lease) if number % 2 else back),
        Step("add_failed_symbol", (job.id, symbol, "late", lease)),
    )


KINDS_OF_LEASES: Mapping[str, Callable[[str, Sequence[CollectionJob], int], _Parts]] = (
    MappingProxyType(
        {
            "claim_next of several": _several,
            EXPIRED: _expired,
            "claim_next of few": _few,
            "claims in turn": _in_turn,
        }
    )
)
"""Every kind of round of workers, by a short name."""
