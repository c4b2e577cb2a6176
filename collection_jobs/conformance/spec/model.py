"""The oracle's model: what is known of one job, and what a read may then show of it.

It sees a job only as the plain facts of its fields. What a caller cannot know yet (a revision, a
time from the engine's clock) stays open in the state until a read shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from collection_jobs.conformance.spec.calls import Call, NoAnswer, Outcome
from collection_jobs.conformance.spec.findings import NoMapping, Verbatim, Violation
from collection_jobs.errors import CollectionJobError
from collection_jobs.job import CollectionJob
from collection_jobs.validation import shown

__all__ = [
    "ABSENT",
    "CLOCK_TOLERANCE",
    "NO_LEASE",
    "Facts",
    "JobState",
    "Judgement",
    "LeaseState",
    "Revisions",
    "Span",
    "admitted",
    "facts_of",
    "seen",
    "storable",
    "unexpected",
]

CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far the engine's clock may be from the kit's."""

_Item = TypeVar("_Item", tuple[str, int], tuple[str, str], tuple[str, datetime])

_LONGEST_TEXT = 65_535  # bytes of UTF-8
_KEPT_OF_LONGER = 65_471


class Span(NamedTuple):
    """A time that the engine's clock set during a call, and that no read has shown yet."""

    first: datetime
    last: datetime

    def admits(self, value: object) -> bool:
        """Whether the time can be the one that was set."""
        return (
            isinstance(value, datetime)
            and value.tzinfo is not None
            and self.first - CLOCK_TOLERANCE <= value <= self.last + CLOCK_TOLERANCE
        )

    def __str__(self) -> str:
        """Say which times it can be, as a part of a sentence."""
        first, last = (
            instant.replace(microsecond=0).isoformat() for instant in (self.first, self.last)
        )
        return f"the time of the call, {first}" if first == last else f"between {first} and {last}"


class Facts(NamedTuple):
    """The fields of a job as plain values, its revision left out."""

    id: str
    source: str
    symbols: tuple[str, ...]
    timeframe: str
    start: datetime
    end: datetime
    created_at: datetime
    status: str
    started_at: datetime | Span | None
    finished_at: datetime | Span | None
    error_message: str | None
    completed_symbols: frozenset[tuple[str, int]]
    failed_symbols: frozenset[tuple[str, str]]
    metadata: frozenset[tuple[str, str]]
    permanent_failures: frozenset[str]
    failure_counts: frozenset[tuple[str, int]]
    cursors: frozenset[tuple[str, datetime]]


class Revisions:
    """The revisions that reads have shown, the last one first.

    A chain rather than a set, for it grows by one at almost every read of a long history: a copy
    each time would make the cost of judging a history grow with the square of its length.
    """

    __slots__ = ("_earlier", "_last")

    def __init__(self, last: int | None = None, earlier: Revisions | None = None) -> None:
        """Chain one revision to those before it; without arguments there are none."""
        self._last = last
        self._earlier = earlier

    def __iter__(self) -> Iterator[int]:
        """From the last to the first."""
        link: Revisions | None = self
        while link is not None and link._last is not None:
            yield link._last
            link = link._earlier

    def __or__(self, revisions: Iterable[int]) -> Revisions:
        """Return these and some more."""
        link = self
        for revision in revisions:
            link = Revisions(revision, link)
        return link

    def __ror__(self, revisions: frozenset[int]) -> frozenset[int]:
        """Return a set of others, with these added."""
        return revisions.union(self)


