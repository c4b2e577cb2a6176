"""Collection jobs in Redis: hashes, sorted sets as indexes, and a Lua script for each call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from typing_extensions import override

from collection_jobs import (
    CheckedRepository,
    CollectionJob,
    JobNotFoundError,
    JobStatus,
    RepositoryError,
    StaleJobError,
    UnknownSymbolError,
)
from collection_jobs.documents import from_document, listing_key, to_document
from collection_jobs.fields import FIELDS

__all__ = ["RedisCollectionJobRepository"]

_LAYOUT = b"3"
_OPEN = """
local found = redis.call('GET', name('layout'))
if not found or found == '1' or found == '2' then redis.call('SET', name('layout'), ARGV[2]) end
return redis.call('GET', name('layout'))
"""

# Redis runs one script at a time and nothing beside it: each call is one instant.
#
# {jobs}:job:<id>         a hash of the job's fields, and for each symbol of S<symbol>, its
#                         position, and C<symbol>, its candles, or F<symbol>, its error; P<symbol>,
#                         if that is permanent, N<symbol>, how often it failed, and U<symbol>, up to
#                         where it was collected; those of layout 1 have no metadata, and those of
#                         layout 2 none of the last three
# {jobs}:recent           the listing keys of all jobs, each with the score 0: so they sort by
# {jobs}:status:<status>  their bytes (a score is a double, too coarse for a microsecond)
# {jobs}:revision         the greatest revision that was ever given out
# {jobs}:layout           the version of all this
#
# The braces keep them all in one slot of a cluster. A value is sent with "=" before it, or empty
# for None.
_HEAD = """
local function name(of) return KEYS[1] .. ':' .. of end
local this = name('job:' .. ARGV[1])
local function put(first)
    for at = first, #ARGV, 2 do
        local field, value = ARGV[at], ARGV[at + 1]
        if value == '' then redis.call('HDEL', this, field)
        else redis.call('HSET', this, field, string.sub(value, 2)) end
    end
    redis.call('HSET', this, 'revision', redis.call('INCR', name('revision')))
end
local function unindex()
    local key, status = unpack(redis.call('HMGET', this, 'key', 'status'))
    if not key then return 0 end
    redis.call('ZREM', name('recent'), key)
    return redis.call('ZREM', name('status:' .. status), key)
end
"""
_SAVE = """
local expected, key, status = ARGV[2], ARGV[3], ARGV[4]
local found = redis.call('HGET', this, 'revision')
if expected ~= '' and expected ~= found then return {'stale', found} end
unindex()
redis.call('DEL', this)
redis.call('ZADD', name('recent'), 0, key)
redis.call('ZADD', name('status:' .. status), 0, key)
redis.call('HSET', this, 'key', key, 'status', status)
put(5)
return {'saved'}
"""
_DELETE = """
unindex()
return redis.call('DEL', this)
"""
_UPDATE_STATUS = """
local status, permitting = ARGV[2], ARGV[3]
local key, former = unpack(redis.call('HMGET', this, 'key', 'status'))
if not former or not string.find(permitting, ' ' .. former .. ' ', 1, true) then return 0 end
redis.call('ZREM', name('status:' .. former), key)
redis.call('ZADD', name('status:' .. status), 0, key)
redis.call('HSET', this, 'status', status)
put(4)
return 1
"""
# A count that is full stays what it is, for Redis has no greater number.
_ADD_FAILURE = """
local symbol = ARGV[2]
if redis.call('EXISTS', this) == 0 then return 'no job' end
if redis.call('HEXISTS', this, 'S' .. symbol) == 0 then return 'no symbol' end
if redis.call('HGET', this, 'N' .. symbol) ~= '9223372036854775807' then
    redis.call('HINCRBY', this, 'N' .. symbol, 1)
end
put(3)
return 'added'
"""
_LIST = """
local command, index, first, last, offset, limit = unpack(ARGV, 2)
local keys = redis.call(command, name(index), first, last, 'LIMIT', offset, limit)
local jobs = {}
for at, key in ipairs(keys) do
    jobs[at] = redis.call('HGETALL', name('job:' .. string.sub(key, 9)))
