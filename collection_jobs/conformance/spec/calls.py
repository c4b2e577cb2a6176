"""Calls on a repository as data: made, made again, and printed as the Python that they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, cast

from collection_jobs.conformance.running.exception_chaining import hidden_cause
from collection_jobs.conformance.spec.signatures import (
    SIGNATURES,
    argument_of,
    jobs_named,
    names_jobs,
    with_jobs_named,
)
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository
from collection_jobs.status import JobStatus
from collection_jobs.validation import shown

__all__ = [
    "PATIENCE",
    "Call",
    "Change",
    "Held",
    "NoAnswer",
    "Once",
    "Outcome",
    "Program",
    "Step",
    "begin",
    "brief",
    "code",
    "example_job",
    "make",
]

_LISTINGS = frozenset(method for method in SIGNATURES if not names_jobs(method))
_LONG_RUN = 40
"""Characters; the same one more often in a row is written as a product."""

_EXAMPLE: dict[str, Any] = {
    "source": "binance",
    "symbols": ("BTC", "ETH"),
    "timeframe": "1h",
    "start": datetime(2024, 1, 1, tzinfo=UTC),
    "end": datetime(2025, 1, 1, tzinfo=UTC),
    "created_at": datetime(2024, 3, 1, tzinfo=UTC),
}


def example_job(id: str = "a", **fields: Any) -> CollectionJob:  # noqa: A002 - the field's name
    """A valid job of which only the fields that matter need to be given; histories use it."""
    return CollectionJob(id=id, **{**_EXAMPLE, **fields})


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
        """Whether the call is about whichever jobs match, and not about some that it names."""
        return self.method in _LISTINGS

    @property
    def jobs(self) -> tuple[CollectionJob, ...]:
        """The jobs that the call saves, in their order; none where it names jobs by their ids."""
        named = jobs_named(self.method, self.arguments)
        return tuple(one for one in named if isinstance(one, CollectionJob))

    @property
    def job_ids(self) -> tuple[str, ...]:
        """The ids of the jobs that the call names, each once; none for a listing."""
        named = jobs_named(self.method, self.arguments)
        if len(named) == 1:
            return (_id_of(named[0]),)
        return tuple(dict.fromkeys(map(_id_of, named)))

    @property
    def job_id(self) -> str | None:
        """The id of the one job that the call names; None where it names none, or several."""
        ids = self.job_ids
        return ids[0] if len(ids) == 1 else None

    def of(self, job_id: str) -> Call:
        """Return the part of the call that is about one of its jobs."""
        named = jobs_named(self.method, self.arguments)
        if all(_id_of(one) == job_id for one in named):
            return self
        return self.with_jobs(one for one in named if _id_of(one) == job_id)

    def with_jobs(self, jobs: Iterable[Any]) -> Call:
        """Return the same call about other jobs."""
        return Call(self.method, with_jobs_named(self.method, self.arguments, jobs))

    def argument(self, name: str, absent: object = None) -> Any:
        """Return what a parameter is given, or its default; ``absent`` where there is none."""
        return argument_of(self.method, self.arguments, name, absent)

    def __str__(self) -> str:
        """The call as Python."""
        return f"repository.{self.method}({', '.join(map(code, self.arguments))})"


def _id_of(named: Any) -> str:
    return str(named.id if isinstance(named, CollectionJob) else named)


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
            return f"raised {type(self.error).__name__}: {self.error}"
        return f"returned {brief(self.value)}"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a held job before it is saved: a method of the job, or dataclasses.replace."""

    method: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    def apply(self, job: CollectionJob) -> CollectionJob:
        """The changed job; ValueError where this job does not permit the change."""
        if self.method == "replace":
            return replace(job, **dict(self.keywords))
        changed = getattr(job, self.method)(*self.arguments, **dict(self.keywords))
        return cast("CollectionJob", changed)

    def of(self, name: str) -> str:
        """The change of the job called ``name``, as Python."""
        parts = [code(argument) for argument in self.arguments]
        parts += [f"{key}={code(value)}" for key, value in self.keywords]
        if self.method == "replace":
            return f"replace({', '.join([name, *parts])})"
        return f"{name}.{self.method}({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Held:
    """A job that an earlier step read and kept under a name, with the changes made to it since."""

    name: str
    changes: tuple[Change, ...] = ()

    def resolve(self, held: Mapping[str, CollectionJob]) -> CollectionJob | None:
        """The changed job, or None where nothing is held or the job does not permit the change."""
        job = held.get(self.name)
        if job is None:
            return None
        try:
            for change in self.changes:
                job = change.apply(job)
        except ValueError:
            return None
        return job

    def __str__(self) -> str:
        """The changed job, as Python."""
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

    def call(self, held: Mapping[str, CollectionJob]) -> Call | None:
        """The call with its very arguments, or None where a held job is missing."""
        try:
            return Call(self.method, tuple(_resolved(self.arguments, held)))
        except LookupError:
            return None

    def __str__(self) -> str:
        """The line as Python."""
        if self.method == "spoil":
            spoilt = self.arguments[0]
            return f"spoil({spoilt})"
        line = f"await repository.{self.method}({', '.join(map(code, self.arguments))})"
        return line if self.keep is None else f"{self.keep} = {line}"