class LeaseState(NamedTuple):
    """What is known of the leases of one id."""

    worker: str | None = None
    """Who has the current lease; None: nobody."""
    token: int | None = None
    """Its token; None while no answer has shown it."""
    expires_at: datetime | Span | None = None
    """When it expires by the engine's clock; None: nobody knows."""
    first_end: datetime | None = None
    """When it expires at the earliest, by the kit's clock; None: nobody knows."""
    last_end: datetime | None = None
    """When it expires at the latest, by the kit's clock; None: nobody knows."""
    renewed: bool = False
    """Whether it was renewed."""
    attempts: int | None = 0
    """How many leases the job had since it was made, or last made PENDING by ``update_status``;
    None: nobody knows."""
    highest: int = 0
    """The greatest token that was shown of this id, also of jobs that were deleted."""

    is_known: bool = True
    """Whether it is known who has a lease, if anybody has."""

    @property
    def may_be_held(self) -> bool:
        """Whether there may be a current lease."""
        return self.worker is not None or not self.is_known

    def ended(self) -> LeaseState:
        """Return the same where the current lease is over, and the attempts are counted on."""
        return LeaseState(attempts=self.attempts, highest=self.highest)

    def anew(self) -> LeaseState:
        """Return the same where there is no lease, and attempts are counted from the start."""
        return LeaseState(highest=self.highest)

    def unknown(self) -> LeaseState:
        """Return what is left where a store is taken as it is, which broke a law."""
        return LeaseState(attempts=None, highest=self.highest, is_known=False)


NO_LEASE = LeaseState()
"""The state of an id that was never leased."""


class JobState(NamedTuple):
    """What is known of one id at one instant."""

    facts: Facts | None = None
    """The job's fields; None while there is no such job."""
    revision: int | None = None
    """The stored revision; None while no read has shown it."""
    least: int | None = None
    """The least revision that the job may have; None before any was seen in this life of the id."""
    given: Revisions = Revisions()
    """The revisions that reads have shown in this life of the id."""
    spent: frozenset[int] = frozenset()
    """The revisions that reads had shown before the id was last deleted."""
    blame: str = "GET-1"
    """The law that is broken when the next read shows other facts."""
    former: Facts | None = None
    """The job that the last save replaced or that was deleted before it, until a read confirms."""
    former_blame: str = "SAVE-1"
    """The law that is broken when the next read shows something of the former job."""
    former_tainted: bool = False
    """Whether the facts of the former job are unreliable."""
    tainted: bool = False
    """Whether a violation that is already known makes the facts unreliable."""
    lease: LeaseState = NO_LEASE
    """What is known of its leases."""
    earlier: tuple[Facts, str] | None = None
    """The facts before the changes that no read has confirmed, and the law that is broken when a
    field shows other than it should that none of these changes is about."""

    def blaming(self, law: str) -> JobState:
        """Return the same state, in which a read of other facts breaks another law."""
        # By position, for long histories ask it of most calls: `_replace` takes far longer.
        return JobState._make((*self[:5], law, *self[6:]))


ABSENT = JobState()
"""The state of an id that was never used."""


Judgement = tuple[JobState, tuple[Violation, ...]]
"""What is known of a job after a call, and the laws that the call broke."""


def facts_of(job: CollectionJob) -> Facts:
    """Return the plain facts of a job."""
    # By position, for long histories make very many: by name it takes half as long again.
    try:
        return Facts(
            job.id,
            job.source,
            tuple(job.symbols),
            job.timeframe,
            job.start,
            job.end,
            job.created_at,
            str(job.status.value),
            job.started_at,
            job.finished_at,
            job.error_message,
            frozenset(job.completed_symbols.items()),
            frozenset(job.failed_symbols.items()),
            frozenset(job.metadata.items()),
            frozenset(job.permanent_failures),
            frozenset(job.failure_counts.items()),
            frozenset(job.cursors.items()),
        )
    except (AttributeError, TypeError):
        return _facts_of_no_job(job)


