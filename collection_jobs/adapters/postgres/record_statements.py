"""The statements that record something of a symbol, with a lease and without: see `statements`.

Each call draws a revision, as if they were made one after the other; the job keeps the last. Those
of many calls answer with the calls that are refused only, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.statements import lock_limited
from collection_jobs.status import JobStatus

__all__ = ["RecordStatements"]

_MOST = 2**63 - 1
_RUNNING = f"'{JobStatus.RUNNING.value}'"


# The jobs of the calls, held, as far as they are there or their lease is current. `|| '{}'` takes
# the symbols out of their compressed store once a job instead of once a call.
def _held(limit: int, *, fenced: bool) -> str:
    token, running = ("", "")
    if fenced:
        token, running = ", lease_token", f"AND status = {_RUNNING} "
    return f"""held AS MATERIALIZED (
        SELECT key, id, generation, range_start, range_end{token},
            symbols || '{{}}'::text[] AS symbols
        FROM {{schema}}.jobs
        WHERE id = ANY ($1) {running}AND {lock_limited(limit)} ORDER BY id FOR NO KEY UPDATE
    )"""  # noqa: S608 - constant text


def _current(*, fenced: bool) -> str:
    token = " AND held.lease_token = asked.token" if fenced else ""
    return f"asked JOIN held ON held.id = asked.id{token}"


# What an outcome was before stands in the row itself (`replaced`): where it was changed after the
# statement began, nothing else shows it. -2 asks that the cursor be forgotten, since a completion
# was among the calls, though a failure is the last of them. Counts stop at the most.
_UPSERT = f"""
        ON CONFLICT (job, generation, symbol) DO UPDATE
        SET candles = excluded.candles, error = excluded.error, permanent = excluded.permanent,
            failures = CASE WHEN excluded.failures IS NULL THEN o.failures
                ELSE least(coalesce(o.failures, 0), {_MOST} - excluded.failures)
                    + excluded.failures END,
            until = CASE WHEN excluded.candles IS NULL AND excluded.replaced IS NULL
                THEN o.until END,
            replaced = coalesce(o.candles, CASE WHEN o.error IS NOT NULL THEN -1 END)
        RETURNING job,
            (candles IS NOT NULL)::integer - coalesce(replaced >= 0, false)::integer AS completed,
            (error IS NOT NULL)::integer - coalesce(replaced = -1, false)::integer AS failed,
            coalesce(candles, 0) - greatest(replaced, 0) AS candles"""  # noqa: S608 - constant text
_COUNTED = """
            completed = j.completed + changes.completed, failed = j.failed + changes.failed,
            candles = j.candles + changes.candles,
            has_failed = j.failed + changes.failed > 0, counted = j.revision"""


# One call alone, as most are: the short way. It answers with whether the symbol is known, and with
# nothing where the job is not there, or the lease is not current.
def _put_outcome(*, fenced: bool) -> str:
    limit = 7 + fenced
    current = f" AND status = {_RUNNING} AND lease_token = $7::bigint" if fenced else ""
    return f"""
    WITH held AS MATERIALIZED (
        SELECT key, generation, $2::text = ANY (symbols) AS is_known FROM {{schema}}.jobs
        WHERE id = $1::text{current} AND {lock_limited(limit)} FOR NO KEY UPDATE
    ), put AS (
        INSERT INTO {{schema}}.outcomes AS o
            (job, generation, symbol, candles, error, permanent, failures)
        SELECT key, generation, $2, $3::bigint, $4::text, $5::boolean, $6::bigint
        FROM held WHERE is_known{_UPSERT}
    ), changed AS (
        UPDATE {{schema}}.jobs AS j SET revision = nextval({{revisions}}),{_COUNTED}
        FROM put AS changes WHERE j.key = changes.job
    )
    SELECT is_known FROM held"""  # noqa: S608 - constant text


def _put_outcomes(*, fenced: bool) -> str:
    limit = 9 + fenced
    token, of_token = (", $9::bigint[]", ", token") if fenced else ("", "")
    return f"""
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::boolean[],
                $6::bigint[], $7::bigint[], $8::integer[]{token})
            WITH ORDINALITY AS asked (id, symbol, candles, error, permanent, failures, replaced,
                calls{of_token}, number)
    ), {_held(limit, fenced=fenced)}, current AS MATERIALIZED (
        SELECT asked.*, held.key, held.generation, asked.symbol = ANY (held.symbols) AS is_known
        FROM {_current(fenced=fenced)}
    ), put AS (
        INSERT INTO {{schema}}.outcomes AS o
            (job, generation, symbol, candles, error, permanent, failures, replaced)
        SELECT key, generation, symbol, candles, error, permanent, failures, replaced
        FROM current WHERE is_known{_UPSERT}
    ), changed AS (
        UPDATE {{schema}}.jobs AS j SET
            revision = (
                SELECT max(nextval({{revisions}})) FROM generate_series(1, changes.calls)
            ),{_COUNTED}
        FROM (
            SELECT job, sum(calls) AS calls, sum(completed) AS completed, sum(failed) AS failed,
                sum(candles) AS candles
            FROM (
                SELECT key AS job, calls, 0 AS completed, 0 AS failed, 0::bigint AS candles
                FROM current WHERE is_known
                UNION ALL SELECT job, 0, completed, failed, candles FROM put
            ) AS one GROUP BY job
        ) AS changes
        WHERE j.key = changes.job
    )
    SELECT number, {_reason(fenced=fenced)}
    FROM asked WHERE number NOT IN (SELECT number FROM current WHERE is_known)"""  # noqa: S608 - constant text


def _reason(*, fenced: bool) -> str:
    """Whether the lease of a refused call is current, or its job there."""
    if fenced:
        return "number IN (SELECT number FROM current)"
    return "id IN (SELECT id FROM held)"


# Of several calls on one symbol the last one within the range counts, and each draws a revision. A
# symbol that is completed keeps its row, of which then nothing comes back.
def _set_cursors(*, fenced: bool) -> str:
    limit = 4 + fenced
    token, of_token = (", $4::bigint[]", ", token") if fenced else ("", "")
    return f"""
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]{token})
            WITH ORDINALITY AS asked (id, symbol, until{of_token}, number)
    ), {_held(limit, fenced=fenced)}, current AS MATERIALIZED (
        SELECT asked.number, asked.symbol, asked.until, held.key, held.generation,
            held.range_start, held.range_end, asked.symbol = ANY (held.symbols) AS is_known,
            asked.symbol = ANY (held.symbols)
                AND asked.until BETWEEN held.range_start AND held.range_end AS is_right
        FROM {_current(fenced=fenced)}
    ), put AS (
        INSERT INTO {{schema}}.outcomes AS o (job, generation, symbol, until)
        SELECT key, generation, symbol, (array_agg(until ORDER BY number DESC))[1]
        FROM current WHERE is_right GROUP BY key, generation, symbol
        ON CONFLICT (job, generation, symbol) DO UPDATE SET until = excluded.until
        WHERE o.candles IS NULL
        RETURNING job, symbol
    ), changed AS (
        UPDATE {{schema}}.jobs AS j SET revision = (
                SELECT max(nextval({{revisions}})) FROM generate_series(1, changes.calls)),
            counted = j.revision
        FROM (
            SELECT key, count(*) AS calls FROM current
            WHERE is_right AND (key, symbol) IN (SELECT job, symbol FROM put) GROUP BY key
        ) AS changes
        WHERE j.key = changes.key
    )
    SELECT asked.number, {_reason(fenced=fenced).replace("number IN", "asked.number IN")},
        current.is_known, current.range_start, current.range_end
    FROM asked LEFT JOIN current ON current.number = asked.number
    WHERE current.is_right IS NOT TRUE"""  # noqa: S608 - constant text


@dataclass(frozen=True, slots=True)
class RecordStatements:
    """The statements that record something of a symbol, on the tables of one schema."""

    put_outcome: str
    put_outcome_under_lease: str
    put_outcomes: str
    put_outcomes_under_lease: str
    set_cursors: str
    set_cursors_under_lease: str

    @classmethod
    def on(cls, schema: str) -> Self:
        """Name the schema in each, so that no setting of a session decides what they mean."""
        texts = (
            make(fenced=fenced)
            for make in (_put_outcome, _put_outcomes, _set_cursors)
            for fenced in (False, True)
        )
        return cls(*(in_schema(text, schema) for text in texts))
