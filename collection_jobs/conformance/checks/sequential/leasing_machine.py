"""LeasingMachine: the random walk of one caller that claims jobs, too, and holds leases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from collection_jobs.conformance.checks.sequential.machine import LifecycleMachine
from collection_jobs.conformance.checks.sequential.strategies import HOSTILE, PLACES
from collection_jobs.conformance.spec.calls import Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES, METHODS
from collection_jobs.lease import Lease
from collection_jobs.status import JobStatus

__all__ = ["LeasingMachine"]

_NAMES = HOSTILE["lease"]
_MAYBE_SOURCE = st.none() | HOSTILE["source of a job"]
_MAYBE_MOST = st.none() | HOSTILE["most running"]
_FENCED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    *(("update_status", (status, None)) for status in JobStatus),
    ("add_failed_symbol", ("BTC", "timeout")),
    ("add_completed_symbol", ("ETH", 7)),
    ("add_completed_symbol", ("XRP", 7)),
    ("add_failure", ("BTC", "gone", True)),
    ("set_cursor", ("ETH", example_job().end)),
)
"""Changes that a worker makes under its lease."""


class LeasingMachine(LifecycleMachine):
    """Claim jobs, renew and lose leases, and change jobs under leases that are current or not.

    No time passes: the leases are long. That they expire is for fixed programs to try.
    """

    @rule(
        worker=HOSTILE["worker"],
        ttl=HOSTILE["ttl"],
        source=_MAYBE_SOURCE,
        most=_MAYBE_MOST,
        name=_NAMES,
    )
    def claim_next(
        self, worker: str, ttl: timedelta, source: str | None, most: int | None, name: str
    ) -> None:
        """Claim the next job, and look at it."""
        self._do(Step("claim_next", (worker, ttl, source, most), keep=name))
        self._look(name)

    @rule(place=PLACES, worker=HOSTILE["worker"], ttl=HOSTILE["ttl"], name=_NAMES)
    def claim(self, place: int, worker: str, ttl: timedelta, name: str) -> None:
        """Claim one job, to be had or not."""
        job_id = self._ids[place]
        self._do(Step("claim", (job_id, worker, ttl), keep=name))
        self._do(Step("get_by_id", (job_id,)), Step("get_lease", (job_id,)))

    @rule(ttl=HOSTILE["ttl"], name=_NAMES, kept=st.booleans())
    def renew(self, ttl: timedelta, name: str, kept: bool) -> None:
        """Renew a lease, lost or not, and go on with either lease."""
        self._do(Step("renew", (Held(name), ttl), keep=name if kept else None))
        self._look(name)

    @rule(place=PLACES)
    def get_lease(self, place: int) -> None:
        """Look who has a job."""
        self._do(Step("get_lease", (self._ids[place],)))

    @rule(name=_NAMES, change=st.sampled_from(_FENCED))
    def change_under_lease(self, name: str, change: tuple[str, tuple[Any, ...]]) -> None:
        """Change the job of a lease that may have been lost."""
        lease = self._runner.held.get(name)
        job_id = lease.job.id if isinstance(lease, Lease) else "none"
        method, arguments = change
        if METHODS.get(method, LEASES) not in (*self.capabilities, LEASES):
            return
        self._do(Step(method, (job_id, *arguments, Held(name))))
        self._look(name)

    def _look(self, name: str) -> None:
        lease = self._runner.held.get(name)
        if isinstance(lease, Lease):
            self._do(Step("get_by_id", (lease.job.id,)), Step("get_lease", (lease.job.id,)))
