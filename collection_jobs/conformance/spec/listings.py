"""The oracle on listings: which jobs one must show, in which order, and as they are stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard, cast

from collection_jobs.conformance.spec.calls import Call, Outcome, code
from collection_jobs.conformance.spec.findings import Verbatim, Violation
from collection_jobs.conformance.spec.instants import in_utc
from collection_jobs.conformance.spec.model import Facts, JobState, facts_of, seen, unexpected
from collection_jobs.conformance.spec.queries import (
    Match,
    facts_of_summary,
    judge_summary,
    matches,
)
from collection_jobs.conformance.spec.signatures import SIGNATURES, argument_of
from collection_jobs.conformance.spec.well_formed import is_well_formed
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobSummary

__all__ = [
    "BEHIND_A_KEY",
    "FOUND",
    "MOST_RECENT",
    "OF_A_STATUS",
    "RUNNING",
    "Listed",
    "Listing",
    "page_of",
    "sort_key",
    "whole_of",
]

_ALL = 1_000_000
_WITH_OFFSET = frozenset(
    method
    for method, parameters in SIGNATURES.items()
    if any(one.name == "offset" for one in parameters)
)

_Key = tuple[datetime, str]
Listed = CollectionJob | JobSummary
"""What stands in a listing."""


def _judge_job(state: JobState, job: Any, call: Call, law: str) -> tuple[Violation, ...]:
    return seen(state._replace(former=None), job, call, law)[1]


def sort_key(facts: Facts) -> _Key:
    """Return what the listings order by: from the least, or from the greatest."""
    return facts.created_at, facts.id


@dataclass(frozen=True, slots=True)
class Listing:
    """What one of the listings shows.

    Attributes:
        law: The law of what the whole listing shows.
        paging_law: The law of a page of a right whole.
        of_pages: The law that is about pages and nothing else; None where none is.
        shows: Whether the whole listing shows a job; None: it shows all.
        reaches: Whether a page can show a job of this key; None: it begins with the first.
        newest_first: Whether it is ordered from the greatest key.
        law_of_wrong_page: Finds the law that is broken, from the ids that are shown; None: it is
            the paging law where the page is part of the whole.
        of: The type of what is shown of each job.
        facts: Returns what is known of a job from what is shown of it.
        judge_item: Judges what is shown of a job that is rightly shown.
    """

    law: str
    paging_law: str
    of_pages: str | None
    shows: Callable[[Call], Callable[[Facts], Match]] | None = None
    reaches: Callable[[Call], Callable[[_Key], bool]] | None = None
    newest_first: bool = False
    law_of_wrong_page: Callable[[Mapping[str, JobState], Call, list[str]], str] | None = None
    of: type[Listed] = CollectionJob
    facts: Callable[[Any], Facts] = facts_of
    judge_item: Callable[[JobState, Any, Call, str], tuple[Violation, ...]] = _judge_job

    def judge(
        self, states: Mapping[str, JobState], call: Call, outcome: Outcome
    ) -> tuple[Violation, ...]:
        """Judge one listing of a store in which nothing else was under way.

        Which jobs are shown, and in which order, is judged first; only when that is right, each
        job that is shown.

        Args:
            states: What is known of every id that was ever used.
            call: A call of the listing.
            outcome: What came of it.

        Returns:
            The laws that were broken.
        """
        if outcome.error is not None:
            return unexpected(call, outcome, self.law)
        jobs = outcome.value
        if not self.is_shown(jobs):
            return (Violation(self.law, f"{{}} {{}}; {self.due} is due", (call, outcome)),)
        found = [job.id for job in jobs]
        whole = self.whole(states, call, found)
        due = _page(whole, call)
        if found != due:
            law = self._law(states, call, found, whole)
            return (_wrong_jobs(law, call, found, due),)
        return tuple(
            violation
            for job in jobs
            for violation in self.judge_item(states[job.id], job, call, self.law)
        )

    @property
    def due(self) -> str:
        """What it returns, in a few words."""
        return "a list of jobs" if self.of is CollectionJob else f"a list of {self.of.__name__}"

    def is_shown(self, value: object) -> TypeGuard[list[Listed]]:
        """Return whether a call returned what it should by its type."""
        if not isinstance(value, list):
            return False
        return all(isinstance(item, self.of) for item in cast("list[object]", value))

    def matches(self, call: Call, facts: Facts) -> Match:
        """Return whether a job is one of those that a call is about, its limit aside."""
        if self.reaches is not None and not self.reaches(call)(sort_key(facts)):
            return False
        return self.shows is None or self.shows(call)(facts)

    def is_page_of(self, whole: Outcome, call: Call, outcome: Outcome) -> bool:
        """Return whether a call showed the right page of the whole that the store itself gives."""
        if not self.is_shown(whole.value) or not self.is_shown(outcome.value):
            return False
        if not all(map(is_well_formed, whole.value)):
            return False
        keys = [(job.created_at, job.id) for job in whole.value]
        if self.reaches is not None:
            keys = list(filter(self.reaches(call), keys))
        return _page([job_id for _, job_id in keys], call) == [job.id for job in outcome.value]

    def whole(
        self, states: Mapping[str, JobState], call: Call, shown: Collection[str] = ()
    ) -> list[str]:
        """Return the ids of every job that a call is about, in the listing's order.

        Args:
            states: What is known of every id that was ever used.
            call: The call.
            shown: The jobs that it showed: of those of which nobody can tell, these match.
        """
        due = [state.facts for state in states.values() if state.facts is not None]
        if self.shows is not None:
            shows = self.shows(call)
            says = [(facts, shows(facts)) for facts in due]
            due = [facts for facts, yes in says if yes or (yes is None and facts.id in shown)]
        if self.reaches is not None:
            reaches = self.reaches(call)
            due = [facts for facts in due if reaches(sort_key(facts))]
        due.sort(key=sort_key, reverse=self.newest_first)
        return [facts.id for facts in due]

    def _law(
        self, states: Mapping[str, JobState], call: Call, found: list[str], whole: list[str]
    ) -> str:
        """Return the law that is broken where other jobs are shown than should be."""
        gone = [states[one] for one in found if one in states and states[one].facts is None]
        if gone:
            return "PURGE-1" if all(state.blame == "PURGE-1" for state in gone) else "DELETE-1"
        if self.law_of_wrong_page is not None:
            return self.law_of_wrong_page(states, call, found)
        short = _is_short(found, _page(whole, call), call)
        return self.paging_law if _is_subsequence(found, whole) and not short else self.law


def whole_of(call: Call) -> Call:
    """Return the listing of which a call shows a page."""
    given = list[object]()
    for at, parameter in enumerate(SIGNATURES[call.method]):
        if parameter.name == "limit":
            return Call(call.method, (*given, _ALL))
        given.append(call.arguments[at] if parameter.is_required else parameter.default)
    return Call(call.method, tuple(given))


def page_of(call: Call) -> tuple[int, int | None]:
    """Return the offset and the limit of a listing; None is no limit."""
    method, arguments = call.method, call.arguments
    offset = argument_of(method, arguments, "offset", 0) if method in _WITH_OFFSET else 0
    return offset, argument_of(method, arguments, "limit")


_FEW = 12
"""As many ids as a message shows all of."""


def _wrong_jobs(law: str, call: Call, found: list[str], due: list[str]) -> Violation:
    """Say which jobs a listing showed, and which it should have; of many, where they differ."""
    if len(found) <= _FEW and len(due) <= _FEW:
        text = "{} returned the jobs {}; it should have returned {}"
        return Violation(law, text, (call, _ids(found), _ids(due)))
    text = "{} returned {} jobs where {} are due: {}"
    counts = (Verbatim(f"{len(found):,}"), Verbatim(f"{len(due):,}"))
    return Violation(law, text, (call, *counts, Verbatim(_difference(found, due))))


def _difference(found: list[str], due: list[str]) -> str:
    """Say in which jobs, and at which place first, two long listings differ."""
    shown, wanted = set(found), set(due)
    said = [
        f"{what} {code(ids[0])}{f' and {len(ids) - 1:,} more' if len(ids) > 1 else ''}"
        for what, ids in (
            ("it lacks", [one for one in due if one not in shown]),
            ("it has beyond them", [one for one in found if one not in wanted]),
        )
        if ids
    ]
    if len(shown) < len(found):
        twice = next(one for at, one in enumerate(found) if one in found[:at])
        said.append(f"it has {code(twice)} more than once")
    pairs = enumerate(zip(found, due, strict=False))
    at = next((at for at, (has, wants) in pairs if has != wants), None)
    if not said and at is not None:
        said.append(f"at place {at:,} stands {code(found[at])} instead of {code(due[at])}")
    return "; ".join(said)


def _ids(ids: list[str]) -> Verbatim:
    return Verbatim(f"[{', '.join(map(code, ids))}]")


def _page(whole: list[str], call: Call) -> list[str]:
    offset, limit = page_of(call)
    return whole[offset:] if limit is None else whole[offset : offset + limit]


def _has_status(call: Call) -> Callable[[Facts], bool]:
    """Return what tells whether a job has the status that a call asks for."""
    status = str(call.arguments[0].value)
    return lambda facts: facts.status == status


def _is_since(call: Call) -> Callable[[_Key], bool]:
    """Return what tells whether a key is of the instant that a call asks for, or of a later one."""
    since = in_utc(call.argument("since"))
    return lambda key: since is None or key[0] >= since


def _is_behind(call: Call) -> Callable[[_Key], bool]:
    """Return what tells whether a key comes behind the one from which a page by key goes on."""
    given: _Key | None = call.argument("after")
    after = None if given is None else (in_utc(given[0]), given[1])
    return lambda key: after is None or key > after


def _recent_law(states: Mapping[str, JobState], call: Call, found: list[str]) -> str:
    """RECENT-2 where the jobs would be right but for ``since``, else RECENT-1."""
    since = in_utc(call.argument("since"))
    if since is None:
        return "RECENT-1"
    if any(facts.created_at < since for facts in _facts(states, found)):
        return "RECENT-2"
    due = _page(MOST_RECENT.whole(states, call), call)
    missing = [facts for facts in _facts(states, due) if facts.id not in found]
    if missing and all(facts.created_at == since for facts in missing):
        return "RECENT-2"
    return "RECENT-1"


def _key_law(states: Mapping[str, JobState], call: Call, found: list[str]) -> str:
    """KEY-2 where the jobs would be right but for the key or the limit, else KEY-1."""
    all_of_them = Call(call.method, call.arguments[:1])
    whole = BEHIND_A_KEY.whole(states, all_of_them)
    if not _is_subsequence(found, whole):
        return "KEY-1"
    _, limit = page_of(call)
    short = limit is not None and len(found) < min(limit, len(whole))
    return "KEY-1" if call.argument("after") is None and short else "KEY-2"


def _facts(states: Mapping[str, JobState], ids: list[str]) -> list[Facts]:
    return [facts for job_id in ids if job_id in states and (facts := states[job_id].facts)]


def _is_subsequence(found: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(job_id in rest for job_id in found)


def _is_short(found: list[str], due: list[str], call: Call) -> bool:
    """Whether jobs are missing from a first page that has room for all of them."""
    offset, limit = page_of(call)
    return len(found) < len(due) and offset == 0 and (limit is None or len(due) < limit)


OF_A_STATUS = Listing("LIST-1", "LIST-2", "LIST-2", _has_status)
MOST_RECENT = Listing(
    "RECENT-1",
    "RECENT-1",
    "RECENT-2",
    reaches=_is_since,
    newest_first=True,
    law_of_wrong_page=_recent_law,
)
RUNNING = Listing(
    "RUNNING-1", "RUNNING-1", None, lambda call: lambda facts: facts.status == "running"
)
BEHIND_A_KEY = Listing(
    "KEY-1", "KEY-2", "KEY-2", _has_status, _is_behind, law_of_wrong_page=_key_law
)
FOUND = Listing(
    "FIND-1",
    "FIND-1",
    None,
    matches,
    _is_behind,
    of=JobSummary,
    facts=facts_of_summary,
    judge_item=judge_summary,
)