def _resolved(arguments: Iterable[Any], held: Mapping[str, CollectionJob]) -> Iterator[Any]:
    """The arguments with held jobs in their place; LookupError where one is missing."""
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

PATIENCE = 5.0
"""For how many seconds a call may give no answer before the kit takes it for hung."""


class NoAnswer(Exception):  # noqa: N818 - an observation of the kit, not an error of anybody's
    """A call did not return in the time that the kit gave it."""


async def make(call: Call, repository: CollectionJobRepository) -> Outcome:
    """Make a call and record what came of it, whatever an adapter raises."""
    began = datetime.now(UTC)
    value, error = None, None
    timer = asyncio.timeout(PATIENCE)
    try:
        async with timer:
            value = await begin(call, repository)
    except Exception as raised:  # noqa: BLE001 - whatever an adapter raises is what the kit judges
        error = NoAnswer(f"no answer within {PATIENCE:g} s") if timer.expired() else raised
    return Outcome(began, datetime.now(UTC), value, error, hidden_cause(error))


def begin(call: Call, repository: CollectionJobRepository) -> Awaitable[Any]:
    """The call, to be awaited."""
    given = (iter(value) if isinstance(value, Once) else value for value in call.arguments)
    called: Awaitable[Any] = getattr(repository, call.method)(*given)
    return called


def code(value: object) -> str:
    """A value as Python source that gives an equal value when it is evaluated."""
    match value:
        case JobStatus():
            return f"JobStatus.{value.name}"
        case datetime():
            return _datetime_code(value)
        case CollectionJob():
            return _job_code(value)
        case Held():
            return str(value)
        case str():
            return _text_code(value)
        case Once():
            return f"iter({code(tuple(value))})"
        case tuple():
            parts = [code(item) for item in cast("tuple[object, ...]", value)]
            return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return f"{{{', '.join(f'{code(key)}: {code(item)}' for key, item in items)}}}"
        case _:
            return repr(value)


def _datetime_code(value: datetime) -> str:
    parts = [value.year, value.month, value.day, value.hour, value.minute]
    parts += [value.second, value.microsecond]
    while len(parts) > 3 and parts[-1] == 0:
        parts.pop()
    zone = "" if value.tzinfo is None else ", tzinfo=UTC"
    return f"datetime({', '.join(map(str, parts))}{zone})"


def _text_code(value: str) -> str:
    """A text as Python; a long run of one character, which hides the rest, by its length."""
    parts, plain = list[str](), ""
    for character, run in groupby(value):
        length = sum(1 for _ in run)
        if length <= _LONG_RUN:
            plain += character * length
            continue
        parts += [_plain_text_code(plain)] if plain else []
        parts.append(f"{character!a} * {length}")
        plain = ""
    if plain or not parts:
        parts.append(_plain_text_code(plain))
    return " + ".join(parts)


def _plain_text_code(value: str) -> str:
    return repr(value) if value.isprintable() and value.isascii() else ascii(value)


def _job_code(job: CollectionJob) -> str:
    plain = example_job(job.id)
    parts = [code(job.id)]
    for item in fields(job):
        value = getattr(job, item.name)
        if item.name != "id" and value != getattr(plain, item.name):
            parts.append(f"{item.name}={code(value)}")
    return f"example_job({', '.join(parts)})"


def brief(value: object) -> str:
    """A returned value for a message: jobs by their ids and revisions, the rest as Python."""
    if isinstance(value, CollectionJob):
        return f"the job {code(value.id)} at revision {value.revision}"
    if isinstance(value, list):
        return f"[{', '.join(map(brief, cast('list[object]', value)))}]"
    if isinstance(value, datetime | JobStatus):
        return code(value)
    return shown(value)
