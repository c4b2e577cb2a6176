"""The registry of laws: each numbered sentence of the contract that a check can prove broken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from collection_jobs.conformance.spec.capabilities import NINE

__all__ = ["LAWS", "Law"]

_SAVED = frozenset({"save", "get_by_id"})
_DELETED = _SAVED | {"delete"}
_WRITTEN = _DELETED | {"update_status", "add_failed_symbol"}


@dataclass(frozen=True, slots=True)
class Law:
    """One law of the contract.

    Attributes:
        id: How the contract numbers it.
        title: What it promises, in a few words.
        sentence: What it promises, as the contract says it.
        capability: What an adapter declares in order to promise it, by name or by having the
            method of an optional Protocol, or that it has a server; None: every adapter promises
            it.
        methods: The methods that must be written before it can be examined.
    """

    id: str
    title: str
    sentence: str
    capability: str | None = None
    methods: frozenset[str] = frozenset(NINE)

    def waits_for(self, unwritten: Collection[str]) -> tuple[str, ...]:
        """Those of the unwritten methods without which it cannot be examined."""
        return tuple(method for method in unwritten if method in self.methods)


_ALL = (
    Law(
        "SAVE-1",
        "read back exactly as saved",
        "What was saved is read back equal, to the microsecond and the last code point, with every"
        " outcome.",
        methods=_SAVED,
    ),
    Law(
        "SAVE-2",
        "created, or replaced whole",
        "A job whose revision is None is created, or replaces the stored job of that id.",
        methods=_SAVED,
    ),
    Law(
        "SAVE-3",
        "a stale copy is refused",
        "A job read from the store carries its revision. Saving it, or a changed copy, succeeds"
        " only while the store still has that revision; otherwise it is a StaleJobError and"
        " nothing changes.",
        methods=_DELETED,
    ),
    Law(
        "SAVE-4",
        "each change raises the revision",
        "Every applied change, whichever method made it, gives the stored job a greater revision;"
        " a change not applied leaves it.",
        methods=_WRITTEN,
    ),
    Law(
        "SAVE-5",
        "no revision is given out twice",
        "No revision is given out twice for one id, also not after its deletion: a copy of the"
        " deleted job is never taken for the new one.",
        methods=_DELETED,
    ),
    Law(
        "GET-1",
        "as last written, or None",
        "The job as last written, or None for an unknown id.",
        methods=_SAVED,
    ),
    Law(
        "GET-2",
        "callers and store share nothing",
        "Callers and the store never share mutable state.",
        methods=_SAVED | {"list_by_status", "list_recent", "get_running_jobs"},
    ),
    Law(
        "DELETE-1",
        "gone from every query, and truly told",
        "True when this call removed the job, else False; the job and its outcomes are gone from"
        " every query.",
    ),
    Law(
        "DELETE-2",
        "a deleted id starts afresh",
        "An id can be used again after its deletion; nothing of the former job comes back.",
        methods=_DELETED,
    ),
    Law(
        "LIST-1",
        "exactly one status, oldest first",
        "Exactly the jobs with that status, oldest first: by created_at, then by id (code-point"
        " order).",
        methods=_SAVED | {"list_by_status"},
    ),
    Law(
        "LIST-2",
        "pages join up to the whole",
        "offset jobs are passed over, at most limit returned; pages of an unchanging store join up"
        " to the whole, no job twice.",
        methods=_SAVED | {"list_by_status"},
    ),
    Law(
        "RECENT-1",
        "newest first",
        "Newest first: by created_at descending, then by id descending; at most limit.",
        methods=_SAVED | {"list_recent"},
    ),
    Law(
        "RECENT-2",
        "nothing from before since",
        "With since, only jobs with created_at >= since.",
        methods=_SAVED | {"list_recent"},
    ),
    Law(
        "RUNNING-1",
        "all that run, oldest first",
        "All jobs that are RUNNING, in the order of LIST-1, without a limit.",
        methods=_SAVED | {"get_running_jobs"},
    ),
    Law(
        "STATUS-1",
        "True for a permitted change only",
        "True when this call changed the status; False when the job is unknown or the lifecycle"
        " forbids the change from the status it has; then nothing changes.",
        methods=_SAVED | {"update_status"},
    ),
    Law(
        "STATUS-2",
        "one winner among many",
        "One winner: of any number of concurrent calls for the same change, from any number of"
        " processes, exactly one returns True.",
    ),
    Law(
        "STATUS-3",
        "times and message as the lifecycle says",
        "The change sets and clears what the lifecycle says, by the engine's clock, which is right"
        " to within a minute.",
        methods=_SAVED | {"update_status"},
    ),
    Law(
        "FAILED-1",
        "the last outcome counts",
        "Records the failure; the last outcome of a symbol counts, and replaces its former one."
        " The symbol's count in failure_counts grows by one, and the failure is not permanent.",
        methods=_SAVED | {"add_failed_symbol"},
    ),
    Law(
        "FAILED-2",
        "no update is lost",
        "No lost update: concurrent calls, among themselves and with every other method, all take"
        " effect.",
    ),
    Law(
        "FAILED-3",
        "unknown job or symbol refused",
        "An unknown job is JobNotFoundError, a symbol that the job does not have is"
        " UnknownSymbolError; nothing changes.",
        methods=_SAVED | {"add_failed_symbol"},
    ),
    Law(
        "STATS-1",
        "the stats of the stored job",
        "Equal to the stats of the job as stored, or None for an unknown id; never a mix of two"
        " states.",
        methods=_SAVED | {"get_stats"},
    ),
    Law(
        "ATOMIC-1",
        "each call at one instant",
        "Linearizable per job: each call takes effect at one instant between its call and its"
        " return. A listing shows each job as it was at some instant of the call, no job twice,"
        " and none missing that matched throughout.",
    ),
    Law(
        "CANCEL-1",
        "cancelled: wholly or not at all",
        "A call cancelled at any point, opening and closing included, took effect wholly or not at"
        " all, its outcome is settled when the caller hears of the cancellation, and the repository"
        " works on, with nothing held: not after one such cancellation, and not after a hundred.",
    ),
    Law(
        "TIME-1",
        "no call waits for ever",
        "When the server of an adapter does not answer, each call ends with a RepositoryError"
        " within the adapter's documented time-out, and so does one that is cancelled; a write that"
        " may have happened says so.",
        capability="network",
    ),
    Law(
        "DURABLE-1",
        "what was acknowledged survives a kill",
        "What was acknowledged is there after the process is killed at any moment and the store is"
        " opened again; what was under way is there wholly or not at all.",
        capability="durable",
    ),
    Law(
        "INPUT-1",
        "bad input refused, and shown",
        "A value that no method can take is a ValueError, one of a wrong type a TypeError, before"
        " the engine is touched, with a message that shows the value. limit=0 is an empty list. An"
        " id with a NUL or a lone surrogate is a ValueError, in queries too.",
    ),
    Law(
        "ERROR-1",
        "no error but the contract's",
        "An engine's failure arrives as RepositoryError with the driver's error as its cause; no"
        " driver's exception type reaches a caller. A closed repository says so with"
        " RepositoryClosedError.",
    ),
    Law(
        "SCALE-1",
        "no cost grows with the store",
        "The cost of every method but get_running_jobs does not grow in proportion to the number"
        " of jobs stored.",
        capability="scales",
    ),
    Law(
        "COMPLETED-1",
        "the last outcome counts",
        "Records the number of candles; the last outcome of a symbol counts, and replaces its"
        " former one.",
        capability="RecordsCompletedSymbols",
        methods=_SAVED,
    ),
    Law(
        "COMPLETED-2",
        "no update is lost",
        "No lost update: concurrent calls, among themselves and with every other method, all take"
        " effect.",
        capability="RecordsCompletedSymbols",
    ),
    Law(
        "COMPLETED-3",
        "unknown job or symbol refused",
        "An unknown job is JobNotFoundError, a symbol that the job does not have is"
        " UnknownSymbolError; nothing changes.",
        capability="RecordsCompletedSymbols",
        methods=_SAVED,
    ),
    Law(
        "MANY-1",
        "each saved as save does, in order",
        "Each of the jobs is saved as save does it, in their order: of two with one id, the second"
        " meets what the first one left.",
        capability="SavesMany",
        methods=_SAVED,
    ),
    Law(
        "MANY-2",
        "one refused, none saved",
        "When one of the jobs is refused, it is a StaleJobError that names it, and nothing"
        " changes.",
        capability="SavesMany",
        methods=_SAVED,
    ),
    Law(
        "MANY-3",
        "all saved at one instant",
        "All of the jobs are saved at one instant: whoever saw one of them saved sees no other as"
        " it was before.",
        capability="SavesMany",
    ),
    Law(
        "KEY-1",
        "exactly one status, oldest first",
        "Exactly the jobs with that status, in the order of LIST-1.",
        capability="PagesByKey",
        methods=_SAVED,
    ),
    Law(
        "KEY-2",
        "exactly those behind the key",
        "With after, only jobs whose (created_at, id) is greater, whether the job of that key is"
        " stored or not; at most limit. Pages of an unchanging store join up to the whole, no job"
        " twice.",
        capability="PagesByKey",
        methods=_SAVED,
    ),
    Law(
        "KEY-3",
        "a deep page costs what the first does",
        "The cost of a page does not grow with the number of jobs before it.",
        capability="PagesByKey",
    ),
    Law(
        "ADD-1",
        "creates, and never replaces",
        "True when this call created the job, with its first revision; False when there is a job of"
        " that id, and then nothing changes, whatever job.revision says.",
        capability="AddsJobs",
        methods=_DELETED,
    ),
    Law(
        "ADD-2",
        "one creator among many",
        "Of any number of concurrent calls for one id, from any number of processes, exactly one"
        " returns True.",
        capability="AddsJobs",
    ),
    Law(
        "ADD-3",
        "many added one by one, at one instant",
        "add_many is to each of the jobs one add, in their order, all at one instant; the answers"
        " are in their order.",
        capability="AddsJobs",
        methods=_DELETED,
    ),
    Law(
        "LEASE-1",
        "the oldest job that may be claimed",
        "claim_next takes the oldest job, by created_at and id, that is PENDING, or RUNNING under a"
        " lease that has expired (of that source, if one is named), and makes it RUNNING as"
        " update_status does; None when there is none. claim does so with the job that it names. A"
        " job that became RUNNING without a lease is never taken.",
        capability="LeasesJobs",
        methods=_WRITTEN,
    ),
    Law(
        "LEASE-2",
        "no job is claimed twice",
        "No two claims take the same job while the lease of the first has not expired; N callers of"
        " claim_next beside N claimable jobs all get one, and a different one.",
        capability="LeasesJobs",
    ),
    Law(
        "LEASE-3",
        "only a current lease may write",
        "A call with a lease that is not current raises LeaseLostError with the job and the worker,"
        " and changes nothing; with a current one it does what it does without. A lease is current"
        " until its job is claimed again, leaves RUNNING or is deleted, also when it has expired.",
        capability="LeasesJobs",
        methods=_WRITTEN,
    ),
    Law(
        "LEASE-4",
        "a lease lasts as it was asked for",
        "renew moves the expiry to ttl from now, by the engine's clock; a lease that was renewed in"
        " time is never taken by another.",
        capability="LeasesJobs",
        methods=_WRITTEN,
    ),
    Law(
        "LEASE-5",
        "tokens grow, attempts count",
        "Tokens of one id only grow, also across its deletion; attempt counts the leases of the job"
        " since it was last PENDING by update_status, or made.",
        capability="LeasesJobs",
        methods=_WRITTEN,
    ),
    Law(
        "LEASE-6",
        "never more at a time than asked for",
        "With most_running, claim_next takes no job while so many jobs of that source (of all, if"
        " none is named) are RUNNING under leases that have not expired; at no instant are there"
        " more.",
        capability="LeasesJobs",
        methods=_WRITTEN,
    ),
    Law(
        "FAILURE-1",
        "permanent while it is the last outcome",
        "As FAILED-1; the symbol is in permanent_failures exactly when its last outcome is a"
        " failure that was recorded as permanent.",
        capability="RecordsFailures",
        methods=_SAVED,
    ),
    Law(
        "FAILURE-2",
        "every failure is counted",
        "failure_counts grows by one for each failure recorded, by either method, and no other call"
        " but save changes it; concurrent calls all count.",
        capability="RecordsFailures",
        methods=_SAVED,
    ),
    Law(
        "CURSOR-1",
        "the cursor as last set",
        "The cursor as last set, until the symbol completes; errors as FAILED-3; outside start..end"
        " it is a ValueError.",
        capability="RecordsCursors",
        methods=_SAVED,
    ),
    Law(
        "FIND-1",
        "exactly what matches, oldest first",
        "Exactly the jobs that match every condition given, in the order of LIST-1, behind the key"
        " after, at most limit.",
        capability="FindsJobs",
        methods=_SAVED,
    ),
    Law(
        "FIND-2",
        "a summary is of one instant",
        "A summary is of the job as it was at some instant of the call; its stats are STATS-1's of"
        " the same instant.",
        capability="FindsJobs",
        methods=_SAVED,
    ),
    Law(
        "FIND-3",
        "counts what find shows",
        "count counts what find without a limit shows, all statuses named, at one instant.",
        capability="FindsJobs",
        methods=_SAVED,
    ),
    Law(
        "PURGE-1",
        "deletes what ended before, and no other",
        "Deletes the jobs of these final statuses whose finished_at < before, oldest first, at most"
        " limit, and no other; returns how many. DELETE-1, DELETE-2 and SAVE-5 hold for each.",
        capability="Purges",
        methods=_DELETED,
    ),
)

LAWS: Mapping[str, Law] = MappingProxyType({law.id: law for law in _ALL})
"""Every law by its id, in the order of the contract."""
