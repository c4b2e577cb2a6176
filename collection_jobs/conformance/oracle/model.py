"""The oracle: what the contract says of one job, one call after another.

It shares no code with the adapters nor with the entity: it has its own table of the lifecycle, its
own rules, and it sees a job only as the plain facts of its fields. `judge` takes the state of a
job, a call and what came of it, and gives the state afterwards and every law that was broken.
What a caller cannot know yet (a revision, a time from the adapter's clock) stays open in the
state until a read shows it; so the same function judges a sequence of calls, and tells the
linearizability check whether an order of concurrent calls is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from collection_jobs.conformance.calls import Call, NoAnswer, Outcome, brief
from collection_jobs.errors import (
    CollectionJobError,
    JobNotFoundError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.job import CollectionJob
from collection_jobs.stats import JobStats
from collection_jobs.validation import shown

__all__ = [
    "ABSENT",
    "CLOCK_TOLERANCE",
    "Breach",
    "Facts",
    "JobState",
    "Revisions",
    "Span",
    "Words",
    "admitted",
    "facts_of",
    "judge",
    "permits",
    "seen",
    "storable",
    "unexpected",
]

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the adapter's clock may be from the kit's: less than any two time zones differ."""

_PERMITTED = frozenset(
    {
        ("pending", "running"),
        ("pending", "failed"),
        ("pending", "cancelled"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("running", "pending"),
        ("failed", "pending"),
    }
)


class Span(NamedTuple):
    """A time that the adapter's clock set during a call, and that no read has shown yet."""

    first: datetime
    last: datetime

    def admits(self, value: object) -> bool:
        """Whether the time can be the one that was set."""
        return (
            isinstance(value, datetime)
            and value.tzinfo is not None
            and self.first - CLOCK_TOLERANCE <= value <= self.last + CLOCK_TOLERANCE
        )


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
        """These and some more."""
        link = self
        for revision in revisions:
            link = Revisions(revision, link)
        return link

    def __ror__(self, revisions: frozenset[int]) -> frozenset[int]:
        """A set of others, with these added."""
        return revisions.union(self)


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
    """Whether a breach that is already known makes the facts unreliable."""


ABSENT = JobState()
"""The state of an id that was never used."""


class Words(str):
    """Text that stands in a message as it is, without quotes."""

    __slots__ = ()


class Breach(NamedTuple):
    """One broken law, and the words for it: a template and the values that it shows."""

    law: str
    template: str
    values: tuple[object, ...] = ()

    @property
    def message(self) -> str:
        """The sentence that explains it."""
        return self.template.format(*map(_said, self.values))


Verdict = tuple[JobState, tuple[Breach, ...]]


def _said(value: object) -> str:
    if isinstance(value, Call | Outcome | Words):
        return str(value)
    if isinstance(value, frozenset):
        return shown(dict(cast("frozenset[tuple[str, object]]", value)))
    return brief(value)


def facts_of(job: CollectionJob) -> Facts:
    """The plain facts of a job."""
    # By position, for long histories make very many: by name it takes half as long again.
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
    )


