"""The step of the schema that has failures as data, cursors, and what finds and purges jobs.

``outcomes`` has a row for each symbol of which anything is known: an outcome, how often it failed,
or up to where it was collected. Its new columns are null where there is nothing to say.
``replaced`` is what a row was before its last change: its candles, or -1 if it was a failure. Only
there can a statement read it, since the row may have been changed after the statement began.

``jobs`` counts the outcomes of each job, so that a summary reads none. Its row is changed by every
call that records one anyway. ``counted`` is the revision that was the job's before the last change
that kept the counts. A program of a former release changes the revision and not ``counted``; then a
trigger counts anew at the end of its transaction.

``job_symbols`` is there because jobs of one symbol are listed by age, however many there are. An
index on the arrays of symbols (GIN) finds all of them at once, in no order; and since it is one of
``jobs``, every change of a status would enter all symbols of the job again. This table changes with
the symbols only. Its one index is what is read: the rows are there since an index needs some.

``jobs_by_source`` has the status before the age: then each status of a source is a range of it, so
that "of this source, and failed" passes over no other job; all statuses of a source are five
ranges. It names the collation of texts otherwise than the columns do, with the same meaning: so
only a find, which names it likewise, has a use for this index, and a find has one for no other. A
claim of a source was planned as a walk of it, before.

``jobs_by_end`` likewise has one range for each status. ``jobs_with_failures`` asks for a column
that seldom changes: were it to ask whether ``failed`` is more than 0, each change of ``failed``
would enter the row into all indexes again.

Both kinds of triggers work for programs of former releases, too, which write to ``jobs`` and know
of nothing else.
"""

from __future__ import annotations

__all__ = ["VERSION_5"]

