"""Calls on a repository as data, and as the Python that they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from collection_jobs.conformance.spec.plain_code import (
    datetime_code,
    duration_code,
    numbered_template,
    range_code,
    text_code,
)
from collection_jobs.conformance.spec.signatures import (
    COUNTS_JOBS,
    LISTS_JOBS,
    NAMES_ONE_JOB,
    NAMES_SEVERAL_JOBS,
    SIGNATURES,
    TAKES_A_JOB,
    argument_of,
    as_given,
    jobs_named,
    with_jobs_named,
)
from collection_jobs.conformance.spec.well_formed import is_well_formed
from collection_jobs.fields import FIELD_NAMES
from collection_jobs.job import CollectionJob
from collection_jobs.lease import Lease
from collection_jobs.query import JobQuery, JobSummary
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown, type_name

__all__ = [
    "SPOIL",
    "UNSEEN",
    "WAIT",
    "Call",
    "Change",
    "Held",
    "Kept",
    "NoAnswer",
    "Once",
    "Outcome",
    "Program",
    "Step",
    "brief",
    "code",
    "error_text",
    "example_job",
    "example_lease",
    "id_of",
    "spoil",
]

_EXAMPLE: dict[str, Any] = {
    "source": "binance",
    "symbols": ("BTC", "ETH"),
    "timeframe": "1h",
    "start": datetime(2024, 1, 1, tzinfo=UTC),
    "end": datetime(2025, 1, 1, tzinfo=UTC),
    "created_at": datetime(2024, 3, 1, tzinfo=UTC),
}


def example_job(id: str = "a", **fields: Any) -> CollectionJob:  # noqa: A002 - the field's name
    """Return a valid job of which only the fields that matter need to be given."""
    return CollectionJob(id=id, **{**_EXAMPLE, **fields})


def example_lease(id: str = "a", **fields: Any) -> Lease:  # noqa: A002 - the field's name
    """Return a valid lease that no store gave out, of which only what matters need be given."""
    usual: dict[str, Any] = {
        "job": example_job(id, status=JobStatus.RUNNING),
        "worker": "nobody",
        "token": 2**62,
        "expires_at": datetime(2024, 3, 1, tzinfo=UTC),
        "attempt": 1,
    }
    return Lease(**{**usual, **fields})


SPOIL = "spoil"
"""The pseudo-method of a step in which the caller misuses what it was given (GET-2)."""


WAIT = "wait"
"""The pseudo-method of a step in which the caller lets time pass, so that leases expire."""


def spoil(value: object) -> None:
    """Misuse a job, a list or a dict that a repository gave out, as a careless caller might."""
    if isinstance(value, list | dict):
        value.clear()
    if isinstance(value, Lease):
        value = value.job
    if isinstance(value, CollectionJob):
        for name in FIELD_NAMES:
            with suppress(AttributeError, TypeError):  # read-only, as it should be
                cast("dict[str, Any]", getattr(value, name)).clear()


class Once(tuple[Any, ...]):
    """Jobs that a caller gives as an iterator, which can be gone through once only."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one of the methods, with the very arguments it is given."""

    method: str
    arguments: tuple[Any, ...] = ()

    @property
    def is_listing(self) -> bool:
        """Whether the call lists whichever jobs match, and names none."""
        return self.method in LISTS_JOBS

    @property
    def counts_jobs(self) -> bool:
        """Whether the call is about whichever jobs match, and tells only how many there are."""
        return self.method in COUNTS_JOBS

    @property
    def jobs(self) -> tuple[CollectionJob, ...]:
        """The jobs that the call saves, in their order; none where it names jobs by their ids."""
        named = jobs_named(self.method, self.arguments)
        return tuple(one for one in named if isinstance(one, CollectionJob))

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of the jobs that the call names, each once; none for a listing."""
        at = NAMES_ONE_JOB.get(self.method)
        if at is not None:
            return (id_of(self.arguments[at]),)
        if self.method not in NAMES_SEVERAL_JOBS:
            return ()
        return tuple(dict.fromkeys(map(id_of, jobs_named(self.method, self.arguments))))

    @property
    def job_id(self) -> str | None:
        """The id of the one job that the call names; None where it names none, or several."""
        ids = self.job_ids
        return ids[0] if len(ids) == 1 else None

    def of(self, job_id: str) -> Call:
        """Return the part of the call that is about one of its jobs."""
        if self.method not in NAMES_SEVERAL_JOBS:
            return self
        named = jobs_named(self.method, self.arguments)
        if all(id_of(one) == job_id for one in named):
            return self
        return self.with_jobs(one for one in named if id_of(one) == job_id)

    def parts(self) -> dict[str, Call]:
        """Return by the id of each of its jobs the part that is about it, in one pass."""
        named = dict[str, list[Any]]()
        if self.method not in NAMES_SEVERAL_JOBS:
            return dict.fromkeys(self.job_ids, self)
        for one in jobs_named(self.method, self.arguments):
            named.setdefault(id_of(one), []).append(one)
        if len(named) == 1:
            return dict.fromkeys(named, self)
        return {job_id: self.with_jobs(jobs) for job_id, jobs in named.items()}

    def with_jobs(self, jobs: Iterable[Any]) -> Call:
        """Return the same call about other jobs."""
        return Call(self.method, with_jobs_named(self.method, self.arguments, jobs))

    def argument(self, name: str, absent: object = None) -> Any:
        """Return what a parameter is given, or its default; ``absent`` where there is none."""
        return argument_of(self.method, self.arguments, name, absent)

    @property
    def job_is_in_answer(self) -> bool:
        """Whether it picks its job itself, so that the answer tells which one it is about."""
        return self.method in TAKES_A_JOB

    def __str__(self) -> str:
        """Return the call as Python."""
        return f"repository.{self.method}({_arguments_code(self.method, self.arguments)})"


def _arguments_code(method: str, arguments: tuple[Any, ...]) -> str:
    by_position, by_name = as_given(method, arguments)
    parts = [code(value) for value in by_position]
    parts += [f"{name}={code(value)}" for name, value in by_name.items()]
    return ", ".join(parts)


def id_of(named: Any) -> str:
    """Return the id of the job that a call names: by its id, by itself or by a lease of it."""
    if type(named) is str:
        return named
    if isinstance(named, Lease):
        return named.job.id
    return str(named.id if isinstance(named, CollectionJob) else named)


UNSEEN: Any = object()
"""Stands for what a call gave that never returned, and may have happened."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call, a value or an error, and the times between which it was made."""

    began: datetime
    ended: datetime
    value: object = None
    error: BaseException | None = None
    hidden: str | None = None
    """The engine's error that ``error`` stands for and does not carry as its cause."""

    def __str__(self) -> str:
        """As the end of the sentence "the call ..."."""
        if self.error is not None:
            return f"raised {error_text(self.error)}"
        return f"returned {brief(self.value)}"