def judge(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    """Judge one call on one job.

    Args:
        state: What is known of the job before the call.
        call: A call of one of the six methods that are about one job.
        outcome: What came of it.

    Returns:
        The state afterwards, and the laws that were broken (none: the call kept the contract).
        After a breach the state is what the contract asks for, not what the store then holds.
    """
    return _JUDGES[call.method](state, call, outcome)


def unexpected(call: Call, outcome: Outcome, law: str) -> tuple[Breach, ...]:
    """The breaches of a call that raised an error where the law has none for it."""
    wrong = Breach(law, "{} {}; it should have succeeded", (call, outcome))
    if isinstance(outcome.error, CollectionJobError | ValueError | TypeError | NoAnswer):
        return (wrong,)
    text = "{} {}; no such type of error may reach a caller"
    return (Breach("ERROR-1", text, (call, outcome)), wrong)


def _save(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    job: CollectionJob = call.arguments[0]
    stale = _is_stale(state, job.revision)
    if isinstance(outcome.error, StaleJobError):
        return _refused_save(state, call, outcome, may_be_stale=stale is not False)
    if outcome.error is not None:
        law = "SAVE-2" if job.revision is None else "SAVE-3"
        return state, unexpected(call, outcome, law)
    after = _written(state, facts_of(job), conditional=job.revision is not None)
    if stale:
        text = "{} took effect, though the job was no longer {}; StaleJobError is due"
        now = "stored" if state.facts is None else f"at revision {job.revision}"
        law = "SAVE-3" if state.facts is None or job.revision not in state.spent else "SAVE-5"
        return after, (Breach(law, text, (call, Words(now))),)
    if outcome.value is not None:
        return after, (Breach("SAVE-1", "{} {}; save returns None", (call, outcome)),)
    return after, ()


def _is_stale(state: JobState, revision: int | None) -> bool | None:
    """Whether a save at this revision must be refused; None where both are possible."""
    if revision is None:
        return False
    if state.facts is None:
        return True
    if state.revision is not None:
        return revision != state.revision
    if revision in state.spent or (state.least is not None and revision < state.least):
        return True
    return None


def _refused_save(state: JobState, call: Call, outcome: Outcome, *, may_be_stale: bool) -> Verdict:
    job: CollectionJob = call.arguments[0]
    error = outcome.error
    assert isinstance(error, StaleJobError)  # noqa: S101 - the caller looked; this tells the type checker
    if not may_be_stale:
        law = "SAVE-2" if job.revision is None else "SAVE-3"
        text = "{} {}; but the store still had that revision"
        if job.revision is None:
            text = "{} {}; but a job without a revision is saved unconditionally"
        return state, (Breach(law, text, (call, outcome)),)
    after = state._replace(blame="SAVE-3") if state.blame == "GET-1" else state
    found = state.revision if state.facts is not None else None
    known = state.facts is None or state.revision is not None
    wrong = error.job_id != job.id or error.expected != job.revision
    if wrong or (known and error.found != found):
        text = "{} {}; its job_id, expected and found should be {}, {} and {}"
        values = (call, outcome, job.id, job.revision, found)
        return after, (Breach("SAVE-3", text, values),)
    return after, ()


def _written(state: JobState, facts: Facts, *, conditional: bool) -> JobState:
    """The state after a save that took effect."""
    replaced = state.facts
    same = replaced == facts
    least = state.least if state.revision is None else state.revision
    if least is not None and not same:
        least += 1
    if replaced is None:
        former, law = state.former, "DELETE-2"
    else:
        former, law = replaced, "SAVE-3" if conditional else "SAVE-2"
    return state._replace(
        facts=facts,
        revision=None,
        least=least,
        blame="SAVE-1",
        former=former,
        former_blame=law,
        former_tainted=state.tainted,
        tainted=False,
    )


def _get_by_id(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    if outcome.error is not None:
        return state, unexpected(call, outcome, "GET-1")
    job = outcome.value
    if job is None:
        if state.facts is None:
            return state, ()
        return state, (Breach(state.blame, "{} returned None; the job is stored", (call,)),)
    if not isinstance(job, CollectionJob):
        return state, (Breach("GET-1", "{} {}; a CollectionJob or None is due", (call, outcome)),)
    if state.facts is None:
        return state, (Breach(state.blame, "{} {}; there is no such job", (call, outcome)),)
    return seen(state, job, call, state.blame)


def seen(state: JobState, job: CollectionJob, call: Call, blame: str) -> Verdict:
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
        return state, (Breach(state.former_blame, text, (call, job.revision)),)
    breaches: list[Breach] = []
    wrong = [] if state.tainted else _differences(state.facts, found)
    if wrong:
        law = state.former_blame if _shows_former_outcomes(state, found) else blame
        text = "{} returned a job whose {} is {}; it should be {}"
        name = wrong[0]
        values = (call, Words(name), getattr(found, name), getattr(state.facts, name))
        breaches.append(Breach(law, text, values))
    breaches += _judge_revision(state, job.revision, call)
    if breaches or job.revision is None:
        return state, tuple(breaches)
    after = state._replace(
        facts=found,
        revision=job.revision,
        least=job.revision,
        given=state.given | {job.revision},
        blame="GET-1",
        former=None,
    )
    return after, ()


def admitted(state: JobState, found: Facts, revision: object) -> JobState | None:
    """What is known of a stored job after a read that keeps every law; None if it breaks one.

    This is `seen` without the words, and quick: the search for an order of concurrent calls asks
    it of far more reads than fit.
    """
    if state.revision is not None:
        if revision != state.revision or found != state.facts:
            return None
        return state if state.blame == "GET-1" else state._replace(blame="GET-1")
    if not isinstance(revision, int) or state.facts is None:
        return None
    least = state.least
    if (least is not None and revision < least) or revision in state.spent:
        return None
    if found != state.facts and _differences(state.facts, found):
        return None
    return JobState(found, revision, revision, state.given | (revision,), state.spent)


def _differences(due: Facts, found: Facts) -> list[str]:
    """The names of the fields in which a job is other than it should be."""
    return [
        name
        for name, want, have in zip(Facts._fields, due, found, strict=True)
        if have != want and not (isinstance(want, Span) and want.admits(have))
    ]


def _nothing_was_written(state: JobState, found: Facts, revision: int | None) -> bool:
    """Whether a save that was acknowledged left the job that it should have replaced."""
    stays = revision is not None and state.least is not None and revision < state.least
    return stays and found == state.former and found != state.facts


def _shows_former_outcomes(state: JobState, found: Facts) -> bool:
    """Whether an outcome is there that only the former job had."""
    former, due = state.former, state.facts
    if former is None or due is None or state.former_tainted:
        return False
    return bool(
        (found.completed_symbols - due.completed_symbols) & former.completed_symbols
        or (found.failed_symbols - due.failed_symbols) & former.failed_symbols
    )


def _judge_revision(state: JobState, revision: int | None, call: Call) -> list[Breach]:
    if not isinstance(revision, int):
        text = "{} returned a job of revision {}; a job read from the store carries its revision"
        return [Breach("SAVE-3", text, (call, revision))]
    if state.revision is not None:
        if revision != state.revision:
            text = "{} returned revision {}; nothing was applied since it was {}"
            return [Breach("SAVE-4", text, (call, revision, state.revision))]
    elif state.least is not None and revision < state.least:
        text = "{} returned revision {} after an applied change; it should be {} or more"
        return [Breach("SAVE-4", text, (call, revision, state.least))]
    elif revision in state.spent:
        text = "{} returned revision {}, which was given out for a job of that id deleted since"
        return [Breach("SAVE-5", text, (call, revision))]
    return []


def _delete(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    if outcome.error is not None:
        return state, unexpected(call, outcome, "DELETE-1")
    there = state.facts is not None
    after = state
    if there:
        spent = state.spent | state.given
        after = JobState(spent=spent, blame="DELETE-1", former=state.facts)
    if outcome.value is not there:
        text = "{} {}; it should have returned {}, for the job was {}stored"
        values = (call, outcome, there, Words("" if there else "not "))
        return after, (Breach("DELETE-1", text, values),)
    return after, ()


def _update_status(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    if outcome.error is not None:
        return state, unexpected(call, outcome, "STATUS-1")
    status = str(call.arguments[1].value)
    error_message: str | None = call.arguments[2] if len(call.arguments) > 2 else None
    facts = state.facts
    permitted = permits(facts, status)
    after = state._replace(blame="STATUS-1") if state.blame == "GET-1" else state
    if permitted and facts is not None:
        span = Span(outcome.began, outcome.ended)
        after = _changed(state, _with_status(facts, status, error_message, span), "STATUS-3")
    if outcome.value is not permitted:
        text = "{} {}; it should have returned {}, for the job was {}"
        values = (call, outcome, permitted, Words(facts.status if facts else "not stored"))
        return after, (Breach("STATUS-1", text, values),)
    return after, ()


def permits(facts: Facts | None, status: str) -> bool:
    """Whether there is such a job and its lifecycle permits the change."""
    return facts is not None and (facts.status, status) in _PERMITTED


def _with_status(facts: Facts, status: str, error_message: str | None, span: Span) -> Facts:
    started_at, finished_at = facts.started_at, facts.finished_at
    if status == "running":
        started_at, finished_at = span, None
    elif status == "pending":
        started_at, finished_at = None, None
    else:
        finished_at = span
    return facts._replace(
        status=status,
        started_at=started_at,
        finished_at=finished_at,
        error_message=None if error_message is None else storable(error_message),
    )


def _changed(state: JobState, facts: Facts, blame: str) -> JobState:
    """The state after a change that took effect."""
    least = state.least if state.revision is None else state.revision
    if least is not None and facts != state.facts:
        least += 1
    return JobState(facts, None, least, state.given, state.spent, blame, tainted=state.tainted)


def _add_failed_symbol(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    _, symbol, error = call.arguments
    facts = state.facts
    if facts is None or symbol not in facts.symbols:
        return _refused_failure(state, call, outcome)
    if outcome.error is not None:
        return state, unexpected(call, outcome, "FAILED-1")
    completed = frozenset(item for item in facts.completed_symbols if item[0] != symbol)
    failed = frozenset(item for item in facts.failed_symbols if item[0] != symbol)
    failed |= {(symbol, storable(error))}
    after = _changed(
        state, facts._replace(completed_symbols=completed, failed_symbols=failed), "FAILED-1"
    )
    if outcome.value is not None:
        text = "{} {}; add_failed_symbol returns None"
        return after, (Breach("FAILED-1", text, (call, outcome)),)
    return after, ()


def _refused_failure(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    after = state._replace(blame="FAILED-3") if state.blame == "GET-1" else state
    error = outcome.error
    due: type[CollectionJobError] = UnknownSymbolError
    ids = call.arguments[:2]
    if state.facts is None:
        due, ids = JobNotFoundError, call.arguments[:1]
    if isinstance(error, due) and error.args == ids:
        return after, ()
    text = "{} {}; it should have raised {} with the ids"
    breach = Breach("FAILED-3", text, (call, outcome, Words(due.__name__)))
    allowed = CollectionJobError | LookupError | ValueError | NoAnswer
    if error is None or isinstance(error, allowed):
        return after, (breach,)
    return after, (unexpected(call, outcome, "FAILED-3")[0], breach)


def _get_stats(state: JobState, call: Call, outcome: Outcome) -> Verdict:
    if outcome.error is not None:
        return state, unexpected(call, outcome, "STATS-1")
    due: JobStats | None = None
    if state.facts is not None:
        due = JobStats(
            total=len(state.facts.symbols),
            completed=len(state.facts.completed_symbols),
            failed=len(state.facts.failed_symbols),
            total_candles=sum(candles for _, candles in state.facts.completed_symbols),
        )
    if state.tainted or (outcome.value == due and type(outcome.value) is type(due)):
        return state, ()
    law = "DELETE-1" if state.facts is None and state.blame == "DELETE-1" else "STATS-1"
    return state, (Breach(law, "{} {}; it should have returned {}", (call, outcome, due)),)


def storable(text: str) -> str:
    """Free text as the entity holds it: what a database cannot hold becomes U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join(
        "\ufffd" if char == "\0" or 0xD800 <= ord(char) <= 0xDFFF else char for char in text
    )


_JUDGES: dict[str, Callable[[JobState, Call, Outcome], Verdict]] = {
    "save": _save,
    "get_by_id": _get_by_id,
    "delete": _delete,
    "update_status": _update_status,
    "add_failed_symbol": _add_failed_symbol,
    "get_stats": _get_stats,
}
