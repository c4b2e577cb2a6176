"""Programs of the bulk check: each for a new store, made step by step from a seed.

Before any listing every job that was changed is read: what is wrong with a job is laid to the
change, and not to the listing that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from types import MappingProxyType

from collection_jobs.conformance.checks.sequential.bulk import reads
from collection_jobs.conformance.checks.sequential.bulk.changes import Drawing
from collection_jobs.conformance.checks.sequential.bulk.kept_leases import lives_of_leases
from collection_jobs.conformance.checks.sequential.bulk.oracle import BulkOracle
from collection_jobs.conformance.checks.sequential.bulk.sizes import Sizes
from collection_jobs.conformance.checks.sequential.bulk.stages import HANDLE, HERE, reopen
from collection_jobs.conformance.running.zones import ZONES
from collection_jobs.conformance.spec.calls import Change, Held, Step, example_job
from collection_jobs.conformance.spec.domain_texts import NAME_CLASSES
from collection_jobs.conformance.spec.domains import DOMAINS, INSTANTS, values_of
from collection_jobs.conformance.spec.drawn_jobs import awkward_jobs, draw_job, large_job, rich_job
from collection_jobs.conformance.spec.instants import IN_ZONES, in_zone
from collection_jobs.conformance.spec.operations import operations
from collection_jobs.conformance.spec.parameters import kind_of
from collection_jobs.job import CollectionJob
from collection_jobs.query import JobQuery
from collection_jobs.status import JobStatus

__all__ = ["PROGRAMS", "Setting"]

_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
_NAMES = values_of(NAME_CLASSES)
_INSTANTS = values_of(INSTANTS)
_STATUSES = tuple(JobStatus)
_FINAL = (JobStatus.COMPLETED, JobStatus.CANCELLED)
_MORE_THAN_AN_ITEM, _MORE_THAN_A_DOCUMENT = 30, 300
"""Long texts, of 2 MB and 20 MB: some stores take 400 KB as one item, and others 16 MB."""
_MORE_THAN_PARAMETERS = 66_000
"""A statement has 32,766 parameters at most on SQLite, and 65,535 on PostgreSQL."""
_MOST_ENTRIES = 1_000
_LIMITS = (1, 26, 101, 501)
"""Of purges: each beyond a usual part in which jobs are deleted."""
_MORE_THAN_ROWS = 4_200
"""More jobs than one INSERT of all can have: a job has 16 columns or more."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program is made for.

    Attributes:
        random: Where its choices come from.
        oracle: What is known of the store, as the program goes on.
        capabilities: What the adapter can do beyond the nine methods, and what it declares.
        sizes: How large the store is to be.
        elsewhere: Whether other processes can open it.
        keeps: Whether it holds the same jobs when it is opened again.
    """

    random: Random
    oracle: BulkOracle
    capabilities: frozenset[str]
    sizes: Sizes
    elsewhere: bool
    keeps: bool

    @property
    def drawing(self) -> Drawing:
        """Draws calls on this store."""
        return Drawing(self.random, self.oracle, self.capabilities)

    @property
    def names(self) -> frozenset[str]:
        """The methods that the adapter has."""
        return frozenset(one.name for one in operations(self.capabilities))

    @property
    def saves_many(self) -> bool:
        """Whether the adapter saves several jobs together."""
        return "SavesMany" in self.capabilities

    def place(self, zone: str) -> str:
        """Return a zone, or this process where no other can open the store."""
        return zone if self.elsewhere else HERE

    @property
    def kill(self) -> str:
        """How a stage in another process ends."""
        return "killed" if self.elsewhere and "durable" in self.capabilities else "closed"


Making = Callable[[Setting], Iterator[Step]]


def _saved(*jobs: CollectionJob) -> Iterator[Step]:
    for job in jobs:
        yield Step("save", (job,))
        yield Step("get_by_id", (job.id,))


def instants(setting: Setting, zone: str) -> Iterator[Step]:
    """Save, read and ask for every instant, in a process of another time zone."""
    yield reopen(zone)
    earliest, latest = min(_INSTANTS), max(_INSTANTS)
    for number, instant in enumerate(_INSTANTS):
        job = example_job(f"job {number}", created_at=instant, started_at=instant)
        begins = replace(job, start=instant, end=latest) if instant < latest else job
        ends = replace(job, finished_at=instant)
        ends = replace(ends, start=earliest, end=instant) if instant > earliest else ends
        yield from _saved(begins, ends)
    yield from _asked_for_instants(setting)
    yield from _saved(example_job("running"))
    yield Step("update_status", ("running", JobStatus.RUNNING))
    yield Step("get_by_id", ("running",))
    yield from reads.whole(setting.capabilities)


def _asked_for_instants(setting: Setting) -> Iterator[Step]:
    """Ask every listing that takes an instant for each, in every zone in turn."""
    step = len(IN_ZONES) if setting.sizes.brief else 2
    for operation in operations(setting.capabilities):
        for parameter in operation.parameters:
            kind = kind_of(parameter.name)
            if kind.name not in ("time", "key"):
                continue
            for number, instant in enumerate(_INSTANTS):
                for zone in list(IN_ZONES)[number % step :: step]:
                    value = in_zone(zone, instant)
                    given = value if kind.name == "time" else (value, f"job {number}")
                    yield operation.step("a", **{parameter.name: given, "limit": 10**6})


def values(setting: Setting) -> Iterator[Step]:
    """Save every value of every field, and read all of it again in other processes."""
    jobs = list(awkward_jobs())
    yield from _saved(*jobs[::2])
    if setting.saves_many:
        yield Step("save_many", (tuple(jobs[1::2]),))
        yield from reads.each(job.id for job in jobs[1::2])
    else:
        yield from _saved(*jobs[1::2])
    yield from _saved(*_sized())
    yield from _asked_for_sized(setting)
    # Each again, when all are there: one may have taken the place of another.
    yield from reads.each(setting.oracle.stored)
    yield from reads.whole(setting.capabilities)
    yield from _copies(jobs)
    yield from _arguments(setting)
    yield from _reopenings(setting, lambda: setting.drawing.changes(setting.oracle.stored[:40], 40))


def _sized() -> Iterator[CollectionJob]:
    """Yield jobs of which a mapping has no entry, one, and as many as it may."""
    for size in (0, 1, 30, 300, 1_000):
        entries = {f"key {number}": f"{number}" for number in range(size)}
        yield example_job(f"with {size} entries", metadata=entries)


def _asked_for_sized(setting: Setting) -> Iterator[Step]:
    """Find each of these jobs by all of its entries, and none by one more."""
    for job in _sized() if "find" in setting.names else ():
        more = {**job.metadata, "key": "another"}
        for metadata in (job.metadata, more) if len(more) <= _MOST_ENTRIES else (job.metadata,):
            yield Step("find", (JobQuery(metadata=metadata), 10**6))


def _copies(jobs: list[CollectionJob]) -> Iterator[Step]:
    """Save copies of jobs under other ids, with the revision that was read and without."""
    for number, job in enumerate(jobs[:12]):
        other = f"copy {number}"
        renamed = Change("replace", keywords=(("id", other),))
        fresh = Change("with_revision", (None,))
        yield Step("get_by_id", (job.id,), keep="job")
        yield Step("save", (Held("job", (renamed,)),))
        yield Step("get_by_id", (other,))
        yield Step("save", (Held("job", (renamed, fresh)),))
        yield Step("get_by_id", (other,))
        yield Step("get_by_id", (job.id,))
        yield Step("save", (Held("job", (renamed,)),))
        yield Step("get_by_id", (other,))


def _arguments(setting: Setting) -> Iterator[Step]:
    """Give each method that changes jobs every value of each of its arguments."""
    for operation in setting.drawing.writes:
        for parameter in operation.parameters_of(()):
            domain = kind_of(parameter.name).domain
            if domain is None:
                continue
            job_id = f"for {operation.name}"
            yield from _saved(example_job(job_id, status=JobStatus.PENDING))
            of_domain = values_of(DOMAINS[domain])
            if setting.sizes.brief:
                of_domain = of_domain[len(operation.name) % 2 :: 2]
            for number, value in enumerate(of_domain):
                given = {parameter.name: value}
                if operation.takes("status"):
                    given["status"] = (JobStatus.FAILED, JobStatus.PENDING)[number % 2]
                yield operation.step(job_id, number % 2, **given)
                yield Step("get_by_id", (job_id,))


def _reopenings(
    setting: Setting, work: Callable[[], Iterator[Step]], every: int = 1
) -> Iterator[Step]:
    """Open the store again and again, in other processes; look at all of it, and work on it."""
    if not setting.keeps:
        return
    ended = "closed"
    for place in (*map(setting.place, tuple(ZONES)[: setting.sizes.zones]), HERE):
        yield from _last_deleted()
        yield reopen(place, ended)
        yield from _saved(example_job("last"))
        ended = setting.kill
        if setting.sizes.brief and place != HERE:
            yield from reads.each(list(setting.oracle.states)[::every])
            yield from reads.newest()
        else:
            few = every if setting.sizes.brief else 1
            yield from reads.everything(setting.oracle, setting.capabilities, few)
        yield from work()
    yield from reads.whole(setting.capabilities) if not setting.sizes.brief else reads.newest()
    yield from _last_deleted()
    for _ in range(2):  # an opening may leave less than it found, which the next one finds
        yield reopen()
    yield from _saved(example_job("last"))


def _last_deleted() -> Iterator[Step]:
    """Make the greatest revision that of a job that is gone."""
    yield from _saved(example_job("last"))
    yield Step("delete", ("last",))
    yield Step("get_by_id", ("last",))


def large_store(setting: Setting) -> Iterator[Step]:
    """Fill a store with jobs drawn from the domains, list and change them, and open it again."""
    capabilities, drawing = setting.capabilities, setting.drawing
    jobs = _many(setting)
    for size in setting.sizes.batches if setting.saves_many else ():
        yield Step("save_many", (tuple(islice(jobs, size)),))
        yield from reads.each(setting.oracle.stored[-size:])
    for job in jobs:
        yield from _saved(job)
    yield Step(HANDLE, (1,))
    few = setting.sizes.every if setting.sizes.brief else 1
    yield from reads.each(setting.oracle.stored[::few], stats=True)
    yield from reads.listings(setting.oracle, capabilities, setting.sizes.marks)
    yield from _queries(setting)
    ids = setting.oracle.stored
    hot = [*ids[:: max(1, len(ids) // 150)], *ids[:20]]
    part = max(1, setting.sizes.changes // 5)
    for handle in range(3):
        yield Step(HANDLE, (handle,))
        yield from drawing.changes(hot if handle % 2 else ids, part)
    yield from reads.listings(setting.oracle, capabilities, setting.sizes.marks[1::3])
    yield from _queries(setting)
    size = max(100, setting.sizes.jobs // 8)
    yield from reads.pages(setting.oracle, capabilities, size, _between(setting, ids))
    again = max(part, min(1_100, setting.sizes.changes // 4))
    yield from _reopenings(setting, lambda: drawing.changes(ids, again), setting.sizes.every)


def _queries(setting: Setting) -> Iterator[Step]:
    """Find and count by conditions that stored jobs meet, alone and together."""
    can_do = {one.name for one in operations(setting.capabilities) if one.takes("query")}
    for number in range((12 if setting.sizes.brief else 60) if can_do else 0):
        query = setting.drawing.query()
        if "find" in can_do:
            yield Step("find", (query, (100, 3)[number % 2]))
        if "count" in can_do:
            yield Step("count", (query,))


def _between(setting: Setting, ids: list[str]) -> Callable[[], Iterator[Step]]:
    return lambda: setting.drawing.changes(ids, 2)


def _many(setting: Setting) -> Iterator[CollectionJob]:
    """Yield jobs: hundreds of one status, hundreds of one age, ids that look alike."""
    random = setting.random
    for number in range(setting.sizes.jobs):
        job_id = f"job {number}"
        if number % 8 == 0 and number // 8 < len(_NAMES):
            job_id = _NAMES[number // 8]
        elif number % 16 == 1:
            job_id = "x" * 250 + f"{number:05}"
        ages = (_NOON, _NOON + timedelta(seconds=random.randrange(300)), random.choice(_INSTANTS))
        yield draw_job(
            random,
            job_id,
            created_at=ages[min(2, number % 5)],
            status=JobStatus.RUNNING if number % 2 else random.choice(_STATUSES),
        )


def one_status(setting: Setting) -> Iterator[Step]:
    """Save more than a page of jobs of each status, all of one age, again and again."""
    count = setting.sizes.jobs if setting.sizes.brief else max(setting.sizes.jobs, _MORE_THAN_ROWS)
    for source in ("binance", "kraken", "okx"):
        jobs = tuple(_in_blocks(count, source))
        if setting.saves_many:
            yield Step("save_many", (jobs,))
        else:
            yield from (Step("save", (job,)) for job in jobs)
        yield from reads.each(job.id for job in jobs[:: setting.sizes.every])
    yield from reads.each(setting.oracle.stored)
    yield from reads.listings(setting.oracle, setting.capabilities, setting.sizes.marks[-1:])
    yield from _few_among_many(setting)
    yield from _added_and_purged(setting, count)
    yield from _beside_many(setting)
    # The greatest revision of all is that of a job that is gone.
    for job_id in ("new", *setting.oracle.stored[:1]):
        yield from _saved(example_job(job_id))
        yield Step("delete", (job_id,))
        yield from _saved(example_job(job_id))


def _beside_many(setting: Setting) -> Iterator[Step]:
    """Change one job as often as there are others, which stay as they are, deleted ones too."""
    stored = setting.oracle.stored
    if not stored:
        return  # the store gave back none of its jobs as they are
    busy, *others = stored
    for job_id in others[:: max(1, len(others) // 20)]:
        yield Step("delete", (job_id,))
    for number in range(setting.sizes.jobs):
        yield Step("add_failed_symbol", (busy, "BTC", f"error {number}"))
    yield from reads.each(list(setting.oracle.states)[:: 3 if setting.sizes.brief else 1])


def _few_among_many(setting: Setting) -> Iterator[Step]:
    """Find the eldest, the latest and one between by what only they have; count all and them."""
    can_do = setting.names
    if not can_do & {"find", "count"} or not setting.oracle.stored:
        return
    ids = sorted(setting.oracle.stored)
    few = (ids[0], ids[len(ids) // 2], ids[-1])
    queries = [JobQuery(), JobQuery(statuses=(JobStatus.RUNNING,)), JobQuery(with_failures=True)]
    for number, job_id in enumerate(few):
        own, source, ticket = f"OWN{number}", f"source {number}", {"ticket": f"T-{number}"}
        job = example_job(job_id, source=source, symbols=(own,), metadata=ticket)
        yield from _saved(job.with_failed_symbol(own, "boom"))
        queries += [JobQuery(source=source), JobQuery(symbol=own), JobQuery(metadata=ticket)]
    for query in queries:
        if "count" in can_do:
            yield Step("count", (query,))
        if "find" in can_do:
            yield Step("find", (query, 10**6))


def _added_and_purged(setting: Setting, count: int) -> Iterator[Step]:
    """Add so many jobs at once, beside those that are there; purge some of them, then the rest."""
    can_do, stored = setting.names, setting.oracle.stored
    if not can_do & {"add_many", "delete_finished"}:
        return
    limits = [limit for limit in _LIMITS if limit <= count and "delete_finished" in can_do]
    ended = tuple(_ended(count + sum(limits)))
    if "add_many" in can_do:
        here = [example_job(job_id, source="never") for job_id in stored]
        yield Step("add_many", ((*here, *ended),))
        yield from reads.each(setting.oracle.stored[:: setting.sizes.every])
    else:
        yield from (Step("save", (job,)) for job in ended)
    for limit in limits:
        yield Step("delete_finished", (_NOON, _FINAL, limit))
        if not setting.sizes.brief or limit == limits[-1]:
            yield Step("list_by_status", (JobStatus.COMPLETED, 10**6))
    if "delete_finished" in can_do:
        yield Step("delete_finished", (_NOON,))
        yield Step("list_by_status", (JobStatus.COMPLETED, 10**6))
        yield Step("delete_finished", (_NOON, _FINAL, 10**6))
    yield Step("list_by_status", (JobStatus.COMPLETED, 10**6))


def _ended(count: int) -> Iterator[CollectionJob]:
    """Yield jobs of which the oldest is the first that was completed, and so on."""
    for number in range(count):
        yield example_job(
            f"ended {number}",
            status=JobStatus.COMPLETED,
            created_at=_NOON - timedelta(days=9) + timedelta(minutes=number),
            finished_at=_NOON - timedelta(days=1) + timedelta(seconds=number),
        )


def _in_blocks(count: int, source: str) -> Iterator[CollectionJob]:
    """Yield jobs in their order: few of one status, nearly all of another, few of the first."""
    few = min(60, count // 4)
    first = 10 ** len(str(count))  # so that their ids are in the order of their numbers
    for number in range(count):
        status = JobStatus.RUNNING if few <= number < count - few else JobStatus.PENDING
        yield example_job(f"job {first + number}", source=source, status=status)


def large_jobs(setting: Setting) -> Iterator[Step]:
    """Save jobs of many symbols, and record outcomes of more of them."""
    for size in setting.sizes.symbols:
        job_id = f"of {size} symbols"
        job = large_job(job_id, size)
        yield from _saved(job)
        failed = dict.fromkeys(job.symbols[1:], "boom")
        job_id = f"of {size} symbols that failed"
        yield from _saved(replace(job, id=job_id, completed_symbols={}, failed_symbols=failed))
        yield Step("get_stats", (job_id,))
        for number in range(min(4, size)):
            for operation in setting.drawing.writes:
                if operation.takes("symbol"):
                    yield operation.step(job_id, number, symbol=f"S{size - 1 - number}")
                    yield Step("get_by_id", (job_id,))
        yield Step("get_stats", (job_id,))
    yield from _saved(*_of_other_symbols(setting.sizes.symbols[-1]))
    yield from _of_long_texts(_MORE_THAN_AN_ITEM)
    if not setting.sizes.brief:
        yield from _largest()
    yield from reads.each(f"of {size} symbols" for size in setting.sizes.symbols)
    yield from reads.whole(setting.capabilities)
    yield from _growing(min(setting.sizes.of_one_job, 130))
    yield from _reopenings(setting, lambda: iter(()))
    if setting.keeps:
        for _ in range(setting.sizes.openings):  # and nothing is done in between
            yield reopen()
        yield from reads.everything(setting.oracle, setting.capabilities)


def _of_other_symbols(size: int) -> Iterator[CollectionJob]:
    """Yield jobs that have no symbol in common, so that there are many different ones."""
    for exchange in ("X", "Y"):
        symbols = tuple(f"{exchange}{number}" for number in range(size))
        yield example_job(f"of symbols of {exchange}", symbols=symbols)


def _of_long_texts(count: int) -> Iterator[Step]:
    """Save and grow jobs of so many of the longest errors, and of as many such metadata."""
    texts = [f"{number:05}" + "x" * 65_530 for number in range(count)]
    symbols = tuple(f"S{number}" for number in range(count))
    failed = example_job("of long errors", symbols=symbols)
    yield from _saved(
        replace(failed, failed_symbols=dict(zip(symbols[1:], texts[1:], strict=True))),
        example_job("of long metadata", metadata=dict(zip(symbols, texts, strict=True))),
    )
    yield Step("add_failed_symbol", ("of long errors", symbols[0], texts[0]))
    yield from reads.each(("of long errors",), stats=True)


def _largest() -> Iterator[Step]:
    """Save, read and delete the largest jobs: with them, each listing would take seconds."""
    yield from _saved(large_job("of more symbols than parameters", _MORE_THAN_PARAMETERS))
    yield Step("get_stats", ("of more symbols than parameters",))
    yield Step("delete", ("of more symbols than parameters",))
    yield from _of_long_texts(_MORE_THAN_A_DOCUMENT)
    for job_id in ("of long errors", "of long metadata"):
        yield Step("delete", (job_id,))
        yield Step("get_by_id", (job_id,))


def _growing(count: int) -> Iterator[Step]:
    """Record an outcome of each symbol of a job, one after another."""
    symbols = tuple(f"S{number}" for number in range(count))
    yield from _saved(example_job("growing", symbols=symbols))
    for number, symbol in enumerate(symbols):
        yield Step("add_failed_symbol", ("growing", symbol, f"error {number}"))
        yield Step("get_by_id", ("growing",))


def counters(setting: Setting) -> Iterator[Step]:
    """Change one job, and one store, more often than a short counter counts; delete and create."""
    # All that a job can hold: what is written now and then may be less.
    yield from _saved(rich_job("often"), rich_job("beside"))
    copies = ("often", "beside")
    for number in range(setting.sizes.of_one_job):
        yield Step("add_failed_symbol", ("often", "BTC", f"error {number}"))
        yield Step("get_by_id", ("often",), keep="first" if number == 0 else None)
    yield Step("save", (Held("first"),))
    yield from reads.each(copies)
    for number in range(setting.sizes.of_one_job // 2):
        yield from _saved(example_job("again", source=f"source {number}"))
        yield Step("delete", ("again",))
        yield Step("get_by_id", ("again",))
    yield from reads.whole(setting.capabilities)
    yield from _many_changes(setting)
    yield from _reopenings(setting, lambda: setting.drawing.changes(copies, _ten(setting)))


def _ten(setting: Setting) -> int:
    return max(10, setting.sizes.of_one_job // 10)


def _many_changes(setting: Setting) -> Iterator[Step]:
    """Save the same thousand jobs again and again, and look at the first, the last and a copy."""
    if not setting.saves_many or not setting.sizes.of_the_store:
        return
    yield Step("get_by_id", ("often",), keep="old")
    sources = ("binance", "kraken")
    batches = [
        tuple(example_job(f"job {number}", source=source) for number in range(1_000))
        for source in sources
    ]
    for number in range(setting.sizes.of_the_store // 1_000):
        yield Step("save_many", (batches[number % 2],))
        yield from reads.each(("job 0", "job 999"))
    yield Step("save", (Held("old", (Change("replace", keywords=(("timeframe", "4h"),)),)),))
    yield from reads.each(("often", *(job.id for job in batches[0])))
    yield from reads.whole(setting.capabilities)


def leases(setting: Setting) -> Iterator[Step]:
    """Open a store again in which leases are held, and some have expired meanwhile."""
    if "LeasesJobs" in setting.capabilities and setting.keeps:
        yield from lives_of_leases(setting.place(next(iter(ZONES))), setting.kill)


PROGRAMS: Mapping[str, Making] = MappingProxyType(
    {
        "many changes": counters,
        "every value": values,
        "many jobs": large_store,
        "many of one status": one_status,
        "large jobs": large_jobs,
        "leases": leases,
    }
)
"""The programs by their names; those of `instants` are for each zone."""
