"""The step of the schema that has leases: columns of the job's row, and the function that claims.

A lease stands in the row of its job, so whoever holds the row knows who may write. Its columns are
null in a job without a lease, whose row is then as long as it was before.

``lease_lapsed`` is there because no index can hold "has expired", which time alone makes true. A
lease is first found by its expiry. Once many have expired, those who claim mark them, and an index
has the marked ones by age. So the oldest job that may be claimed is found at the same cost however
many leases are held, and however many have expired.

The bounds of the indexes look odd, such as ``lease_lapsed >= true`` for what is true. An equality
would leave the order that of age alone, which other indexes have, too, and the planner might walk
one of these; as it is, one index only has the order. A bound of several columns is where a walk
begins, and one of the first column is where it ends, for a walk goes on where a later column says
that it has passed the bound: so what has expired of a source is walked backwards.

``claim_next`` is a function since it looks afresh several times within one round trip:

* It takes an advisory lock of a job before the job's row. A job whose lock is taken is being
  claimed by another, and is passed over. A row that anybody else has locked is waited for, since
  the job stays the oldest that may be claimed: SKIP LOCKED alone would pass over both.
* "None", a row without a job, is the answer only where one look has found no job at all.
* Who has found only jobs that others are claiming waits until such a claim has ended.
* Who has claimed something waits for nothing more, for others may want its rows while it wants
  theirs. For what is then left to claim it returns no row, and is to be called again.
* Under a limit, it takes the limit's lock, and then counts and chooses in one look. It passes over
  no job: the claim that it would pass over may have filled the limit.

Any other writer, such as a program of a former release or an operator's SQL, ends a lease by a
change of the status: a trigger sees to it.
"""

from __future__ import annotations

__all__ = ["VERSION_4"]

