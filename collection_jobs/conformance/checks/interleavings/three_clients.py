"""Programs of three clients on three jobs, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from random import Random

from collection_jobs.conformance.checks.interleavings.programs import ConcurrentProgram
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import LEASES
from collection_jobs.conformance.spec.operations import Operation, operations
from collection_jobs.status import JobStatus

__all__ = ["three_clients"]

_IDS = "abc"
_BORN = {id_: example_job().created_at + timedelta(days=number) for number, id_ in enumerate(_IDS)}
_MOST_CALLS = 3
"""How many calls a client makes at most."""
_CHANGES = (
    Change("with_completed_symbol", ("BTC", 20)),
    Change("replace", (), (("timeframe", "1d"),)),
)
_LISTINGS = (
    Step("list_recent"),
    Step("get_running_jobs"),
    *(Step("list_by_status", (status,)) for status in (JobStatus.PENDING, JobStatus.RUNNING)),
)


def three_clients(random: Random, capabilities: Collection[str] = ()) -> ConcurrentProgram:
    """Draw a program: some of three jobs, and what each of three clients does with any of them.

    Args:
        random: Draws.
        capabilities: What the adapter can do beyond the nine methods; leases have programs of
            their own.
    """
    setup: list[Step] = []
    for id_ in random.sample(_IDS, random.randint(1, len(_IDS))):
        setup.append(Step("save", (example_job(id_, created_at=_BORN[id_]),)))
        if random.random() < 0.5:
            setup.append(Step("update_status", (id_, JobStatus.RUNNING)))
        setup.append(Step("get_by_id", (id_,), keep=f"held_{id_}"))
    beyond = [one for one in operations(capabilities) if one.capability not in (None, LEASES)]
    clients = tuple(
        tuple(_step(random, beyond) for _ in range(random.randint(1, _MOST_CALLS)))
        for _ in range(3)
    )
    return ConcurrentProgram(tuple(setup), clients)


def _step(random: Random, beyond: Collection[Operation]) -> Step:
    id_ = random.choice(_IDS)
    kinds: tuple[Callable[[], Step], ...] = (
        lambda: Step("update_status", (id_, random.choice(tuple(JobStatus)))),
        lambda: Step("update_status", (id_, JobStatus.RUNNING)),
        lambda: Step("add_failed_symbol", (id_, random.choice(("BTC", "ETH")), "timeout")),
        lambda: Step("save", (example_job(id_, timeframe="4h", created_at=_BORN[id_]),)),
        lambda: Step("save", (Held(f"held_{id_}", (random.choice(_CHANGES),)),)),
        lambda: Step("delete", (id_,)),
        lambda: Step("get_by_id", (id_,)),
        lambda: Step("get_stats", (id_,)),
        lambda: random.choice(_LISTINGS),
        *(partial(one.step, id_) for one in beyond),
    )
    return random.choice(kinds)()