def _facts_of_no_job(job: CollectionJob) -> Facts:
    """Give the facts of what an adapter built past the entity's checks, whatever it holds."""
    values: dict[str, Any] = {name: getattr(job, name, None) for name in Facts._fields}
    values["status"] = getattr(job.status, "value", job.status)
    try:
        values["symbols"] = tuple(job.symbols)
    except TypeError:
        values["symbols"] = (shown(job.symbols),)
    try:
        values["permanent_failures"] = frozenset(job.permanent_failures)
    except TypeError:
        values["permanent_failures"] = NoMapping([(shown(job.permanent_failures), 0)])
    for name in ("completed_symbols", "failed_symbols", "metadata", "failure_counts", "cursors"):
        values[name] = _items(values[name])
    return Facts(**values)


def _items(mapping: Any) -> frozenset[tuple[str, Any]]:
    try:
        return frozenset(mapping.items())
    except (AttributeError, TypeError):
        return NoMapping([(shown(mapping), 0)])


def unexpected(call: Call, outcome: Outcome, law: str) -> tuple[Violation, ...]:
    """Return the violations of a call that raised an error where the law has none for it."""
    wrong = Violation(law, "{} {}; it should have succeeded", (call, outcome))
    if isinstance(outcome.error, CollectionJobError | ValueError | TypeError | NoAnswer):
        return (wrong,)
    text = "{} {}; no such type of error may reach a caller"
    return (Violation("ERROR-1", text, (call, outcome)), wrong)


def seen(state: JobState, job: CollectionJob, call: Call, blame: str) -> Judgement:
    """Judge a job that a read showed, against the state of a job that is stored.

    Args:
        state: What is known of the job.
        job: The job that was returned.
        call: The call that returned it.
        blame: The law that is broken when the job's facts are other than they should be.
    """
    assert state.facts is not None  # noqa: S101 - the callers looked; this tells the type checker
    found = facts_of(job)
    after = None if state.tainted else admitted(state, found, job.revision)
    if after is not None:
        return after, ()
    if _nothing_was_written(state, found, job.revision):
        text = "{} returned the former job, at revision {}; the save before it changed nothing"
        return state, (Violation(state.former_blame, text, (call, job.revision)),)
    violations: list[Violation] = []
    wrong = [] if state.tainted else _differences(state.facts, found)
    if wrong:
        law = state.former_blame if _shows_the_former(state, found) else blame
        if law == state.blame:
            law = _law_of_field(state, wrong[0], law)
        law = _LAW_OF_FIELD.get((law, wrong[0]), law)
        violations.append(_wrong_field(law, call, wrong[0], state.facts, found))
    if found.id == state.facts.id:  # another job has a revision of its own
        violations += _judge_revision(state, job.revision, call)
    if violations or job.revision is None:
        return state, tuple(violations)
    after = state._replace(
        facts=found,
        revision=job.revision,
        least=job.revision,
        given=state.given | {job.revision},
        blame="GET-1",
        former=None,
    )
    return after, ()


_FEW = 8
_LAW_OF_FIELD = {("FAILURE-1", "failure_counts"): "FAILURE-2"}
"""By the law of a change and the first field that is wrong after it, the law of that field."""


def _law_of_field(state: JobState, name: str, law: str) -> str:
    """Return the law that a wrong field breaks: no change breaks its own by what it left alone."""
    if state.earlier is None:
        return law
    facts, earlier = state.earlier
    return earlier if getattr(facts, name) == getattr(state.facts, name) else law


def _wrong_field(law: str, call: Call, name: str, due: Facts, found: Facts) -> Violation:
    """Say what one field is, and what it should be."""
    have: Any = getattr(found, name)
    want: Any = getattr(due, name)
    if type(have) is type(want) is frozenset and len(have | want) > _FEW:
        text = "{} returned a job whose {} has {} where it should have {}, among others"
        return Violation(law, text, (call, Verbatim(name), have - want, want - have))
    text = "{} returned a job whose {} is {}; it should be {}"
    if isinstance(want, Span):
        want = Verbatim(str(want))
    return Violation(law, text, (call, Verbatim(name), have, want))