Kept = CollectionJob | Lease
"""What a caller may hold: a job that a call returned, or a lease."""
_Kept = TypeVar("_Kept", bound=Kept)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a held job before it is saved: a method of the job, or dataclasses.replace."""

    method: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def apply(self, job: _Kept) -> _Kept:
        """Return the changed job or lease; ValueError where it does not permit the change."""
        if self.method == "replace":
            return replace(job, **dict(self.keywords))
        changed = getattr(job, self.method)(*self.arguments, **dict(self.keywords))
        return cast("_Kept", changed)

    def of(self, name: str) -> str:
        """Return the change of the job called ``name``, as Python."""
        parts = [code(argument) for argument in self.arguments]
        parts += [f"{key}={code(value)}" for key, value in self.keywords]
        if self.method == "replace":
            return f"replace({', '.join([name, *parts])})"
        return f"{name}.{self.method}({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Held:
    """A job or lease that an earlier step got and kept, with the changes made to it since."""

    name: str
    changes: tuple[Change, ...] = ()

    def resolve(self, held: Mapping[str, Kept]) -> Kept | None:
        """Return the changed value; None where none is held or it does not permit the change.

        An adapter may have given out what the entity would refuse, such as a job whose metadata is
        None. That is told of the call which returned it; nobody can change it or save it again.
        """
        job = held.get(self.name)
        if job is None:
            return None
        try:
            for change in self.changes:
                job = change.apply(job)
        except Exception:  # noqa: BLE001 - what is in the fields of such a job may raise anything
            return None
        return job if is_well_formed(job) else None

    def __str__(self) -> str:
        """Return the changed job, as Python."""
        text = self.name
        for change in self.changes:
            text = change.of(text)
        return text


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a program: a call whose job may be a held one, and a name to keep its result."""

    method: str
    arguments: tuple[Any, ...] = ()
    keep: str | None = None

    def call(self, held: Mapping[str, Kept]) -> Call | None:
        """Return the call with its very arguments; None where what is held is missing.

        A lease of another job is none that the caller has of this one.
        """
        try:
            call = Call(self.method, tuple(_resolved(self.arguments, held)))
        except LookupError:
            return None
        lease = call.argument("lease") if self.method in SIGNATURES else None
        return None if isinstance(lease, Lease) and lease.job.id != call.job_id else call

    def __str__(self) -> str:
        """Return the line as Python."""
        if self.method == SPOIL:
            spoilt = self.arguments[0]
            return f"spoil({spoilt})"
        if self.method == WAIT:
            return f"await asyncio.sleep({self.arguments[0].total_seconds():g})"
        line = f"await repository.{self.method}({_arguments_code(self.method, self.arguments)})"
        return line if self.keep is None else f"{self.keep} = {line}"


