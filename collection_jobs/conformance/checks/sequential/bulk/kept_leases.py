"""Leases across openings: what is held, has expired or is over when the store is opened again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from collection_jobs.conformance.checks.sequential.bulk.stages import HERE, reopen
from collection_jobs.conformance.spec.calls import Held, Step, example_job
from collection_jobs.lease import MIN_TTL
from collection_jobs.status import JobStatus

__all__ = ["lives_of_leases"]

_TTL = timedelta(hours=1)
_UNTIL_EXPIRED = 2 * MIN_TTL
"""After so long a lease of `MIN_TTL` has expired, by any clock."""
_EXPIRING = ("expired", "expired and renewed", "expired and finished", "expired and taken")
_HELD = ("held", "renewed", "held by the second")
_OVER = ("given back", "completed", "deleted", "made again")


def lives_of_leases(place: str, killed: str) -> Iterator[Step]:
    """Yield the steps: leases of each kind, and two openings after which their holders go on.

    Args:
        place: Where the store is opened between the two.
        killed: How the stage there ends.
    """
    for job_id in (*_EXPIRING, *_HELD, *_OVER, "never claimed"):
        yield Step("save", (example_job(job_id),))
    yield from _leased()
    yield from _look(_EXPIRING, _HELD, _OVER)
    yield reopen(place, pause=_UNTIL_EXPIRED)
    yield from _look(_EXPIRING, _HELD, _OVER, ("never claimed",))
    yield Step("save", (example_job("deleted"),))
    for job_id in reversed(_OVER):  # the one with the greatest token first
        yield Step("claim", (job_id, "worker", MIN_TTL), keep=f"new lease of {job_id}")
    yield Step("renew", (_lease_of("expired and renewed"), _TTL))
    finished = "expired and finished"
    yield Step("add_failed_symbol", (finished, "BTC", "late", _lease_of(finished)))
    yield Step("update_status", (finished, JobStatus.COMPLETED, None, _lease_of(finished)))
    yield Step("claim", ("expired and taken", "rival", _TTL), keep="rival")
    for job_id in _HELD:
        yield Step("claim", (job_id, "rival", _TTL))
    yield from _look(_EXPIRING, _HELD, _OVER)
    yield reopen(HERE, killed, pause=_UNTIL_EXPIRED)
    yield from _look(_EXPIRING, _HELD, _OVER)
    for job_id in (*_EXPIRING, *_HELD):
        yield Step("add_failed_symbol", (job_id, "BTC", "boom", _lease_of(job_id)))
    for job_id in _OVER:
        yield Step("renew", (Held(f"new lease of {job_id}"), _TTL))
        yield Step("claim", (job_id, "rival", _TTL))
    yield Step("update_status", ("expired and taken", JobStatus.COMPLETED, None, Held("rival")))
    for _ in range(3):
        yield Step("claim_next", ("rival", _TTL))
    yield from _look(_EXPIRING, _HELD, _OVER, ("never claimed",))


def _leased() -> Iterator[Step]:
    for job_id in _EXPIRING:
        yield Step("claim", (job_id, "worker", MIN_TTL), keep=f"lease of {job_id}")
    yield Step("claim", ("held", "worker", _TTL), keep="lease of held")
    yield Step("claim", ("renewed", "worker", MIN_TTL), keep="lease of renewed")
    yield Step("renew", (_lease_of("renewed"), _TTL))
    second = "held by the second"
    yield Step("claim", (second, "first", _TTL))
    yield Step("update_status", (second, JobStatus.FAILED, "boom"))
    yield Step("update_status", (second, JobStatus.PENDING))
    yield Step("claim", (second, "worker", _TTL), keep=f"lease of {second}")
    # The last tokens are those of leases that are over.
    for job_id in _OVER:
        yield Step("claim", (job_id, "worker", _TTL), keep=f"lease of {job_id}")
    yield Step("update_status", ("given back", JobStatus.PENDING, None, _lease_of("given back")))
    yield Step("update_status", ("completed", JobStatus.COMPLETED, None, _lease_of("completed")))
    yield Step("save", (example_job("completed"),))
    yield Step("delete", ("made again",))
    yield Step("save", (example_job("made again"),))
    yield Step("delete", ("deleted",))


def _lease_of(job_id: str) -> Held:
    return Held(f"lease of {job_id}")


def _look(*groups: Iterable[str]) -> Iterator[Step]:
    for ids in groups:
        for job_id in ids:
            yield Step("get_by_id", (job_id,))
            yield Step("get_lease", (job_id,))
