"""How many operations a second the linearizability check judges.

    python benchmarks/linearizability.py [--operations 10000] [--jobs 1 4 16] [--clients 1 4 8]

The histories are linearizable by construction: clients take turns at random, and each call takes
effect on an in-memory repository at an instant of its own between its begin and its end. Where a
search ends undecided, the seconds that it took are printed instead.
"""

from __future__ import annotations

import argparse
import asyncio
from random import Random
from time import process_time

from collection_jobs.adapters.memory import InMemoryCollectionJobRepository
from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.history.undecided import take_notes
from collection_jobs.conformance.running.runner import make
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
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


def main() -> None:
    """Print a table: one line for each mix, number of clients and number of jobs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4, 8, 16])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"histories of {options.operations} operations, best of {options.rounds} rounds;")
    print("operations a second of CPU time:")
    for mix in MIXES:
        for clients in options.clients:
            for jobs in options.jobs:
                shape = {"operations": options.operations, "jobs": jobs, "clients": clients}
                events = asyncio.run(make_history(Random(1), mix=mix, **shape))
                best = min(_seconds(events) for _ in range(options.rounds))
                rate = f"{len(events) / best:10,.0f}"
                if take_notes():
                    rate = f"not decided in {best:.1f} s"
                print(f"{mix:15} {clients:3} clients on {jobs:3} jobs: {rate}", flush=True)


def _seconds(events: list[Event]) -> float:
    began = process_time()
    findings = check(events)
    seconds = process_time() - began
    if findings:
        raise SystemExit("\n".join([findings[0].message, *findings[0].history]))
    return seconds


if __name__ == "__main__":
    main()