def _resolved(arguments: Iterable[Any], held: Mapping[str, Kept]) -> Iterator[Any]:
    """Yield the arguments with held jobs in their place; LookupError where one is missing."""
    for argument in arguments:
        if isinstance(argument, tuple):
            jobs = cast("tuple[object, ...]", argument)
            yield type(jobs)(tuple(_resolved(jobs, held)))
            continue
        value = argument.resolve(held) if isinstance(argument, Held) else argument
        if isinstance(argument, Held) and value is None:
            raise LookupError(argument.name)
        yield value


Program = tuple[Step, ...]
"""Steps of one caller, one after another."""


class NoAnswer(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A call did not return in the time that the kit gave it.

    Attributes:
        what: What gave no answer, where it is no call but the opening or the closing of a store.
        place: The line of the adapter at which it stood, if that is known.
    """

    what: str | None = None
    place: str | None = None


def code(value: object) -> str:
    """Return a value as Python source that gives an equal value when it is evaluated."""
    match value:
        case JobStatus():
            return f"JobStatus.{value.name}"
        case datetime() | timedelta():
            return datetime_code(value) if isinstance(value, datetime) else duration_code(value)
        case CollectionJob() | Lease() | JobQuery():
            return _value_code(value)
        case Held():
            return str(value)
        case str():
            return text_code(value)
        case Once():
            return f"iter({code(tuple(value))})"
        case tuple():
            items = cast("tuple[object, ...]", value)
            if len(items) > _MANY and (numbered := _numbered(items)) is not None:
                return numbered
            parts = [code(item) for item in items]
            return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        case Mapping():
            return _mapping_code(cast("Mapping[object, object]", value))
        case _:
            return _representation(value)


def _representation(value: object) -> str:
    if isinstance(value, frozenset):  # sorted: its order is another in each process
        items = ", ".join(sorted(map(code, cast("frozenset[object]", value))))
        return f"frozenset({{{items}}})" if items else "frozenset()"
    try:
        return str.__str__(repr(value))
    except Exception:  # noqa: BLE001 - a value's own repr may raise anything
        return shown(value)


_LONGEST_TEXT = 2_000
"""How many characters of an error are told."""
_MANY = 8
"""Of more items, a comprehension is shown where one gives them."""


def _numbered(items: Sequence[object]) -> str | None:
    """Print items that differ by a number that counts, as the tuple that a comprehension gives."""
    template = numbered_template([code(item) for item in items])
    if template is None:
        return None
    text, first, step = template
    return f"tuple({text} for number in {range_code(first, len(items), step)})"


def _mapping_code(mapping: Mapping[object, object]) -> str:
    items = list(mapping.items())
    if len(items) > _MANY and len(set(map(code, mapping.values()))) == 1:
        template = numbered_template([code(key) for key, _ in items])
        if template is not None:
            text, first, step = template
            numbers = range_code(first, len(items), step)
            return f"{{{text}: {code(items[0][1])} for number in {numbers}}}"
    return f"{{{', '.join(f'{code(key)}: {code(item)}' for key, item in items)}}}"


def _value_code(value: CollectionJob | Lease | JobQuery) -> str:
    if isinstance(value, JobQuery):
        return _query_code(value)
    return _lease_code(value) if isinstance(value, Lease) else _job_code(value)


def _job_code(job: CollectionJob) -> str:
    plain = example_job(job.id)
    parts = [code(job.id)]
    for item in fields(job):
        value = getattr(job, item.name)
        if item.name != "id" and value != getattr(plain, item.name):
            parts.append(f"{item.name}={code(value)}")
    return f"example_job({', '.join(parts)})"


def _query_code(query: JobQuery) -> str:
    given = {item.name: getattr(query, item.name) for item in fields(query)}
    if query.statuses is not None:  # in an order that is the same in each process
        given["statuses"] = tuple(status for status in JobStatus if status in query.statuses)
    parts = [f"{name}={code(value)}" for name, value in given.items() if value is not None]
    return f"JobQuery({', '.join(parts)})"


def _lease_code(lease: Lease) -> str:
    """Print a lease as Python: without when it expires, which has no meaning to a store."""
    plain = example_lease(lease.job.id)
    parts = [code(lease.job.id)]
    for item in fields(lease):
        value = getattr(lease, item.name)
        is_shown = item.name not in ("job", "expires_at")
        if is_shown and value != getattr(plain, item.name):
            parts.append(f"{item.name}={code(value)}")
    return f"example_lease({', '.join(parts)})"


def error_text(error: BaseException) -> str:
    """Return an error as Python words it, whatever its own text does, and no more than a page."""
    try:
        text = str.__str__(str(error))
    except Exception:  # noqa: BLE001 - an error's own text may raise anything
        text = "(its text cannot be shown)"
    if len(text) > _LONGEST_TEXT:
        half = _LONGEST_TEXT // 2
        text = f"{text[:half]} ... {len(text) - 2 * half:,} characters ... {text[-half:]}"
    return f"{type_name(error)}: {text}"


def _is_count(value: Any) -> bool:
    return isinstance(value, dict) and JobStatus.PENDING in value


def brief(value: object) -> str:
    """Show a returned value in a message: jobs by their ids and revisions, the rest as Python."""
    if isinstance(value, CollectionJob):
        return f"the job {code(value.id)} at revision {value.revision}"
    if isinstance(value, Lease):
        return (
            f"the lease of {brief(value.job)}, worker {code(value.worker)}, token {value.token},"
            f" attempt {value.attempt}"
        )
    if isinstance(value, JobSummary):
        return f"the summary of the job {code(value.id)} at revision {value.revision}"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, cast('list[object]', value)))}]"
    if _is_count(value):
        return code(value)
    if isinstance(value, datetime | timedelta | JobStatus | JobQuery):
        return code(value)
    return shown(value)