def admitted(state: JobState, found: Facts, revision: object) -> JobState | None:
    """Return what is known of a stored job after a read; None if the read breaks a law.

    This is `seen` without the words, and quick: the search for an order of concurrent calls asks
    it of far more reads than fit.
    """
    if state.revision is not None:
        if revision != state.revision or found != state.facts:
            return None
        return state if state.blame == "GET-1" else state.blaming("GET-1")
    if not isinstance(revision, int) or state.facts is None:
        return None
    least = state.least
    if (least is not None and revision < least) or revision in state.spent:
        return None
    if found != state.facts and _differences(state.facts, found):
        return None
    given = state.given | (revision,)
    return JobState(found, revision, revision, given, state.spent, lease=state.lease)


def _differences(due: Facts, found: Facts) -> list[str]:
    """Return the names of the fields in which a job is other than it should be."""
    return [
        name
        for name, want, have in zip(Facts._fields, due, found, strict=True)
        if have != want and not (isinstance(want, Span) and want.admits(have))
    ]


def _nothing_was_written(state: JobState, found: Facts, revision: object) -> bool:
    """Whether a save that was acknowledged left the job that it should have replaced."""
    stays = isinstance(revision, int) and state.least is not None and revision < state.least
    return stays and found == state.former and found != state.facts


def _shows_the_former(state: JobState, found: Facts) -> bool:
    """Tell whether an outcome is there, or more metadata, that only the former job had.

    Another outcome of a symbol that has one is no sign of it: it may be what the store made of it.
    """
    former, due = state.former, state.facts
    if former is None or due is None or state.former_tainted:
        return False
    return bool(
        _lingering(found.completed_symbols, due.completed_symbols) & former.completed_symbols
        or _lingering(found.failed_symbols, due.failed_symbols) & former.failed_symbols
        or _lingering(found.failure_counts, due.failure_counts) & former.failure_counts
        or _lingering(found.cursors, due.cursors) & former.cursors
        or (found.metadata > due.metadata and (found.metadata - due.metadata) & former.metadata)
    )


def _lingering(found: frozenset[_Item], due: frozenset[_Item]) -> frozenset[_Item]:
    """Return the outcomes of symbols that should have none of that kind."""
    symbols = {symbol for symbol, _ in due}
    return frozenset(item for item in found - due if item[0] not in symbols)


_NOTHING_CHANGES = frozenset({"MANY-2", "LEASE-3"})
"""Laws by which a call that was refused changes nothing."""


def _judge_revision(state: JobState, revision: int | None, call: Call) -> list[Violation]:
    if not isinstance(revision, int):
        text = "{} returned a job of revision {}; a job read from the store carries its revision"
        return [Violation("SAVE-3", text, (call, revision))]
    if state.revision is not None:
        if revision != state.revision:
            text = "{} returned revision {}; nothing was applied since it was {}"
            # A job that was saved as it was differs in nothing else.
            law = state.blame if state.blame in _NOTHING_CHANGES else "SAVE-4"
            return [Violation(law, text, (call, revision, state.revision))]
    elif state.least is not None and revision < state.least:
        text = "{} returned revision {} after an applied change; it should be {} or more"
        return [Violation("SAVE-4", text, (call, revision, state.least))]
    elif revision in state.spent:
        text = "{} returned revision {}, which was reused: a deleted job of that id had it"
        return [Violation("SAVE-5", text, (call, revision))]
    return []


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Give free text as the entity holds it: replaced where no database holds it, cut if long."""
    text = _UNSTORABLE.sub("\ufffd", text)
    return text if 4 * len(text) <= _LONGEST_TEXT else _cut(text)


@lru_cache(maxsize=64)  # a search judges the same call again and again
def _cut(text: str) -> str:
    """Cut a text to as many characters as fit, and say how many bytes do not."""
    encoded = text.encode()
    if len(encoded) <= _LONGEST_TEXT:
        return text
    kept = encoded[:_KEPT_OF_LONGER].decode(errors="ignore")  # without half of a character
    return f"{kept}\n[{len(encoded) - len(kept.encode())} bytes left out]"