VERSION_4 = """
    ALTER TABLE {schema}.jobs
        ADD COLUMN lease_worker text,
        ADD COLUMN lease_token bigint,
        ADD COLUMN lease_expires_at timestamptz,
        ADD COLUMN lease_lapsed boolean,
        ADD COLUMN attempts bigint,
        ADD CONSTRAINT lease_is_whole CHECK (
            (lease_token IS NULL) = (lease_worker IS NULL)
            AND (lease_token IS NULL) = (lease_expires_at IS NULL)
            AND (lease_token IS NULL) = (lease_lapsed IS NULL));

    CREATE INDEX pending_by_source ON {schema}.jobs (source, created_at, id)
        WHERE status = 'pending';
    CREATE INDEX leases_by_expiry ON {schema}.jobs (lease_expires_at)
        WHERE lease_lapsed <= false;
    CREATE INDEX leases_by_source ON {schema}.jobs (source, lease_expires_at)
        WHERE lease_lapsed <= false;
    CREATE INDEX lapsed_by_age ON {schema}.jobs (lease_lapsed, created_at, id)
        WHERE lease_lapsed >= true;
    CREATE INDEX lapsed_by_source ON {schema}.jobs (source, created_at, id)
        WHERE lease_lapsed >= true;

    CREATE FUNCTION {schema}.end_lease() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            UPDATE {schema}.jobs SET lease_worker = NULL, lease_token = NULL,
                lease_expires_at = NULL, lease_lapsed = NULL
            WHERE key = new.key AND status <> 'running';
            RETURN NULL;
        END {body};
    CREATE TRIGGER ended_lease AFTER UPDATE OF status ON {schema}.jobs FOR EACH ROW
        WHEN (new.lease_token IS NOT NULL AND new.status <> 'running')
        EXECUTE FUNCTION {schema}.end_lease();

    -- A statement sees its outcomes as they were when it began; this sees them as they are.
    CREATE FUNCTION {schema}.outcomes_now(of_job bigint, of_generation bigint, most integer)
    RETURNS SETOF {schema}.outcomes LANGUAGE plpgsql AS {body}
        BEGIN
            RETURN QUERY SELECT o.* FROM {schema}.outcomes AS o
            WHERE o.job = of_job AND o.generation = of_generation LIMIT most;
        END {body};

    -- The oldest jobs that may be claimed, at one instant; how many leases have expired and are not
    -- marked; and how many jobs more a limit permits.
    CREATE FUNCTION {schema}.to_claim(
        most bigint, reach integer, OUT keys bigint[], OUT unmarked bigint, OUT room bigint
    ) LANGUAGE plpgsql AS {body}
        DECLARE
            instant timestamptz := clock_timestamp();
            others boolean;
        BEGIN
            -- As nearly always, there are none but those that wait.
            SELECT ARRAY(
                    SELECT j.key FROM {schema}.jobs AS j
                    WHERE (j.status, j.created_at, j.id) > ('pending', '-infinity', '')
                        AND j.status <= 'pending'
                    ORDER BY j.status, j.created_at, j.id LIMIT reach),
                coalesce(
                    (SELECT true FROM {schema}.jobs AS j
                    WHERE (j.lease_lapsed, j.created_at, j.id) > (true, '-infinity', '')
                        AND j.lease_lapsed >= true AND j.status = 'running'
                    ORDER BY j.lease_lapsed, j.created_at, j.id LIMIT 1),
                    (SELECT true FROM {schema}.jobs AS j
                    WHERE j.lease_lapsed <= false AND j.lease_expires_at <= instant
                        AND j.status = 'running'
                    ORDER BY j.lease_expires_at LIMIT 1),
                    false),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM {schema}.jobs AS j
                        WHERE j.lease_lapsed <= false AND j.lease_expires_at > instant
                            AND j.status = 'running'
                        ORDER BY j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, others, room;
            IF NOT others THEN
                keys := nullif(keys, '{}');
                unmarked := 0;
                RETURN;
            END IF;
            WITH expired AS MATERIALIZED (
                SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                WHERE j.lease_lapsed <= false AND j.lease_expires_at <= instant
                    AND j.status = 'running'
                ORDER BY j.lease_expires_at
            ), oldest AS (
                SELECT f.key, f.created_at, f.id FROM (
                    (SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                    WHERE (j.status, j.created_at, j.id) > ('pending', '-infinity', '')
                        AND j.status <= 'pending'
                    ORDER BY j.status, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                    WHERE (j.lease_lapsed, j.created_at, j.id) > (true, '-infinity', '')
                        AND j.lease_lapsed >= true AND j.status = 'running'
                    ORDER BY j.lease_lapsed, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT e.key, e.created_at, e.id FROM expired AS e
                    ORDER BY e.created_at, e.id LIMIT reach)
                ) AS f ORDER BY f.created_at, f.id LIMIT reach
            )
            SELECT array_agg(o.key ORDER BY o.created_at, o.id),
                (SELECT count(*) FROM expired),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM {schema}.jobs AS j
                        WHERE j.lease_lapsed <= false AND j.lease_expires_at > instant
                            AND j.status = 'running'
                        ORDER BY j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, unmarked, room FROM oldest AS o;
        END {body};

    -- The same of one source.
    CREATE FUNCTION {schema}.to_claim_of(
        of_source text, most bigint, reach integer,
        OUT keys bigint[], OUT unmarked bigint, OUT room bigint
    ) LANGUAGE plpgsql AS {body}
        DECLARE
            instant timestamptz := clock_timestamp();
            others boolean;
        BEGIN
            SELECT ARRAY(
                    SELECT j.key FROM {schema}.jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.status = 'pending'
                    ORDER BY j.source, j.created_at, j.id LIMIT reach),
                coalesce(
                    (SELECT true FROM {schema}.jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.lease_lapsed >= true
                        AND j.status = 'running'
                    ORDER BY j.source, j.created_at, j.id LIMIT 1),
                    (SELECT true FROM {schema}.jobs AS j
                    WHERE j.source >= of_source
                        AND (j.source, j.lease_expires_at) <= (of_source, instant)
                        AND j.lease_lapsed <= false AND j.status = 'running'
                    ORDER BY j.source DESC, j.lease_expires_at DESC LIMIT 1),
                    false),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM {schema}.jobs AS j
                        WHERE (j.source, j.lease_expires_at) > (of_source, instant)
                            AND j.source <= of_source
                            AND j.lease_lapsed <= false AND j.status = 'running'
                        ORDER BY j.source, j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, others, room;
            IF NOT others THEN
                keys := nullif(keys, '{}');
                unmarked := 0;
                RETURN;
            END IF;
            WITH expired AS MATERIALIZED (
                SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                WHERE j.source >= of_source
                    AND (j.source, j.lease_expires_at) <= (of_source, instant)
                    AND j.lease_lapsed <= false AND j.status = 'running'
                ORDER BY j.source DESC, j.lease_expires_at DESC
            ), oldest AS (
                SELECT f.key, f.created_at, f.id FROM (
                    (SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.status = 'pending'
                    ORDER BY j.source, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT j.key, j.created_at, j.id FROM {schema}.jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.lease_lapsed >= true
                        AND j.status = 'running'
                    ORDER BY j.source, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT e.key, e.created_at, e.id FROM expired AS e
                    ORDER BY e.created_at, e.id LIMIT reach)
                ) AS f ORDER BY f.created_at, f.id LIMIT reach
            )
            SELECT array_agg(o.key ORDER BY o.created_at, o.id),
                (SELECT count(*) FROM expired),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM {schema}.jobs AS j
                        WHERE (j.source, j.lease_expires_at) > (of_source, instant)
                            AND j.source <= of_source
                            AND j.lease_lapsed <= false AND j.status = 'running'
                        ORDER BY j.source, j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, unmarked, room FROM oldest AS o;
        END {body};

    CREATE FUNCTION {schema}.claim_next(
        workers text[], ttls interval[], of_source text, most bigint, lock_limit text,
        patient boolean
    ) RETURNS TABLE (number integer, claimed {schema}.jobs) LANGUAGE plpgsql AS {body}
        DECLARE
            seed bigint := ({revisions})::oid::bigint;
            wanted integer := cardinality(workers);
            reach integer := wanted + 15;
            taken integer := 0;
            insistent boolean := most IS NOT NULL;
            keys bigint[];
            unmarked bigint;
            room bigint;
            passed bigint;
            candidate bigint;
            mine boolean;
            drawn bigint;
            none boolean := false;
        BEGIN
            PERFORM set_config('lock_timeout', lock_limit, true);
            IF most IS NOT NULL AND of_source IS NULL THEN
                PERFORM pg_advisory_xact_lock(hashint8extended(0, seed));
            ELSIF most IS NOT NULL THEN
                PERFORM pg_advisory_xact_lock_shared(hashint8extended(0, seed));
                PERFORM pg_advisory_xact_lock(hashtextextended(of_source, seed));
            END IF;
            <<looking>> LOOP
                IF of_source IS NULL THEN
                    SELECT t.* INTO keys, unmarked, room FROM {schema}.to_claim(most, reach) AS t;
                ELSE
                    SELECT t.* INTO keys, unmarked, room
                    FROM {schema}.to_claim_of(of_source, most, reach) AS t;
                END IF;
                IF keys IS NULL OR room <= 0 THEN
                    none := true;
                    EXIT looking;
                END IF;
                passed := NULL;
                FOREACH candidate IN ARRAY keys LOOP
                    mine := pg_try_advisory_xact_lock(hashint8extended(candidate, seed));
                    IF NOT mine THEN
                        passed := coalesce(passed, candidate);
                        CONTINUE WHEN NOT (insistent AND patient);
                        EXIT looking WHEN taken > 0;
                    END IF;
                    PERFORM FROM {schema}.jobs AS j WHERE j.key = candidate
                        AND (j.status = 'pending' OR j.status = 'running'
                            AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()))
                    FOR NO KEY UPDATE SKIP LOCKED;
                    IF NOT FOUND THEN
                        PERFORM FROM {schema}.jobs AS j WHERE j.key = candidate
                            AND (j.status = 'pending' OR j.status = 'running'
                                AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()));
                        -- Another was faster, and the limit may be reached by now: count again.
                        EXIT WHEN NOT FOUND AND most IS NOT NULL;
                        CONTINUE WHEN NOT FOUND OR NOT patient;
                        EXIT looking WHEN taken > 0;
                        -- Somebody holds its row. It may take a while: then look again, holding it.
                        PERFORM FROM {schema}.jobs AS j WHERE j.key = candidate
                            AND (j.status = 'pending' OR j.status = 'running'
                                AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()))
                        FOR NO KEY UPDATE;
                        EXIT;
                    END IF;
                    drawn := nextval({revisions});
                    taken := taken + 1;
                    room := room - 1;
                    UPDATE {schema}.jobs AS j SET status = 'running', error_message = NULL,
                        started_at = clock_timestamp(), finished_at = NULL, revision = drawn,
                        lease_worker = workers[taken], lease_token = drawn,
                        lease_expires_at = clock_timestamp() + ttls[taken], lease_lapsed = false,
                        attempts = coalesce(j.attempts, 0) + 1
                    WHERE j.key = candidate RETURNING j.* INTO claimed;
                    number := taken;
                    RETURN NEXT;
                    EXIT looking WHEN taken = wanted;
                    EXIT WHEN room = 0;
                END LOOP;
                CONTINUE looking WHEN room = 0;
                IF cardinality(keys) = reach THEN
                    -- There may be others behind those that are being claimed.
                    reach := least(reach * 4, 1000000);
                ELSIF taken > 0 THEN
                    EXIT looking;
                ELSIF NOT patient THEN
                    none := true;
                    EXIT looking;
                ELSIF passed IS NOT NULL AND NOT insistent THEN
                    PERFORM pg_advisory_xact_lock_shared(hashint8extended(passed, seed));
                    insistent := true;
                END IF;
            END LOOP;
            IF none THEN
                FOR place IN taken + 1 .. wanted LOOP
                    number := place;
                    claimed := NULL;
                    RETURN NEXT;
                END LOOP;
            END IF;
            IF unmarked > 100 THEN
                UPDATE {schema}.jobs AS j SET lease_lapsed = true
                WHERE j.key = ANY (ARRAY(
                    SELECT e.key FROM {schema}.jobs AS e
                    WHERE e.lease_lapsed <= false AND e.lease_expires_at <= clock_timestamp()
                        AND e.status = 'running'
                    ORDER BY e.lease_expires_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED));
            END IF;
        END {body};
"""
