"""The statements of leases: claims, renewals, and changes that only the holder of a lease may make.

What `statements` says of READ COMMITTED holds here, too: whether a lease is current is decided by
the job's row while it is held. These statements also answer with the job; its outcomes are looked
up afresh (``outcomes_now``), for some may have been committed after the statement began, while it
waited for the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from collection_jobs.adapters.postgres.identifiers import in_schema
from collection_jobs.adapters.postgres.statements import (
    FRESH_OUTCOMES,
    JOINED_OUTCOMES,
    SELECTED_JOB,
    WITHOUT_OUTCOMES,
    lock_limited,
    with_columns,
)
from collection_jobs.status import TRANSITIONS, JobStatus

__all__ = ["LeaseStatements"]

_LEASE = "j.lease_worker, j.lease_token, j.lease_expires_at, j.attempts"
_RUNNING = f"'{JobStatus.RUNNING.value}'"
# The current lease of each job, expired or not.
_GET = f"""
    SELECT {{columns}} FROM {{schema}}.jobs AS j {{outcomes}}
    WHERE j.id = ANY ($1::text[]) AND j.status = {_RUNNING} AND j.lease_token IS NOT NULL"""  # noqa: S608 - constant text

# A call of which no row comes back is to be made again; one whose row has no job gets none.
_CLAIM_NEXT = f"""
    SELECT {SELECTED_JOB}, {_LEASE}, c.number
    FROM {{schema}}.claim_next($1::text[], $2::interval[], $3::text, $4::bigint, $6::text,
            $5::boolean) AS c
        CROSS JOIN LATERAL (SELECT (c.claimed).*) AS j {FRESH_OUTCOMES}"""  # noqa: S608 - constant text

# The row decides, while it is held, whether the job may be claimed; so of many claims one wins.
_CLAIM = f"""
    WITH held AS MATERIALIZED (
        SELECT j.key, j.id FROM {{schema}}.jobs AS j
        WHERE j.id = ANY ($1) AND {lock_limited(4)} AND (
            j.status = '{JobStatus.PENDING.value}' OR j.status = {_RUNNING}
            AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()))
        ORDER BY j.id FOR NO KEY UPDATE
    ), numbered AS MATERIALIZED (
        SELECT held.key, asked.worker, asked.ttl, nextval({{revisions}}) AS number
        FROM unnest($1::text[], $2::text[], $3::interval[]) AS asked (id, worker, ttl)
            JOIN held ON held.id = asked.id
    ), claimed AS (
        UPDATE {{schema}}.jobs AS j SET status = {_RUNNING}, error_message = NULL,
            started_at = clock_timestamp(), finished_at = NULL, revision = numbered.number,
            lease_worker = numbered.worker, lease_token = numbered.number,
            lease_expires_at = clock_timestamp() + numbered.ttl, lease_lapsed = false,
            attempts = coalesce(j.attempts, 0) + 1
        FROM numbered WHERE j.key = numbered.key RETURNING j.*
    )
    SELECT {SELECTED_JOB}, {_LEASE} FROM claimed AS j {FRESH_OUTCOMES}"""  # noqa: S608 - constant text

# A heartbeat is no change of the job: the revision stays. The clock is asked once the row is held.
_RENEW = f"""
    WITH held AS MATERIALIZED (
        SELECT j.key, j.id, j.lease_token FROM {{schema}}.jobs AS j
        WHERE j.id = ANY ($1) AND j.status = {_RUNNING} AND {lock_limited(4)}
        ORDER BY j.id FOR NO KEY UPDATE
    ), renewed AS (
        UPDATE {{schema}}.jobs AS j
        SET lease_expires_at = clock_timestamp() + asked.ttl, lease_lapsed = false
        FROM unnest($1::text[], $2::bigint[], $3::interval[]) AS asked (id, token, ttl)
            JOIN held ON held.id = asked.id AND held.lease_token = asked.token
        WHERE j.key = held.key RETURNING j.*
    )
    SELECT {SELECTED_JOB}, {_LEASE} FROM renewed AS j {FRESH_OUTCOMES}"""  # noqa: S608 - constant text

_PERMITTED = ", ".join(f"'{new.value}'" for new in sorted(TRANSITIONS[JobStatus.RUNNING]))
# Answers with the calls whose lease is current, and whether the lifecycle permits the change.
_UPDATE_STATUS = f"""
    WITH held AS MATERIALIZED (
        SELECT j.key, j.id, j.lease_token FROM {{schema}}.jobs AS j
        WHERE j.id = ANY ($1) AND j.status = {_RUNNING} AND {lock_limited(5)}
        ORDER BY j.id FOR NO KEY UPDATE
    ), current AS MATERIALIZED (
        SELECT held.key, asked.id, asked.status, asked.error_message
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
                AS asked (id, status, error_message, token)
            JOIN held ON held.id = asked.id AND held.lease_token = asked.token
    ), changed AS (
        UPDATE {{schema}}.jobs AS j SET status = current.status,
            error_message = current.error_message,
            started_at = CASE current.status WHEN '{JobStatus.PENDING.value}' THEN NULL
                ELSE j.started_at END,
            finished_at = CASE current.status WHEN '{JobStatus.PENDING.value}' THEN NULL
                ELSE clock_timestamp() END,
            lease_worker = NULL, lease_token = NULL, lease_expires_at = NULL, lease_lapsed = NULL,
            attempts = CASE current.status WHEN '{JobStatus.PENDING.value}' THEN NULL
                ELSE j.attempts END,
            revision = nextval({{revisions}})
        FROM current WHERE j.key = current.key AND current.status IN ({_PERMITTED})
    )
    SELECT id, status IN ({_PERMITTED}) FROM current"""  # noqa: S608 - constant text


@dataclass(frozen=True, slots=True)
class LeaseStatements:
    """The statements of leases on the tables of one schema."""

    get: str
    get_in_parts: str
    claim_next: str
    claim: str
    renew: str
    update_status: str

    @classmethod
    def on(cls, schema: str) -> Self:
        """Name the schema in each, so that no setting of a session decides what they mean."""
        whole = with_columns(_GET, f"{SELECTED_JOB}, {_LEASE}", JOINED_OUTCOMES)
        columns = f"{SELECTED_JOB}, {_LEASE}, j.key, j.generation"
        in_parts = with_columns(_GET, columns, WITHOUT_OUTCOMES)
        writes = (_CLAIM_NEXT, _CLAIM, _RENEW, _UPDATE_STATUS)
        return cls(*(in_schema(text, schema) for text in (whole, in_parts, *writes)))
