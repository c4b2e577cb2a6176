"""The oracle runner: one caller's steps on a repository, each held against the oracle at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from collection_jobs.conformance.running.runner import answered, keep
from collection_jobs.conformance.spec.calls import (
    SPOIL,
    WAIT,
    Call,
    Kept,
    Outcome,
    Step,
    spoil,
)
from collection_jobs.conformance.spec.findings import Finding, LawBroken, Violation
from collection_jobs.conformance.spec.listings import whole_of
from collection_jobs.conformance.spec.model import ABSENT, Facts, JobState, facts_of
from collection_jobs.conformance.spec.operations import (
    OPERATIONS,
    judge_call,
    judge_ways,
    listing_of,
)
from collection_jobs.conformance.spec.well_formed import has_order
from collection_jobs.job import CollectionJob
from collection_jobs.protocol import CollectionJobRepository

__all__ = ["OracleRunner"]

_WHOLE = {
    one.listing.of_pages: one.listing.law
    for one in OPERATIONS.values()
    if one.listing is not None and one.listing.of_pages is not None
}
"""For the law of a listing's pages, the law of the whole."""


_MOST_WAYS = 4
"""How many ways of reading the contract are followed at one time."""


class OracleRunner:
    """Runs steps one after another and raises LawBroken at the first violation.

    Args:
        repository: An empty repository.
        muted: Laws whose violations are known already: they are passed over. After any violation
            the oracle takes over what the store then holds, so that the search can go on and find
            what else is broken; where the store cannot be read, the run is over.
        unwritten: Methods that the adapter does not have yet: their calls are passed over.
    """

    def __init__(
        self,
        repository: CollectionJobRepository,
        muted: Collection[str] = frozenset(),
        unwritten: Collection[str] = (),
    ) -> None:
        """Start with the empty store."""
        self.repository = repository
        self.held: dict[str, Kept] = {}
        self.program: list[Step] = []
        self._muted = muted
        self._unwritten = unwritten
        self._over = False
        self._states: dict[str, JobState] = {}
        self._otherwise: list[dict[str, JobState]] = []
        self._facts_held: dict[str, Facts] = {}

    async def run(self, step: Step) -> None:
        """Make one step; one that needs a held job which is not there is passed over.

        Raises:
            LawBroken: A law that is not muted was broken; it carries the steps made so far.
        """
        if self._over:
            return
        if step.method == WAIT:
            self.program.append(step)
            await asyncio.sleep(step.arguments[0].total_seconds())
            return
        spoilt = step.arguments[0] if step.method == SPOIL else None
        if isinstance(spoilt, Step):
            await self._spoil_listing(step, spoilt)
        elif isinstance(spoilt, str):
            await self._spoil_job(step, spoilt)
        else:
            await self._make(step, step)

    async def _make(
        self, step: Step, inner: Step, blame: str | None = None
    ) -> tuple[Outcome | None, bool]:
        """Make a step's call; what came of it, and whether all was right."""
        call = inner.call(self.held)
        if call is None or call.method in self._unwritten:
            return None, False
        self.program.append(step)
        outcome = await answered(call, self.repository, self.program)
        violations = [*self._judge(call, outcome), *self._judge_held()]
        if violations and await self._is_a_page_of_a_wrong_whole(call, outcome, violations):
            violations = []
        if violations:
            if blame is not None:
                # What is known already shows also without the misuse, and is not due to it.
                violations = [
                    violation if violation.law in self._muted else violation._replace(law=blame)
                    for violation in violations
                ]
            await self._follow(call)
            self._raise_unmuted(violations)
        if keep(self.held, step, outcome) and step.keep is not None:
            self._facts_held[step.keep] = _facts_held(self.held[step.keep])
        return outcome, not violations

    async def _spoil_listing(self, step: Step, listing: Step) -> None:
        """Misuse a list, and see that the same listing still shows the same."""
        outcome, right = await self._make(step, listing)
        if outcome is not None and right:
            spoil(outcome.value)
            await self._make(listing, listing, blame="GET-2")

    async def _spoil_job(self, step: Step, name: str) -> None:
        """Misuse a held job, and see that the store still has it as it was."""
        job = self.held.get(name)
        if job is None:
            return
        self.program.append(step)
        spoil(job)
        self._facts_held[name] = facts = _facts_held(job)
        confirmed = self._states.get(facts.id, ABSENT).blame == "GET-1"
        look = Step("get_by_id", (facts.id,))
        await self._make(look, look, blame="GET-2" if confirmed else None)

    def _judge(self, call: Call, outcome: Outcome) -> Iterable[Violation]:
        """Judge a call; where the contract can be read in two ways, go on with each until one fits.

        What is known of the jobs is then what either way says of them, until a later call shows
        which of the two it was.
        """
        if not self._otherwise and OPERATIONS[call.method].judge_otherwise is None:
            after, violations = judge_call(self._states, call, outcome)
            self._states |= after
            return violations
        known = [self._states, *self._otherwise]
        ways = [(one, way) for one in known for way in judge_ways(one, call, outcome)]
        right = [one | after for one, (after, violations) in ways if not violations]
        if not right:
            states, (after, violations) = ways[0]
            self._states, self._otherwise = states | after, []
            return violations
        self._states = right[0]
        self._otherwise = [one for one in right[1:] if one != self._states][:_MOST_WAYS]
        return ()

    async def _is_a_page_of_a_wrong_whole(
        self, call: Call, outcome: Outcome, violations: list[Violation]
    ) -> bool:
        """Whether paging is right and only the whole listing is not, which is known already."""
        whole_law = _WHOLE.get(violations[0].law)
        if whole_law is None or whole_law not in self._muted:
            return False
        whole = await answered(whole_of(call), self.repository)
        return listing_of(call).is_page_of(whole, call, outcome)

    def _judge_held(self) -> Iterable[Violation]:
        for name, facts in self._facts_held.items():
            if (now := _facts_held(self.held[name])) != facts:
                self._facts_held[name] = now
                yield Violation("GET-2", "the job that the caller holds as {} changed", (name,))

    def _raise_unmuted(self, violations: Iterable[Violation]) -> None:
        for violation in violations:
            if violation.law not in self._muted:
                history = tuple(map(str, self.program))
                finding = Finding(violation.law, violation.message, history)
                raise LawBroken.by_law(finding, tuple(self.program))

    async def _follow(self, call: Call) -> None:
        """After a known violation, take the store as it says it is."""
        ids = call.job_ids or list(self._states)
        for job_id in ids:
            outcome = await answered(Call("get_by_id", (job_id,)), self.repository)
            state = self._states.get(job_id, ABSENT)
            if outcome.error is not None:
                self._over = True
                return
            job = outcome.value
            if isinstance(job, CollectionJob) and (job.id != job_id or not has_order(job)):
                self._over = True
                return
            if not isinstance(job, CollectionJob):
                spent = state.spent | state.given
                lease = state.lease.anew()
                self._states[job_id] = JobState(spent=spent, blame=state.blame, lease=lease)
                continue
            revision = job.revision if isinstance(job.revision, int) else None
            self._states[job_id] = JobState(
                facts=facts_of(job),
                revision=revision,
                least=revision,
                given=state.given if revision is None else state.given | {revision},
                spent=state.spent,
                tainted=True,
                lease=state.lease.unknown(),
            )


def _facts_held(value: Kept) -> Facts:
    return facts_of(value if isinstance(value, CollectionJob) else value.job)
