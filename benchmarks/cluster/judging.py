"""The judgement: what callers were told, held against what is stored in the end.

Each check gives sentences about what is wrong, none where all is well. An *unsure* call is one
whose error said that it may have happened: it may, also later, for what was sent may still arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from benchmarks.cluster.calls import Call
from collection_jobs import CollectionJob, JobStatus

__all__ = ["CHECKS", "Jobs"]

Jobs = Mapping[str, CollectionJob]
"""What is stored in the end, by the jobs' ids."""
Check = Callable[[Sequence[Call], Jobs], Iterator[str]]

_UNDER_LEASE = ("add_completed_symbol", "update_status", "renew")


def _by_job(calls: Iterable[Call], *methods: str) -> Mapping[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        if call.method in methods:
            found[call.job_id].append(call)
    return found


def nothing_else_is_raised(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find calls that raised what is none of the repository's errors."""
    for call in calls:
        if not (call.is_answered or call.is_unsure or call.is_not_done):
            yield f"{call.method} of {call.task} raised {call.error}"


def created_jobs_are_there(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find jobs that were acknowledged and are not there, or the other way round."""
    for job_id, attempts in _by_job(calls, "add", "save", "create").items():
        done = any(call.is_done for call in attempts)
        if done and job_id not in jobs:
            yield f"job {job_id!r} was acknowledged, and is not there"
        if job_id in jobs and all(call.is_not_done for call in attempts):
            yield f"job {job_id!r} is there, and its caller was told that it is not"
    for call in calls:
        if call.is_done and call.about.get("created") is False:
            yield f"job {call.job_id!r} was there before it was added: it was added twice"
        if call.method == "add_many":
            there = [job_id in jobs for job_id in call.about["jobs"]]
            if call.is_done and not all(there):
                yield f"add_many of {call.about['jobs']} was acknowledged, and some are not there"
            if any(there) and not all(there):
                yield f"add_many of {call.about['jobs']} was done in part"


def counts_are_exact(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find counts of less than was acknowledged, or of more than may have happened."""
    for job_id, attempts in _by_job(calls, "add_failure").items():
        job = jobs.get(job_id)
        stored = 0 if job is None else job.failure_counts.get("BTC", 0)
        least = sum(call.is_done for call in attempts)
        most = least + sum(call.is_unsure for call in attempts)
        if not least <= stored <= most:
            yield f"{stored} failures of {job_id!r} are counted, and it must be {least} to {most}"


def copies_follow_each_other(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find savers whose last acknowledged copy is neither stored nor followed by an unsure one."""
    for job_id, attempts in _by_job(calls, "save_copy").items():
        job = jobs.get(job_id)
        stored = 0 if job is None else int(job.metadata.get("number", "0"))
        done = [call.about["number"] for call in attempts if call.is_done]
        last = max(done, default=0)
        unsure = {call.about["number"] for call in attempts if call.is_unsure}
        if stored != last and not (stored > last and stored in unsure):
            yield f"copy {stored} of {job_id!r} is stored, and copy {last} was acknowledged last"
    untrue = {
        (call.job_id, call.about["number"])
        for call in calls
        if call.method == "save_copy" and call.is_not_done
    }
    for call in calls:
        if call.method == "get_by_id" and (call.job_id, call.about.get("number")) in untrue:
            yield f"{call.job_id!r} shows copy {call.about['number']}, which was said not to be"


def outcomes_are_there(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find outcomes that were acknowledged and are lost, that nobody recorded, or that two did."""
    told: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        if call.method == "add_completed_symbol":
            told[call.job_id, call.about["symbol"]].append(call)
    for (job_id, symbol), attempts in told.items():
        job = jobs.get(job_id)
        stored = None if job is None else job.completed_symbols.get(symbol)
        if stored is None:
            if any(call.is_done for call in attempts):
                yield f"{symbol} of {job_id!r} was acknowledged, and is not there"
            continue
        may_be = [c for c in attempts if c.is_done or c.is_unsure]
        if stored not in {call.about["candles"] for call in may_be}:
            yield f"{symbol} of {job_id!r} has {stored}, which nobody was told"
        holders = {call.about["token"] for call in attempts if call.is_done}
        if len(holders) > 1:
            yield f"{symbol} of {job_id!r} was collected under the leases {sorted(holders)}"


def ended_jobs_stay_ended(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find jobs whose end was acknowledged, and which have not ended with all outcomes."""
    for call in calls:
        if call.method == "update_status" and call.is_done:
            job = jobs.get(call.job_id)
            if job is None or job.status is not JobStatus.COMPLETED or job.symbols_left:
                yield f"{call.job_id!r} was acknowledged as completed, and is {job}"


def one_holder_at_a_time(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find leases that were given out before the former one had surely expired."""
    for job_id, told in _by_job(calls, "claim_next", "renew").items():
        claims = [call for call in told if call.method == "claim_next" and "token" in call.about]
        tokens = [call.about["token"] for call in claims]
        if len(set(tokens)) < len(tokens):
            yield f"a token of {job_id!r} was given out twice: {tokens}"
        for call in told:
            if not call.is_done or "token" not in call.about:
                continue
            expires = call.began + call.about["ttl"]
            for claim in claims:
                if claim.about["token"] > call.about["token"] and claim.ended < expires:
                    yield (
                        f"{job_id!r} was claimed under {claim.about['token']}"
                        f" {expires - claim.ended:.3f} s before {call.about['token']} expired"
                    )


def the_late_are_refused(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find calls that were done under a lease although the next claim had been answered."""
    for job_id, told in _by_job(calls, "claim_next", *_UNDER_LEASE).items():
        claims = [call for call in told if call.method == "claim_next" and "token" in call.about]
        for call in told:
            if call.method in _UNDER_LEASE and call.is_done:
                for claim in claims:
                    newer = claim.about["token"] > call.about["token"]
                    if newer and claim.ended < call.began:
                        yield f"{call.method} of {job_id!r} under a lease that is not current"


def claims_show_all_outcomes(calls: Sequence[Call], jobs: Jobs) -> Iterator[str]:
    """Find claims that do not show each outcome that was acknowledged before."""
    for job_id, told in _by_job(calls, "claim_next", "add_completed_symbol").items():
        for claim in told:
            if claim.method != "claim_next" or "token" not in claim.about:
                continue
            for call in told:
                before = call.method == "add_completed_symbol" and call.ended < claim.began
                if before and call.is_done and call.about["symbol"] not in claim.about["completed"]:
                    yield f"a claim of {job_id!r} did not show {call.about['symbol']}"


CHECKS: tuple[Check, ...] = (
    nothing_else_is_raised,
    created_jobs_are_there,
    counts_are_exact,
    copies_follow_each_other,
    outcomes_are_there,
    ended_jobs_stay_ended,
    one_holder_at_a_time,
    the_late_are_refused,
    claims_show_all_outcomes,
)
