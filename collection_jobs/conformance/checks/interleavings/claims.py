"""Pairs of calls of which one is about leases: claims of the same jobs, and losses of a lease."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from itertools import combinations_with_replacement, product
from types import MappingProxyType

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.status import JobStatus

__all__ = ["pairs_of_claims"]

_TTL = timedelta(hours=1)
_LATER = example_job("b", created_at=example_job("a").created_at + timedelta(days=1))
_LEASE = Held("lease")
_COPY = Held("held", (Change("with_completed_symbol", ("BTC", 20)),))


def _becomes(status: JobStatus, *lease: Held) -> Step:
    return Step("update_status", ("a", status, *((None, *lease) if lease else ())))


_SAVES = (Step("save", (example_job("a"),)), Step("save", (_LATER,)))
_HOLD = Step("get_by_id", ("a",), keep="held")
_CLAIM = Step("claim", ("a", "holder", _TTL), keep="lease")
_NEXT = Step("claim_next", ("worker", _TTL))
_ONE_AT_A_TIME = Step("claim_next", ("worker", _TTL, None, 1))
_LOOK = Step("get_lease", ("a",))

_SETUPS: Mapping[str, tuple[Step, ...]] = MappingProxyType(
    {"pending": (*_SAVES, _HOLD), "leased": (*_SAVES, _CLAIM, _HOLD)}
)
"""How job ``a`` is brought to each stage; job ``b``, which is younger, is pending beside it."""

_CLAIMS = (_NEXT, _ONE_AT_A_TIME, Step("claim", ("a", "rival", _TTL)))
_OTHERS = (
    _becomes(JobStatus.RUNNING),
    _becomes(JobStatus.CANCELLED),
    Step("add_failed_symbol", ("a", "ETH", "banned")),
    Step("save", (_COPY,)),
    Step("delete", ("a",)),
    Step("get_by_id", ("a",)),
)
_UNDER_LEASE = (
    Step("renew", (_LEASE, _TTL)),
    Step("add_failed_symbol", ("a", "BTC", "timeout", _LEASE)),
    Step("add_completed_symbol", ("a", "ETH", 7, _LEASE)),
    _becomes(JobStatus.COMPLETED, _LEASE),
    _LOOK,
)


def _fenced(capabilities: Collection[str]) -> Iterator[Step]:
    """Yield calls under the lease of what an adapter may have beside leases."""
    for one in operations(capabilities):
        is_fenced = one.takes("lease") and one.capability is not None and not one.is_of_leases
        if is_fenced and all(one.name != step.method for step in _UNDER_LEASE):
            given = {it.name: it.default for it in one.parameters if not it.is_required}
            yield one.step("a", **{**given, "lease": _LEASE})


_ENDS = (
    _becomes(JobStatus.PENDING),
    _becomes(JobStatus.CANCELLED),
    Step("save", (_COPY,)),
    Step("delete", ("a",)),
    Step("get_by_id", ("a",)),
)
_TAKEN_OVER = (_becomes(JobStatus.PENDING), Step("claim", ("a", "rival", _TTL)))
"""What an operator and the next worker do, while the former worker goes on."""


def pairs_of_claims(capabilities: Collection[str]) -> Iterator[ConcurrentProgram]:
    """Yield every two calls of which one is about leases, and what needs three or four.

    Args:
        capabilities: What the adapter can do beside leasing jobs.
    """
    more = tuple(_fenced(capabilities))
    for one in more:
        for other in (*_ENDS[:2], _UNDER_LEASE[0]):
            yield ConcurrentProgram(_SETUPS["leased"], ((one,), (other,)))
    for stage, about, others in (
        ("pending", _CLAIMS, _OTHERS),
        ("leased", _UNDER_LEASE, _ENDS),
    ):
        setup = _SETUPS[stage]
        for first, second in (
            *combinations_with_replacement(about, 2),
            *product(about, others),
        ):
            yield ConcurrentProgram(setup, ((first,), (second,)))
    yield ConcurrentProgram(_SETUPS["pending"], ((_NEXT,), (_NEXT,), (_NEXT,)))
    yield ConcurrentProgram(_SETUPS["pending"], ((_NEXT, _LOOK), (_NEXT, _LOOK)))
    for late in (*_UNDER_LEASE[:-1], *more):
        yield ConcurrentProgram(_SETUPS["leased"], (_TAKEN_OVER, (late,)))