end
return jobs
"""


class RedisCollectionJobRepository(CheckedRepository):
    """A repository on a Redis server, for any number of processes and machines.

    Not declared is ``durable``: what Redis has acknowledged is in the server's memory, and on its
    disk by the server's settings, a second later by default if at all. No client can promise more.

    A command whose answer was lost is not sent again by itself, as redis-py would: the claim that
    was sent twice returns False to its one winner.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"shared", "scales"})
    driver_errors = (RedisError, OSError)

    def __init__(self, url: str, *, prefix: str = "collection-jobs") -> None:
        """Remember the server; nothing is asked of it yet.

        Args:
            url: As redis-py takes it: ``redis://host:6379/0``, with its options as the query.
            prefix: What all keys begin with; one server can hold several stores.
        """
        self._url = url
        self._prefix = f"{{{prefix}}}"

    @override
    async def _open(self) -> None:
        """Connect, and see that the store is of this layout."""
        self._client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] # its options
            self._url, retry=Retry(NoBackoff(), 0)
        )
        layout = await self._run(_OPEN, "", _LAYOUT)
        if layout != _LAYOUT:
            raise RepositoryError(f"the store has layout {layout!r}, not {_LAYOUT!r}")

    @override
    async def _close(self) -> None:
        await self._client.aclose()

    async def _run(self, script: str, job_id: str, *arguments: str | bytes | int) -> Any:
        call = self._client.register_script(_HEAD + script)
        return await call(keys=[self._prefix], args=[job_id, *arguments])

    @override
    async def _save(self, job: CollectionJob) -> None:
        expected = "" if job.revision is None else str(job.revision)
        key = listing_key(job.created_at, job.id)
        answer = await self._run(_SAVE, job.id, expected, key, job.status.value, *_fields(job))
        if answer[0] == b"stale":
            found = None if answer[1] is None else int(answer[1])
            raise StaleJobError(job.id, int(expected), found)

    @override
    async def _get(self, job_id: str) -> CollectionJob | None:
        found = await self._run("return redis.call('HGETALL', this)", job_id)
        return _job(found) if found else None

    @override
    async def _delete(self, job_id: str) -> bool:
        return bool(await self._run(_DELETE, job_id))

    @override
    async def _list_by_status(
        self, status: JobStatus, limit: int, offset: int
    ) -> list[CollectionJob]:
        index = f"status:{status.value}"
        return await self._list("ZRANGEBYLEX", index, b"-", b"+", offset, limit)

    @override
    async def _list_recent(self, limit: int, since: datetime | None) -> list[CollectionJob]:
        last = b"-" if since is None else b"[" + listing_key(since, "")
        return await self._list("ZREVRANGEBYLEX", "recent", b"+", last, 0, limit)

    async def _list(self, *arguments: str | bytes | int) -> list[CollectionJob]:
        return [_job(fields) for fields in await self._run(_LIST, "", *arguments)]

    @override
    async def _update_status(
        self,
        job_id: str,
        status: JobStatus,
        error_message: str | None,
        former: frozenset[JobStatus],
    ) -> bool:
        permitting = f" {' '.join(status.value for status in former)} "
        now = datetime.now(UTC).isoformat()
        changes = _sent({"error_message": error_message, **_instants(status, now)})
        return bool(await self._run(_UPDATE_STATUS, job_id, status.value, permitting, *changes))

    @override
    async def _add_failed_symbol(self, job_id: str, symbol: str, error: str) -> None:
        changes = _sent({f"C{symbol}": None, f"F{symbol}": error, f"P{symbol}": None})
        answer = await self._run(_ADD_FAILURE, job_id, symbol, *changes)
        if answer == b"no job":
            raise JobNotFoundError(job_id)
        if answer == b"no symbol":
            raise UnknownSymbolError(job_id, symbol)


def _instants(status: JobStatus, now: str) -> dict[str, str | None]:
    """Tell what a change of status does to the instants."""
    if status is JobStatus.RUNNING:
        return {"started_at": now, "finished_at": None}
    if status is JobStatus.PENDING:
        return {"started_at": None, "finished_at": None}
    return {"finished_at": now}


def _sent(fields: dict[str, str | None]) -> Iterator[str]:
    """Fields as the scripts take them: a name, then its value, by turns."""
    for name, value in fields.items():
        yield name
        yield "" if value is None else f"={value}"


_OF_SYMBOLS = (
    *("symbols", "completed_symbols", "failed_symbols"),
    *("permanent_failures", "failure_counts", "cursors"),
)
_APART = (*_OF_SYMBOLS, "status", "revision")
_AS_JSON = ("metadata", "version")


def _fields(job: CollectionJob) -> Iterator[str]:
    """Describe a job's fields but for its status and its revision, as the scripts take them."""
    document = to_document(job)
    cursors: dict[str, str] = document["cursors"]
    for name in _APART:
        del document[name]
    fields: dict[str, str | None] = {
        name: json.dumps(value) if name in _AS_JSON else value for name, value in document.items()
    }
    fields |= {f"S{symbol}": str(position) for position, symbol in enumerate(job.symbols)}
    fields |= {f"C{symbol}": str(n) for symbol, n in job.completed_symbols.items()}
    fields |= {f"F{symbol}": error for symbol, error in job.failed_symbols.items()}
    fields |= {f"P{symbol}": "" for symbol in job.permanent_failures}
    fields |= {f"N{symbol}": str(n) for symbol, n in job.failure_counts.items()}
    fields |= {f"U{symbol}": until for symbol, until in cursors.items()}
    return _sent(fields)


def _job(flat: list[bytes]) -> CollectionJob:
    """Build a job from its hash: a field's name, then its value, by turns."""
    fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    fields.pop("key", None)
    document: dict[str, Any] = {field.name: None for field in FIELDS if field.optional}
    symbols: dict[str, dict[str, str]] = {kind: {} for kind in "SCFPNU"}
    try:
        for name, value in fields.items():
            text = value.decode()
            if name[0] in symbols:
                symbols[name[0]][name[1:]] = text
            else:
                document[name] = json.loads(text) if name in _AS_JSON else text
        positions = {symbol: int(text) for symbol, text in symbols["S"].items()}
        document |= {
            "symbols": sorted(positions, key=lambda symbol: positions[symbol]),
            "completed_symbols": {symbol: int(text) for symbol, text in symbols["C"].items()},
            "failed_symbols": symbols["F"],
            "permanent_failures": list(symbols["P"]),
            "failure_counts": {symbol: int(text) for symbol, text in symbols["N"].items()},
            "cursors": symbols["U"],
            "revision": int(document["revision"]),
        }
        return from_document(document)
    except (LookupError, TypeError, ValueError) as error:
        raise RepositoryError(f"a hash of the store holds no job: {error}") from error
