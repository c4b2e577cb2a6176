"""How many operations a second the linearizability check judges.

    python benchmarks/linearizability.py [--operations 10000] [--jobs 1 4 16] [--clients 1 4 8]
    python benchmarks/linearizability.py --broken --operations 2000 --jobs 1 --clients 8 16 32

The histories are linearizable by construction: clients take turns at random, and each call takes
effect on an in-memory repository at an instant of its own between its begin and its end. Where a
search ends undecided, the seconds that it took are printed instead. With ``--broken``, one read in
the middle of each shows one failure too many, and the seconds until it is refused are printed.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from time import process_time
from typing import cast

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.undecided import take_notes
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
from collection_jobs.job import CollectionJob
from collection_jobs.status import JobStatus

MIXES = {
    "mixed": "save get get get status status status failed failed stats delete",
    "mostly reads": "get get get get get get get status failed stats",
    "mostly changes": "save status status status failed failed failed get",
}


def _call(random: Random, jobs: int, methods: list[str]) -> Call:
    job_id = f"job {random.randrange(jobs)}"
    match random.choice(methods):
        case "save":
            return Call("save", (example_job(job_id),))
        case "get":
            return Call("get_by_id", (job_id,))
        case "status":
            return Call("update_status", (job_id, random.choice(list(JobStatus))))
        case "failed":
            symbol = random.choice(["BTC", "ETH"])
            return Call("add_failed_symbol", (job_id, symbol, f"error {random.randrange(100)}"))
        case "stats":
            return Call("get_stats", (job_id,))
        case _:
            return Call("delete", (job_id,))


async def make_history(
    random: Random, *, operations: int, jobs: int, clients: int, mix: str = "mixed"
) -> list[Event]:
    """Make a linearizable history: every client has a call under way until the last begins."""
    repository = InMemoryCollectionJobRepository()
    methods = MIXES[mix].split()
    events: list[Event] = []
    under_way: dict[int, tuple[int, Call, Outcome | None]] = {}
    now = 0
    while len(events) < operations:
        now += 1
        client = random.randrange(clients)
        if client not in under_way:
            # Those begun all come back: what another saw of a call left out would have no order.
            if len(events) + len(under_way) < operations:
                under_way[client] = (now, _call(random, jobs, methods), None)
            continue
        began, call, outcome = under_way[client]
        if outcome is None:
            under_way[client] = (began, call, await make(call, repository))
            continue
        del under_way[client]
        events.append(Event(f"client {client}", call, began, now, outcome))
    return events


def broken(events: list[Event]) -> list[Event]:
    """Return the history with one read, the middle one of those of failures, that is wrong.

    A mix that saves no job has no such read, and stays as it is.
    """
    reads = [at for at, event in enumerate(events) if _counts(event)]
    if not reads:
        return events
    at = reads[len(reads) // 2]
    outcome = cast("Outcome", events[at].outcome)
    counts = {symbol: number + 1 for symbol, number in _counts(events[at]).items()}
    job = cast("CollectionJob", outcome.value)
    wrong = replace(job, failure_counts=counts, revision=job.revision)
    return [
        *events[:at],
        replace(events[at], outcome=replace(outcome, value=wrong)),
        *events[at + 1 :],
    ]


def _counts(event: Event) -> Mapping[str, int]:
    job = None if event.outcome is None else event.outcome.value
    return job.failure_counts if isinstance(job, CollectionJob) else {}


def main() -> None:
    """Print a table: one line for each mix, number of clients and number of jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", action="store_true")
    options = parser.parse_args()
    what = "seconds until a wrong read is refused" if options.broken else "operations a second"
    print(f"histories of {options.operations} operations, best of {options.rounds} rounds;")
    print(f"{what}, of CPU time:")
    for mix in MIXES:
        if options.broken and "save" not in MIXES[mix].split():
            continue
        for clients in options.clients:
            for jobs in options.jobs:
                shape = {"operations": options.operations, "jobs": jobs, "clients": clients}
                events = asyncio.run(make_history(Random(options.seed), mix=mix, **shape))
                if options.broken:
                    events = broken(events)
                best = min(_seconds(events, options.broken) for _ in range(options.rounds))
                rate = f"{best:10.2f}" if options.broken else f"{len(events) / best:10,.0f}"
                if take_notes():
                    rate = f"not decided in {best:.1f} s"
                print(f"{mix:15} {clients:3} clients on {jobs:3} jobs: {rate}", flush=True)


def _seconds(events: list[Event], is_broken: bool) -> float:
    began = process_time()
    findings = check(events)
    seconds = process_time() - began
    if findings and not is_broken:
        raise SystemExit("\n".join([findings[0].message, *findings[0].history]))
    return seconds


if __name__ == "__main__":
    main()
