"""Jobs that are saved together: for each such call there must be one instant for all its jobs."""

from __future__ import annotations

from datetime import UTC, datetime

from collection_jobs.conformance.history.checker import check
from collection_jobs.conformance.history.history import Event
from collection_jobs.conformance.spec.calls import Call, Outcome, example_job
from collection_jobs.job import CollectionJob

NOW = datetime(2024, 3, 1, tzinfo=UTC)
OLD = {name: example_job(name) for name in "ab"}
NEW = {name: example_job(name, source="new") for name in "ab"}
BOTH = Call("save_many", (tuple(NEW.values()),))


def event(client: str, call: Call, began: int, ended: int | None, value: object = None) -> Event:
    outcome = None if ended is None else Outcome(NOW, NOW, value)
    return Event(client, call, began, ended, outcome)


def reads(name: str, began: int, *, new: bool) -> Event:
    job: CollectionJob = (NEW if new else OLD)[name]
    shown = job.with_revision("ab".index(name) + (3 if new else 1))
    return event("reader", Call("get_by_id", (name,)), began, began + 1, shown)


def laws(saves_until: int | None, *seen: Event) -> list[str]:
    saves = [(Call("save", (OLD[name],)), at) for at, name in ((1, "a"), (3, "b"))]
    before = [event("before", call, at, at + 1) for call, at in saves]
    history = [*before, event("saver", BOTH, 10, saves_until), *seen]
    return [finding.law for finding in check(history)]


def test_all_may_be_seen_old_then_all_new() -> None:
    assert laws(50, reads("a", 20, new=False), reads("b", 22, new=True)) == []
    assert laws(50, reads("b", 20, new=False), reads("a", 22, new=True)) == []


def test_one_may_not_be_seen_new_and_then_another_old() -> None:
    assert laws(50, reads("a", 20, new=True), reads("b", 22, new=False)) == ["MANY-3"]
    assert laws(50, reads("b", 20, new=True), reads("a", 22, new=False)) == ["MANY-3"]


def test_reads_that_overlap_say_nothing_of_each_other() -> None:
    slow = event("other", Call("get_by_id", ("b",)), 19, 30, OLD["b"].with_revision(2))
    assert laws(50, reads("a", 20, new=True), slow) == []


def test_a_call_that_never_came_back_saved_all_or_none() -> None:
    for new in (False, True):
        assert laws(None, reads("a", 20, new=new), reads("b", 22, new=new)) == []
    assert laws(None, reads("a", 20, new=True), reads("b", 22, new=False)) == ["MANY-3"]
    assert laws(None, reads("a", 20, new=False), reads("b", 22, new=True)) == []
    later = reads("a", 30, new=False), reads("b", 32, new=True), reads("a", 34, new=False)
    assert laws(None, *later) == ["MANY-3"]