VERSION_5 = """
    ALTER TABLE {schema}.outcomes
        ADD COLUMN permanent boolean,
        ADD COLUMN failures bigint,
        ADD COLUMN until timestamptz,
        ADD COLUMN replaced bigint,
        DROP CONSTRAINT outcome_is_one,
        ADD CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL),
        ADD CONSTRAINT permanent_is_failed CHECK (NOT permanent OR error IS NOT NULL),
        ADD CONSTRAINT failures_are_counted CHECK (failures > 0),
        ADD CONSTRAINT completed_has_no_cursor CHECK (candles IS NULL OR until IS NULL),
        ADD CONSTRAINT until_is_within_the_years_1_to_9999 CHECK (
            until >= '0001-01-01 00:00:00+00' AND until < '10000-01-01 00:00:00+00'
            OR until IN ('-infinity', 'infinity'));

    -- A program of a former release knows nothing of what has to go with an outcome.
    CREATE FUNCTION {schema}.tidy_outcome() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            new.permanent := NULL;
            IF new.candles IS NOT NULL THEN
                new.until := NULL;
            END IF;
            RETURN new;
        END {body};
    CREATE TRIGGER tidied BEFORE UPDATE ON {schema}.outcomes FOR EACH ROW
        WHEN (new.candles IS NOT NULL AND (new.permanent OR new.until IS NOT NULL))
        EXECUTE FUNCTION {schema}.tidy_outcome();

    CREATE TABLE {schema}.job_symbols (
        symbol text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        id text COLLATE "C" NOT NULL
    );
    INSERT INTO {schema}.job_symbols
        SELECT s.symbol, j.created_at, j.id
        FROM {schema}.jobs AS j, unnest(j.symbols) AS s (symbol);
    CREATE INDEX jobs_by_symbol ON {schema}.job_symbols (symbol, created_at, id);

    CREATE FUNCTION {schema}.name_symbols() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            INSERT INTO {schema}.job_symbols
                SELECT s.symbol, j.created_at, j.id
                FROM added AS j, unnest(j.symbols) AS s (symbol);
            RETURN NULL;
        END {body};
    CREATE TRIGGER named_symbols AFTER INSERT ON {schema}.jobs
        REFERENCING NEW TABLE AS added FOR EACH STATEMENT
        EXECUTE FUNCTION {schema}.name_symbols();
    CREATE FUNCTION {schema}.forget_symbols() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            DELETE FROM {schema}.job_symbols AS s
                USING removed AS j, unnest(j.symbols) AS one (symbol)
                WHERE (s.symbol, s.created_at, s.id) = (one.symbol, j.created_at, j.id);
            RETURN NULL;
        END {body};
    CREATE TRIGGER forgotten_symbols AFTER DELETE ON {schema}.jobs
        REFERENCING OLD TABLE AS removed FOR EACH STATEMENT
        EXECUTE FUNCTION {schema}.forget_symbols();
    CREATE FUNCTION {schema}.rename_symbols() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            DELETE FROM {schema}.job_symbols AS s
                USING unnest(old.symbols) AS one (symbol)
                WHERE (s.symbol, s.created_at, s.id) = (one.symbol, old.created_at, old.id);
            INSERT INTO {schema}.job_symbols
                SELECT one.symbol, new.created_at, new.id FROM unnest(new.symbols) AS one (symbol);
            RETURN NULL;
        END {body};
    CREATE TRIGGER renamed_symbols AFTER UPDATE OF symbols, created_at, id ON {schema}.jobs
        FOR EACH ROW
        WHEN (old.symbols IS DISTINCT FROM new.symbols
            OR (old.created_at, old.id) <> (new.created_at, new.id))
        EXECUTE FUNCTION {schema}.rename_symbols();

    ALTER TABLE {schema}.jobs
        ADD COLUMN completed integer NOT NULL DEFAULT 0,
        ADD COLUMN failed integer NOT NULL DEFAULT 0,
        ADD COLUMN candles numeric NOT NULL DEFAULT 0,
        ADD COLUMN has_failed boolean NOT NULL DEFAULT false,
        ADD COLUMN counted bigint;
    CREATE INDEX jobs_by_source ON {schema}.jobs
        (source COLLATE "POSIX", status COLLATE "POSIX", created_at, id COLLATE "POSIX");
    CREATE INDEX jobs_with_failures ON {schema}.jobs (created_at, id) WHERE has_failed;
    CREATE INDEX jobs_by_end ON {schema}.jobs (status, finished_at, id)
        WHERE finished_at IS NOT NULL;
    UPDATE {schema}.jobs AS j
        SET completed = o.completed, failed = o.failed, candles = o.candles,
            has_failed = o.failed > 0, counted = j.revision
        FROM (
            SELECT job, generation, count(candles) AS completed, count(error) AS failed,
                coalesce(sum(candles), 0) AS candles
            FROM {schema}.outcomes GROUP BY job, generation
        ) AS o
        WHERE j.key = o.job AND j.generation = o.generation;

    CREATE FUNCTION {schema}.count_outcomes() RETURNS trigger LANGUAGE plpgsql AS {body}
        BEGIN
            UPDATE {schema}.jobs AS j
                SET (completed, failed, candles, has_failed) = (
                    SELECT count(o.candles), count(o.error), coalesce(sum(o.candles), 0),
                        count(o.error) > 0
                    FROM {schema}.outcomes AS o
                    WHERE o.job = j.key AND o.generation = j.generation
                ), counted = j.revision
                WHERE j.key = new.key;
            RETURN NULL;
        END {body};
    CREATE CONSTRAINT TRIGGER counted_when_made AFTER INSERT ON {schema}.jobs
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (new.counted IS NULL)
        EXECUTE FUNCTION {schema}.count_outcomes();
    CREATE CONSTRAINT TRIGGER counted_anew AFTER UPDATE OF revision ON {schema}.jobs
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (new.counted IS NOT DISTINCT FROM old.counted AND new.revision <> old.revision
            AND (new.generation <> old.generation OR new.status = old.status
                AND new.lease_token IS NOT DISTINCT FROM old.lease_token))
        EXECUTE FUNCTION {schema}.count_outcomes();

    -- Deletes jobs that have ended, the first ones first, at one instant. What others hold is
    -- waited for, holding nothing meanwhile: what was locked is given back by an error that ends a
    -- block. Once the time is over, what is held is passed over. Purges wait for each other. Rows
    -- are locked in no order, for none is waited for while another is locked; asked for an order,
    -- the planner would rather walk an index of all jobs than sort.
    CREATE FUNCTION {schema}.delete_finished(
        before timestamptz, of_statuses text[], most bigint, lock_limit bigint
    ) RETURNS bigint LANGUAGE plpgsql AS {body}
        DECLARE
            seed bigint := ({revisions})::oid::bigint;
            latest timestamptz := clock_timestamp() + lock_limit * interval '1 ms';
            chosen bigint[];
            mine bigint[];
            held bigint;
            deleted bigint;
        BEGIN
            BEGIN
                PERFORM set_config('lock_timeout', lock_limit::text, true);
                PERFORM pg_advisory_xact_lock(hashint8extended(-1, seed));
                LOOP
                    chosen := ARRAY(
                        SELECT f.key FROM unnest(of_statuses) AS one (status) CROSS JOIN LATERAL (
                            SELECT j.key, j.finished_at, j.id FROM {schema}.jobs AS j
                            WHERE j.status = one.status AND j.finished_at < before
                            ORDER BY j.finished_at, j.id LIMIT most
                        ) AS f ORDER BY f.finished_at, f.id LIMIT most);
                    BEGIN
                        mine := ARRAY(
                            SELECT j.key FROM {schema}.jobs AS j
                            WHERE j.key = ANY (chosen) AND j.status = ANY (of_statuses)
                                AND j.finished_at < before
                            FOR UPDATE SKIP LOCKED);
                        IF cardinality(mine) = cardinality(chosen) THEN
                            DELETE FROM {schema}.jobs AS j WHERE j.key = ANY (mine);
                            GET DIAGNOSTICS deleted = ROW_COUNT;
                            RETURN deleted;
                        END IF;
                        RAISE SQLSTATE 'CJ001';
                    EXCEPTION WHEN SQLSTATE 'CJ001' THEN
                        NULL;
                    END;
                    SELECT j.key INTO held FROM {schema}.jobs AS j
                    WHERE j.key = ANY (ARRAY(
                            SELECT unnest(chosen) EXCEPT SELECT unnest(mine)))
                        AND j.status = ANY (of_statuses) AND j.finished_at < before
                    LIMIT 1;
                    -- Or it is gone: look again.
                    CONTINUE WHEN NOT FOUND;
                    lock_limit := extract(epoch FROM latest - clock_timestamp()) * 1000;
                    PERFORM set_config('lock_timeout', greatest(lock_limit, 1)::text, true);
                    BEGIN
                        PERFORM FROM {schema}.jobs AS j WHERE j.key = held FOR UPDATE;
                        RAISE SQLSTATE 'CJ001';
                    EXCEPTION WHEN SQLSTATE 'CJ001' THEN
                        NULL;
                    END;
                END LOOP;
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
            DELETE FROM {schema}.jobs AS j WHERE j.key = ANY (ARRAY(
                SELECT f.key FROM unnest(of_statuses) AS one (status) CROSS JOIN LATERAL (
                    SELECT j.key, j.finished_at, j.id FROM {schema}.jobs AS j
                    WHERE j.status = one.status AND j.finished_at < before
                    ORDER BY j.finished_at, j.id LIMIT most FOR UPDATE SKIP LOCKED
                ) AS f ORDER BY f.finished_at, f.id LIMIT most));
            GET DIAGNOSTICS deleted = ROW_COUNT;
            RETURN deleted;
        END {body};
"""
