"""JobIndex: the keys of the in-memory repository's jobs, in order, by what jobs are asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import merge
from itertools import takewhile

from collection_jobs.adapters.sorted_keys import Key, SortedKeys
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["JobIndex"]


class _KeysBy:
    """Sorted keys for each value of something that jobs have, of which a job may have several."""

    __slots__ = ("_key_of", "_keys", "_values_of")

    def __init__(
        self,
        values_of: Callable[[CollectionJob], tuple[Hashable, ...]],
        key_of: Callable[[CollectionJob], Key],
    ) -> None:
        self._values_of = values_of
        self._key_of = key_of
        self._keys: dict[Hashable, SortedKeys] = {}

    def move(self, former: CollectionJob | None, job: CollectionJob | None) -> None:
        """Take a job from where it was, and put it where it is now."""
        left = () if former is None else self._values_of(former)
        entered = () if job is None else self._values_of(job)
        old, new = former and self._key_of(former), job and self._key_of(job)
        if old == new and left == entered:
            return
        if old is not None:
            for value in left:
                keys = self._keys[value]
                keys.remove(old)
                if not keys:
                    del self._keys[value]
        if new is not None:
            for value in entered:
                self._keys.setdefault(value, SortedKeys()).add(new)

    def of(self, value: Hashable) -> SortedKeys:
        return self._keys.get(value, _NO_KEYS)


_NO_KEYS = SortedKeys()


def _key(job: CollectionJob) -> Key:
    return job.created_at, job.id


def _end(job: CollectionJob) -> Key:
    return job.finished_at or job.created_at, job.id


def _status_if_ended(job: CollectionJob) -> tuple[Hashable, ...]:
    """Only final statuses are asked for by the time at which they were reached."""
    return (job.status,) if job.status.is_final and job.finished_at is not None else ()


class JobIndex:
    """Where the jobs stand: every listing starts at its first job, however many there are."""

    __slots__ = ("_all", "_by_end", "_by_source", "_by_status", "_by_symbol")

    def __init__(self) -> None:
        """Start without a job."""
        self._all = _KeysBy(lambda job: (None,), _key)
        self._by_status = _KeysBy(lambda job: (job.status,), _key)
        self._by_source = _KeysBy(lambda job: (job.source,), _key)
        self._by_symbol = _KeysBy(lambda job: job.symbols, _key)
        self._by_end = _KeysBy(_status_if_ended, _end)

    def move(self, former: CollectionJob | None, job: CollectionJob | None) -> None:
        """Follow a change of a job: None where it was made or deleted."""
        for keys in (self._all, self._by_status, self._by_source, self._by_symbol, self._by_end):
            keys.move(former, job)

    def by_age(self) -> SortedKeys:
        """Return the keys of all jobs."""
        return self._all.of(None)

    def of_status(self, status: JobStatus) -> SortedKeys:
        """Return the keys of the jobs with one status."""
        return self._by_status.of(status)

    def counts(self) -> dict[JobStatus, int]:
        """Return how many jobs have each status."""
        return {status: len(self._by_status.of(status)) for status in JobStatus}

    def ended(self, statuses: Iterable[JobStatus]) -> Iterator[Key]:
        """Yield the ``(finished_at, id)`` of the jobs with some final statuses, in order."""
        return merge(*(self._by_end.of(status).ascending() for status in statuses))

    def candidates(self, query: JobQuery, after: Key | None) -> Iterator[Key]:
        """Yield keys in order, behind one, among which are those of all jobs that match.

        They are those of the condition that the fewest jobs meet.
        """
        bounds = [key for key in (after, _from(query)) if key is not None]
        first = max(bounds, default=None)
        keys = merge(
            *(
                each.ascending() if first is None else each.after(first)
                for each in min(self._meeting(query), key=_size)
            )
        )
        before = query.created_before
        return keys if before is None else takewhile(lambda key: key[0] < before, keys)

    def _meeting(self, query: JobQuery) -> Iterator[list[SortedKeys]]:
        yield [self.by_age()]
        if query.statuses is not None:
            yield [self._by_status.of(status) for status in query.statuses]
        if query.source is not None:
            yield [self._by_source.of(query.source)]
        if query.symbol is not None:
            yield [self._by_symbol.of(query.symbol)]


def _from(query: JobQuery) -> Key | None:
    return None if query.created_from is None else (query.created_from, "")


def _size(keys: list[SortedKeys]) -> int:
    return sum(map(len, keys))
