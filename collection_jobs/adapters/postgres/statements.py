"""The statements: one for each method, over arrays, so that many calls can share one.

Why each is right at READ COMMITTED, PostgreSQL's default:

* A statement sees one snapshot of everything, taken when it starts. So a job and its outcomes that
  one statement reads are of one instant (ATOMIC-1, STATS-1).
* A row that it is to change or to lock, and that another transaction has changed since, is waited
  for and taken as it is *then*: its conditions and its new values are worked out again (PostgreSQL
  calls it EvalPlanQual). Rows of other tables stay as in the snapshot. So everything that decides
  about a call, the symbols of the job included, stands in the job's own row; of the outcomes,
  which may be older than the job's row at that moment, nothing is asked. What an outcome was before
  it is replaced, an upsert reads in the row that it replaces, which is the newest.
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

from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.rows import (
    COUNTERS,
    JOB_COLUMNS,
    MOST_OUTCOMES,
    OUTCOME_COLUMNS,
    PARAMETERS,
)
from collection_jobs.fields import FIELD_NAMES
from collection_jobs.status import TRANSITIONS, JobStatus

__all__ = [
    "FRESH_OUTCOMES",
    "JOINED_OUTCOMES",
    "LARGEST_METADATA",
    "SELECTED_JOB",
    "WITHOUT_OUTCOMES",
    "Statements",
    "lock_limited",
    "with_columns",
]

_LONGEST_ERROR = 4_000  # bytes that are read within the job's row
LARGEST_METADATA = 4_000  # bytes as they are stored, which may be compressed

# Larger metadata is null here: such a job is read again in parts, see rows.weight_of.
# So is that of a job with too many outcomes.
_READ = {
    "completed_symbols": "o.completed",
    "failed_symbols": "o.failed",
    "metadata": f"CASE WHEN pg_column_size(j.metadata) <= {LARGEST_METADATA}"
    f" AND o.many <= {MOST_OUTCOMES} THEN j.metadata END",
    "permanent_failures": "o.permanent",
    "failure_counts": "o.failures",
    "cursors": "o.cursors",
}
SELECTED_JOB = ", ".join(
    _READ.get(name) or f"j.{JOB_COLUMNS.get(name, name)}" for name in FIELD_NAMES
)


# One JSON document of outcomes is decoded several times faster than arrays of them. But a row holds
# no more than 1 GB, a character of an error takes up to six in JSON, and whoever decodes a document
# does nothing else meanwhile. So a long error is null here, and of a job's outcomes no more than
# these are looked at: such a job is read again in parts, see rows.weight_of.
def _joined(outcomes: str) -> str:
    return f"""
    CROSS JOIN LATERAL (
        SELECT json_object_agg(symbol, candles) FILTER (WHERE candles IS NOT NULL) AS completed,
            json_object_agg(
                symbol, CASE WHEN octet_length(error) <= {_LONGEST_ERROR} THEN error END)
                FILTER (WHERE error IS NOT NULL) AS failed,
            json_agg(symbol) FILTER (WHERE permanent) AS permanent,
            json_object_agg(symbol, failures) FILTER (WHERE failures IS NOT NULL) AS failures,
            json_object_agg(symbol, until AT TIME ZONE 'UTC') FILTER (WHERE until IS NOT NULL)
                AS cursors,
            count(*) AS many
        FROM (
            SELECT symbol, candles, error, permanent, failures, until FROM {outcomes}
        ) AS first
    ) AS o"""  # noqa: S608 - constant text


JOINED_OUTCOMES = _joined(
    f"{{schema}}.outcomes WHERE job = j.key AND generation = j.generation LIMIT {MOST_OUTCOMES + 1}"
)
FRESH_OUTCOMES = _joined(f"{{schema}}.outcomes_now(j.key, j.generation, {MOST_OUTCOMES + 1})")
"""The same of a row that is held: some may have been committed since the statement began."""
# In parts: the rows without outcomes, and where these are.
WITHOUT_OUTCOMES = """
    CROSS JOIN (
        SELECT NULL AS completed, NULL AS failed, NULL AS permanent, NULL AS failures,
            NULL AS cursors, 0 AS many
    ) AS o"""
_IN_PARTS = f"{SELECTED_JOB}, j.key, j.generation"

_GET = "SELECT {columns} FROM {schema}.jobs AS j {outcomes} WHERE j.id = ANY ($1::text[])"

# The limit comes before the outcomes: they are read for the jobs listed, and no others.
# The status is nowhere said to be equal, though of these bounds it is: were it, the order would be
# that of age alone, and the planner, which cannot tell that few have the status, and finds the jobs
# stored by age, would walk those of all statuses. As it is, one index only has the order.
_LIST = """
    SELECT {columns} FROM (
        SELECT * FROM {schema}.jobs
        WHERE (status, created_at, id) > ($1, $2::timestamptz, $3::text) AND status <= $1
        ORDER BY status, created_at, id LIMIT $4 OFFSET $5
    ) AS j {outcomes} ORDER BY j.status, j.created_at, j.id"""
_RECENT = """
    SELECT {columns} FROM (
        SELECT * FROM {schema}.jobs WHERE created_at >= $1
        ORDER BY created_at DESC, id DESC LIMIT $2
    ) AS j {outcomes} ORDER BY j.created_at DESC, j.id DESC"""

# A cursor, of which a part is fetched at a time.
_READ_OUTCOMES = """
    DECLARE outcomes NO SCROLL CURSOR FOR
    SELECT o.job, o.symbol, o.candles, o.permanent, o.failures, o.until, o.error
    FROM unnest($1::bigint[], $2::bigint[]) AS place (job, generation)
        JOIN {schema}.outcomes AS o ON o.job = place.job AND o.generation = place.generation"""

_READ_METADATA = """
    DECLARE metadata NO SCROLL CURSOR FOR
    SELECT j.key, e.key, e.value
    FROM unnest($1::bigint[]) AS place (job) JOIN {schema}.jobs AS j ON j.key = place.job
        CROSS JOIN LATERAL jsonb_each_text(j.metadata) AS e"""

_STATS = """
    SELECT j.id, cardinality(j.symbols), j.completed, j.failed, j.candles::text
    FROM {schema}.jobs AS j WHERE j.id = ANY ($1::text[])"""


# A statement that holds rows and waits for another's lock holds up all who want its rows. So how
# long it waits is said by its last argument, and set before it looks for the first row.
def lock_limited(parameter: int) -> str:
    """Return the condition that sets how long a statement waits, by one of its parameters."""
    return f"(SELECT set_config('lock_timeout', ${parameter}::text, true)) IS NOT NULL"


_STORED = (*JOB_COLUMNS.values(), *COUNTERS)
_REPLACED = [name for name in _STORED if name != "id"]
_REPLACE = f"""
        ON CONFLICT (id) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)},
            generation = excluded.generation, revision = nextval({{revisions}}),
            has_failed = excluded.has_failed, counted = j.revision"""
_COLUMNS = ", ".join(_STORED)
_ARRAYS = ", ".join(f"${number}::{type_}" for number, type_ in enumerate(PARAMETERS, 1))
_BEHIND = len(PARAMETERS)
# What has many values is given as one text.
_GIVEN = {
    "symbols": "symbols::text[]",
    "metadata": "metadata::jsonb",
    "candles": "candles::numeric",
}
_INSERT = f"""
        INSERT INTO {{schema}}.jobs AS j
            (key, generation, revision, counted, has_failed, {_COLUMNS})
        SELECT number, number, number, 0, failed > 0,
            {", ".join(_GIVEN.get(name, name) for name in _STORED)}"""
_OUTCOME = ("symbol", *OUTCOME_COLUMNS)
_OUTCOME_COLUMNS = ", ".join(_OUTCOME)
_OF_OUTCOME = ", ".join(f"o.{name}" for name in _OUTCOME)


def _outcome_arrays(first: int) -> str:
    types = ("text", *OUTCOME_COLUMNS.values())
    return ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(types, first))


def _put(saved: str, first: int) -> str:
    """Store outcomes, arrays from a parameter on, of the jobs that a CTE has stored."""
    return f"""places AS MATERIALIZED (
        SELECT jsonb_object_agg(id, ARRAY[key, generation]) AS by_id FROM {saved}
    ), put AS (
        INSERT INTO {{schema}}.outcomes (job, generation, {_OUTCOME_COLUMNS})
        SELECT (place ->> 0)::bigint, (place ->> 1)::bigint, {_OF_OUTCOME}
        FROM places, unnest(${first}::text[], {_outcome_arrays(first + 1)})
            AS o (id, {_OUTCOME_COLUMNS}),
            LATERAL (SELECT places.by_id -> o.id AS place) AS found
        WHERE place IS NOT NULL
    )"""  # noqa: S608 - constant text


# New jobs, and those that replace whatever is stored, without outcomes: the shortest way. Of two
# insertions of one id, which meet in its unique index, the later one replaces the job.
_SAVE = f"""{_INSERT}
    FROM (
        SELECT *, nextval({{revisions}}) AS number
        FROM unnest({_ARRAYS}) AS asked ({_COLUMNS})
        WHERE {lock_limited(_BEHIND + 1)}
    ) AS asked {_REPLACE}"""  # noqa: S608 - constant text

# The same with all that a job may have. A copy that is stale is refused, by the revision that its
# row has while it is held; of the jobs that one call saves, one refused is all refused.
# Rows are found by hashing (NOT IN) and in a jsonb object: a join would loop over the jobs for each
# job and each outcome, since SESSION leaves it nothing else.
_SAVE_WHOLE = f"""
    WITH asked AS MATERIALIZED (
        SELECT *, nextval({{revisions}}) AS number
        FROM unnest({_ARRAYS}, ${_BEHIND + 1}::bigint[], ${_BEHIND + 2}::int[])
            AS asked ({_COLUMNS}, expected, call)
        WHERE {lock_limited(_BEHIND + 10)}
    ), held AS MATERIALIZED (
        SELECT id, revision FROM {{schema}}.jobs
        WHERE id = ANY ($1) AND {lock_limited(_BEHIND + 10)} ORDER BY id FOR NO KEY UPDATE
    ), refused AS MATERIALIZED (
        SELECT id, call, (SELECT revision FROM held WHERE held.id = asked.id)
        FROM asked WHERE expected IS NOT NULL
            AND (id, expected) NOT IN (SELECT id, revision FROM held)
    ), saved AS ({_INSERT}
        FROM asked WHERE call NOT IN (SELECT call FROM refused) {_REPLACE}
        RETURNING j.id, j.key, j.generation
    ), {_put("saved", _BEHIND + 3)}
    SELECT id, revision FROM refused"""  # noqa: S608 - constant text

# Jobs that are created, unless there is one of their id; it answers with those that were. Of calls
# with one job each, none says anything about another, so a job that is there is not even locked.
_ADD = f"""
    WITH asked AS MATERIALIZED (
        SELECT *, nextval({{revisions}}) AS number FROM unnest({_ARRAYS}) AS asked ({_COLUMNS})
        WHERE {lock_limited(_BEHIND + 8)}
    ), added AS ({_INSERT}
        FROM asked ON CONFLICT (id) DO NOTHING RETURNING j.id, j.key, j.generation
    ), {_put("added", _BEHIND + 1)}
    SELECT id FROM added"""  # noqa: S608 - constant text

# The same of one call with many, all at one instant: what is there stays until the commit. A job
# that came after the look is held by a change that is none, for DO NOTHING would not hold it.
_ADD_MANY = f"""
    WITH held AS MATERIALIZED (
        SELECT id FROM {{schema}}.jobs
        WHERE id = ANY ($1) AND {lock_limited(_BEHIND + 8)} ORDER BY id FOR KEY SHARE
    ), asked AS MATERIALIZED (
        SELECT *, nextval({{revisions}}) AS number FROM unnest({_ARRAYS}) AS asked ({_COLUMNS})
        WHERE id NOT IN (SELECT id FROM held)
    ), added AS ({_INSERT}
        FROM asked ON CONFLICT (id) DO UPDATE SET key = j.key WHERE false
        RETURNING j.id, j.key, j.generation
    ), {_put("added", _BEHIND + 1)}
    SELECT id FROM added"""  # noqa: S608 - constant text

# What one job has in outcomes beyond the first statement, in the transaction that has saved it.
_ADD_OUTCOMES = f"""
    INSERT INTO {{schema}}.outcomes (job, generation, {_OUTCOME_COLUMNS})
    SELECT j.key, j.generation, {_OF_OUTCOME}
    FROM {{schema}}.jobs AS j, unnest({_outcome_arrays(2)}) AS o ({_OUTCOME_COLUMNS})
    WHERE j.id = $1::text"""  # noqa: S608 - constant text

# The same of its metadata; the keys are different ones each time.
_ADD_METADATA = """
    UPDATE {schema}.jobs SET metadata = metadata || (
        SELECT jsonb_object_agg(e.key, e.value)
        FROM unnest($2::text[], $3::text[]) AS e (key, value))
    WHERE id = $1::text"""

_DELETE = f"""
    DELETE FROM {{schema}}.jobs WHERE id = ANY ($1::text[]) AND {lock_limited(2)} RETURNING id"""  # noqa: S608 - constant text

_PERMITTED = ", ".join(
    f"('{old.value}', '{new.value}')" for old, nexts in TRANSITIONS.items() for new in sorted(nexts)
)
# The former status is part of the condition, so of many callers one wins (STATUS-2). No lease is
# left: a change leaves RUNNING, which ends it, or PENDING, which has none. (Where a save ends one,
# a trigger does it.)
_UPDATE_STATUS = f"""
    UPDATE {{schema}}.jobs AS j SET status = asked.status,
        error_message = asked.error_message,
        started_at = CASE asked.status
            WHEN '{JobStatus.RUNNING.value}' THEN $4 WHEN '{JobStatus.PENDING.value}' THEN NULL
            ELSE j.started_at END,
        finished_at = CASE asked.status
            WHEN '{JobStatus.RUNNING.value}' THEN NULL WHEN '{JobStatus.PENDING.value}' THEN NULL
            ELSE $4 END,
        lease_worker = NULL, lease_token = NULL, lease_expires_at = NULL, lease_lapsed = NULL,
        attempts = CASE asked.status WHEN '{JobStatus.PENDING.value}' THEN NULL
            ELSE j.attempts END,
        revision = nextval({{revisions}})
    FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (id, status, error_message)
    WHERE j.id = asked.id AND (j.status, asked.status) IN ({_PERMITTED})
        AND {lock_limited(5)}
    RETURNING j.id"""  # noqa: S608 - constant text

# Which of some jobs another transaction has locked: those that are there and cannot be held.
_LOCKED = """
    WITH free AS MATERIALIZED (
        SELECT id FROM {schema}.jobs WHERE id = ANY ($1::text[]) FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT id FROM {schema}.jobs WHERE id = ANY ($1::text[]) AND id NOT IN (SELECT id FROM free)"""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements on the tables of one schema."""

    get: str
    list: str
    recent: str
    get_in_parts: str
    list_in_parts: str
    recent_in_parts: str
    read_outcomes: str
    read_metadata: str
    stats: str
    save: str
    save_whole: str
    add: str
    add_many: str
    add_outcomes: str
    add_metadata: str
    delete: str
    update_status: str
    locked: str

    @classmethod
    def on(cls, schema: str) -> Self:
        """Name the schema in each, so that no setting of a session decides what they mean."""
        reads = (_GET, _LIST, _RECENT)
        whole = (with_columns(text, SELECTED_JOB, JOINED_OUTCOMES) for text in reads)
        in_parts = (with_columns(text, _IN_PARTS, WITHOUT_OUTCOMES) for text in reads)
        saves = (_SAVE, _SAVE_WHOLE, _ADD, _ADD_MANY, _ADD_OUTCOMES, _ADD_METADATA)
        writes = (*saves, _DELETE, _UPDATE_STATUS)
        texts = (*whole, *in_parts, _READ_OUTCOMES, _READ_METADATA, _STATS, *writes, _LOCKED)
        return cls(*(in_schema(text, schema) for text in texts))


def with_columns(text: str, columns: str, outcomes: str) -> str:
    """Fill what a statement reads of a job into it."""
    return text.replace("{columns}", columns).replace("{outcomes}", outcomes)
