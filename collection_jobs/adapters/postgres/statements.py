"""The statements: one for each method, over arrays, so that many calls can share one.

Why each is right at READ COMMITTED, PostgreSQL's default:

* A statement sees one snapshot of everything, taken when it starts. So a job and its outcomes that
  one statement reads are of one instant (ATOMIC-1, STATS-1).
* A row that it is to change or to lock, and that another transaction has changed since, is waited
  for and taken as it is *then*: its conditions and its new values are worked out again (PostgreSQL
  calls it EvalPlanQual). Rows of other tables stay as in the snapshot. So everything that decides
  about a call, the symbols of the job included, stands in the job's own row; of the outcomes,
  which may be older than the job's row at that moment, nothing is asked.
* Whoever changes anything about a job holds its row. A revision is drawn while the row is held,
  from a sequence, which gives no number twice and waits for no transaction: so a job's revisions
  only grow (SAVE-4), no number comes back (SAVE-5), and writers of different jobs never meet.
* A job's outcomes carry the job's *generation*, a number that is drawn anew whenever the job is
  saved whole. Those of another generation are void. So a save need not see the outcomes that it
  replaces, some of which may have been committed after its snapshot; they are removed by a
  trigger, which looks afresh, as the foreign key does when a job is deleted.
* Rows are locked in the order of their ids: the arrays come sorted, and loops keep their order.
  What deadlocks all the same (an insertion that meets another) is rolled back and repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from collection_jobs.status import TRANSITIONS, JobStatus

__all__ = ["SESSION", "Statements", "quoted"]

# A generic plan is made once for each connection, maybe while the tables are empty, and must be
# right when they are large: so only plans that walk an index are left to choose from. They also
# keep the order of the arrays.
SESSION = """
    SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off"""

_JOB = """
    j.id, j.source, j.symbols, j.timeframe, j.range_start, j.range_end, j.created_at, j.status,
    j.started_at, j.finished_at, j.error_message, o.completed, o.failed, j.revision"""

# One JSON document of outcomes is decoded several times faster than an array of numerics.
_OUTCOMES = """
    CROSS JOIN LATERAL (
        SELECT json_object_agg(symbol, candles) FILTER (WHERE candles IS NOT NULL) AS completed,
            json_object_agg(symbol, error) FILTER (WHERE error IS NOT NULL) AS failed
        FROM {schema}.outcomes WHERE job = j.key AND generation = j.generation
    ) AS o"""

_GET = f"SELECT {_JOB} FROM {{schema}}.jobs AS j {_OUTCOMES} WHERE j.id = ANY ($1::text[])"  # noqa: S608 - constant text

# The limit comes before the outcomes: they are read for the jobs listed, and no others.
# The status is nowhere said to be equal, though of these bounds it is: were it, the order would be
# that of age alone, and the planner, which cannot tell that few have the status, and finds the jobs
# stored by age, would walk those of all statuses. As it is, one index only has the order.
_LIST = f"""
    SELECT {_JOB} FROM (
        SELECT * FROM {{schema}}.jobs
        WHERE (status, created_at, id) > ($1, $2::timestamptz, $3::text) AND status <= $1
        ORDER BY status, created_at, id LIMIT $4 OFFSET $5
    ) AS j {_OUTCOMES} ORDER BY j.status, j.created_at, j.id"""  # noqa: S608 - constant text
_RECENT = f"""
    SELECT {_JOB} FROM (
        SELECT * FROM {{schema}}.jobs WHERE created_at >= $1
        ORDER BY created_at DESC, id DESC LIMIT $2
    ) AS j {_OUTCOMES} ORDER BY j.created_at DESC, j.id DESC"""  # noqa: S608 - constant text

_STATS = """
    SELECT j.id, cardinality(j.symbols), o.completed, o.failed, o.candles
    FROM {schema}.jobs AS j CROSS JOIN LATERAL (
        SELECT count(candles) AS completed, count(error) AS failed, sum(candles)::text AS candles
        FROM {schema}.outcomes WHERE job = j.key AND generation = j.generation
    ) AS o WHERE j.id = ANY ($1::text[])"""

_REPLACE = """
        ON CONFLICT (id) DO UPDATE SET source = excluded.source, symbols = excluded.symbols,
            timeframe = excluded.timeframe, range_start = excluded.range_start,
            range_end = excluded.range_end, created_at = excluded.created_at,
            status = excluded.status, started_at = excluded.started_at,
            finished_at = excluded.finished_at, error_message = excluded.error_message,
            generation = excluded.generation, revision = nextval('{schema}.revisions')"""
_COLUMNS = """id, source, symbols, timeframe, range_start, range_end, created_at, status,
            started_at, finished_at, error_message"""
_ARRAYS = """$1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
            $7::timestamptz[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[]"""
_INSERT = f"""
        INSERT INTO {{schema}}.jobs AS j (key, generation, revision, {_COLUMNS})
        SELECT number, number, number, id, source, symbols::text[], timeframe, range_start,
            range_end, created_at, status, started_at, finished_at, error_message"""

# New jobs, and those that replace whatever is stored, without outcomes: the shortest way. Of two
# insertions of one id, which meet in its unique index, the later one replaces the job.
_SAVE = f"""{_INSERT}
    FROM (
        SELECT *, nextval('{{schema}}.revisions') AS number
        FROM unnest({_ARRAYS}) AS asked ({_COLUMNS})
    ) AS asked {_REPLACE}"""  # noqa: S608 - constant text

# The same with all that a job may have. A copy that is stale is refused, by the revision that its
# row has while it is held; of the jobs that one call saves ($13), one refused is all refused.
# Rows are found by hashing (NOT IN) and in a jsonb object: a join would loop over the jobs for each
# job and each outcome, since SESSION leaves it nothing else.
_SAVE_WHOLE = f"""
    WITH asked AS MATERIALIZED (
        SELECT *, nextval('{{schema}}.revisions') AS number
        FROM unnest({_ARRAYS}, $12::bigint[], $13::int[]) AS asked ({_COLUMNS}, expected, call)
    ), held AS MATERIALIZED (
        SELECT id, revision FROM {{schema}}.jobs WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
    ), refused AS MATERIALIZED (
        SELECT id, call, (SELECT revision FROM held WHERE held.id = asked.id)
        FROM asked WHERE expected IS NOT NULL
            AND (id, expected) NOT IN (SELECT id, revision FROM held)
    ), saved AS ({_INSERT}
        FROM asked WHERE call NOT IN (SELECT call FROM refused) {_REPLACE}
        RETURNING j.id, j.key, j.generation
    ), places AS MATERIALIZED (
        SELECT jsonb_object_agg(id, ARRAY[key, generation]) AS by_id FROM saved
    ), put AS (
        INSERT INTO {{schema}}.outcomes (job, generation, symbol, candles, error)
        SELECT (place ->> 0)::bigint, (place ->> 1)::bigint, o.symbol, o.candles::numeric, o.error
        FROM places, unnest($14::text[], $15::text[], $16::text[], $17::text[])
            AS o (id, symbol, candles, error),
            LATERAL (SELECT places.by_id -> o.id AS place) AS found
        WHERE place IS NOT NULL
    )
    SELECT id, revision FROM refused"""  # noqa: S608 - constant text

_DELETE = "DELETE FROM {schema}.jobs WHERE id = ANY ($1::text[]) RETURNING id"

_PERMITTED = ", ".join(
    f"('{old.value}', '{new.value}')" for old, nexts in TRANSITIONS.items() for new in sorted(nexts)
)
# The former status is part of the condition, so of many callers one wins (STATUS-2).
_UPDATE_STATUS = f"""
    UPDATE {{schema}}.jobs AS j SET status = asked.status,
        error_message = asked.error_message,
        started_at = CASE asked.status
            WHEN '{JobStatus.RUNNING.value}' THEN $4 WHEN '{JobStatus.PENDING.value}' THEN NULL
            ELSE j.started_at END,
        finished_at = CASE asked.status
            WHEN '{JobStatus.RUNNING.value}' THEN NULL WHEN '{JobStatus.PENDING.value}' THEN NULL
            ELSE $4 END,
        revision = nextval('{{schema}}.revisions')
    FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (id, status, error_message)
    WHERE j.id = asked.id AND (j.status, asked.status) IN ({_PERMITTED})
    RETURNING j.id"""  # noqa: S608 - constant text

# Each call draws a revision, as if they were made one after the other; the job keeps the last.
# `|| '{}'` takes the symbols out of their compressed store once a job instead of once a call.
# Answers with the calls that are refused only, and whether their job is there.
_PUT_OUTCOMES = """
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])
            WITH ORDINALITY AS asked (id, symbol, candles, error, calls, number)
    ), held AS MATERIALIZED (
        SELECT key, id, generation, symbols || '{{}}'::text[] AS symbols FROM {schema}.jobs
        WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
    ), known AS MATERIALIZED (
        SELECT asked.number, held.key, held.generation, asked.symbol, asked.candles, asked.error,
            asked.calls
        FROM asked JOIN held ON held.id = asked.id WHERE asked.symbol = ANY (held.symbols)
    ), put AS (
        INSERT INTO {schema}.outcomes (job, generation, symbol, candles, error)
        SELECT key, generation, symbol, candles::numeric, error FROM known
        ON CONFLICT (job, generation, symbol) DO UPDATE
        SET candles = excluded.candles, error = excluded.error
    ), changed AS (
        UPDATE {schema}.jobs AS j SET revision = (
            SELECT max(nextval('{schema}.revisions')) FROM generate_series(1, changes.calls))
        FROM (SELECT key, sum(calls) AS calls FROM known GROUP BY key) AS changes
        WHERE j.key = changes.key
    )
    SELECT number, id IN (SELECT id FROM held)
    FROM asked WHERE number NOT IN (SELECT number FROM known)"""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements on the tables of one schema."""

    get: str
    list: str
    recent: str
    stats: str
    save: str
    save_whole: str
    delete: str
    update_status: str
    put_outcomes: str

    @classmethod
    def on(cls, schema: str) -> Self:
        """Name the schema in each, so that no setting of a session decides what they mean."""
        texts = (_GET, _LIST, _RECENT, _STATS, _SAVE, _SAVE_WHOLE, _DELETE)
        more = (_UPDATE_STATUS, _PUT_OUTCOMES)
        return cls(*(text.format(schema=quoted(schema)) for text in (*texts, *more)))


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
