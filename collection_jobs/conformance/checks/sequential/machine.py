"""LifecycleMachine: a Hypothesis state machine that drives a store through its jobs' lifecycles."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from collection_jobs.conformance.checks.sequential import strategies
from collection_jobs.conformance.checks.sequential.oracle_runner import OracleRunner
from collection_jobs.conformance.running.open_store import OpenStore
from collection_jobs.conformance.spec.calls import SPOIL, Change, Held, Step, example_job
from collection_jobs.conformance.spec.capabilities import METHODS
from collection_jobs.conformance.spec.findings import LawBroken
from collection_jobs.status import JobStatus

__all__ = ["LifecycleMachine"]


def _can(method: str) -> Callable[[LifecycleMachine], bool]:
    """Whether the adapter that a machine drives has a method beyond the nine."""
    return lambda machine: METHODS[method] in machine.capabilities


_places = st.integers(0, strategies.POOL_SIZE - 1)
_names = st.sampled_from(("job", "other"))
_sources = st.sampled_from(("binance", "kraken"))


class LifecycleMachine(RuleBasedStateMachine):
    """One caller's random walk: save, claim, fail, complete, retry, delete and look, in any order.

    A class derived from it says in ``new_store`` what is driven. After every change the job is
    read back, so that a violation is laid to the call that made it.
    """

    muted: Collection[str] = frozenset()
    unwritten: Collection[str] = ()
    capabilities: Collection[str] = frozenset()

    def new_store(self) -> OpenStore:
        """A store that is open and empty."""
        raise TypeError(f"{type(self).__name__} must say in new_store what it drives")

    def broke(self, error: LawBroken) -> None:
        """What becomes of a violation: by itself the machine fails; the search collects them."""
        raise error

    def __init__(self) -> None:
        """Open a store."""
        super().__init__()
        self._store = self.new_store()
        self._runner = OracleRunner(self._store.repository, self.muted, self.unwritten)
        self._ids: tuple[str, ...] = ()

    def teardown(self) -> None:
        """Close the store."""
        self._store.close()

    def _do(self, *steps: Step) -> None:
        for step in steps:
            try:
                self._store.run(self._runner.run(step))
            except LawBroken as error:
                self.broke(error)

    def _change(self, place: int, method: str, *arguments: Any) -> None:
        job_id = self._ids[place]
        self._do(Step(method, (job_id, *arguments)), Step("get_by_id", (job_id,)))

    @initialize(ids=strategies.pools())
    def _choose_ids(self, ids: tuple[str, ...]) -> None:
        self._ids = ids

    @rule(place=_places, fields=strategies.fields(), name=_names)
    def save(self, place: int, fields: dict[str, Any], name: str) -> None:
        """Save a job that no store has given out, read it back and hold it."""
        job = example_job(self._ids[place], **fields)
        self._do(Step("save", (job,)), Step("get_by_id", (job.id,), keep=name))

    @rule(place=_places, name=_names)
    def hold(self, place: int, name: str) -> None:
        """Read a job and hold it."""
        self._do(Step("get_by_id", (self._ids[place],), keep=name))

    # No rule asks what is held or stored: were the choices to depend on what the repository does,
    # Hypothesis could not repeat them on one that does not always do the same.

    @rule(name=_names, changes=st.lists(strategies.changes(), max_size=1))
    def save_held(self, name: str, changes: list[Change]) -> None:
        """Save a held job, changed or not: it may be stale by now."""
        held = self._runner.held.get(name)
        self._do(Step("save", (Held(name, tuple(changes)),)))
        if held is not None:
            self._do(Step("get_by_id", (held.id,)))

    @rule(name=_names)
    def spoil_held(self, name: str) -> None:
        """Misuse a held job."""
        self._do(Step(SPOIL, (name,)))

    @rule(place=_places)
    def delete(self, place: int) -> None:
        """Delete a job, stored or not, and look for its remains."""
        job_id = self._ids[place]
        self._change(place, "delete")
        self._do(Step("get_stats", (job_id,)), Step("list_recent"))

    @rule(place=_places, status=strategies.statuses(), error=st.none() | strategies.texts())
    def update_status(self, place: int, status: JobStatus, error: str | None) -> None:
        """Change a status, permitted or not."""
        self._change(place, "update_status", status, error)

    @rule(place=_places)
    def walk(self, place: int) -> None:
        """Claim a job and complete it, as a worker does."""
        for status in (JobStatus.RUNNING, JobStatus.COMPLETED):
            self._change(place, "update_status", status)

    @rule(place=_places, symbol=st.sampled_from(("BTC", "ETH", "XRP")), error=strategies.texts())
    def add_failed_symbol(self, place: int, symbol: str, error: str) -> None:
        """Record a failure, of a symbol that the job has or has not."""
        self._change(place, "add_failed_symbol", symbol, error)

    @rule(
        status=strategies.statuses(),
        limit=strategies.limits(),
        offset=strategies.offsets(),
        misused=st.booleans(),
    )
    def list_by_status(self, status: JobStatus, limit: int, offset: int, misused: bool) -> None:
        """List a page."""
        self._look(Step("list_by_status", (status, limit, offset)), misused)

    @rule(
        limit=strategies.limits(),
        since=st.none() | strategies.instants(),
        misused=st.booleans(),
    )
    def list_recent(self, limit: int, since: Any, misused: bool) -> None:
        """List the newest."""
        self._look(Step("list_recent", (limit, since)), misused)

    @rule(misused=st.booleans())
    def get_running_jobs(self, misused: bool) -> None:
        """List the running."""
        self._look(Step("get_running_jobs"), misused)

    @rule(place=_places)
    def get_stats(self, place: int) -> None:
        """Read the stats of a job."""
        self._do(Step("get_stats", (self._ids[place],)))

    @precondition(_can("add_completed_symbol"))
    @rule(
        place=_places, symbol=st.sampled_from(("BTC", "ETH", "XRP")), candles=strategies.candles()
    )
    def add_completed_symbol(self, place: int, symbol: str, candles: int) -> None:
        """Record a completion, of a symbol that the job has or has not."""
        self._change(place, "add_completed_symbol", symbol, candles)

    @precondition(_can("save_many"))
    @rule(jobs=st.lists(st.tuples(_places, _sources, _names, st.booleans()), max_size=4))
    def save_many(self, jobs: list[tuple[int, str, str, bool]]) -> None:
        """Save some jobs together, new ones and held ones, which may be stale by now."""
        steps = [
            Held(name) if copy else example_job(self._ids[place], source=source)
            for place, source, name, copy in jobs
        ]
        held = [self._runner.held.get(one.name) for one in steps if isinstance(one, Held)]
        ids = [self._ids[place] for place, *_ in jobs] + [job.id for job in held if job is not None]
        looks = (Step("get_by_id", (job_id,)) for job_id in dict.fromkeys(ids))
        self._do(Step("save_many", (tuple(steps),)), *looks)

    @precondition(_can("list_after"))
    @rule(
        status=strategies.statuses(),
        key=st.none() | st.tuples(strategies.instants(), _places),
        limit=strategies.limits(),
        misused=st.booleans(),
    )
    def list_after(
        self, status: JobStatus, key: tuple[datetime, int] | None, limit: int, misused: bool
    ) -> None:
        """List a page behind a key."""
        after = None if key is None else (key[0], self._ids[key[1]])
        self._look(Step("list_after", (status, after, limit)), misused)

    def _look(self, listing: Step, misused: bool) -> None:
        self._do(Step(SPOIL, (listing,)) if misused else listing)
