-- Made by pg_dump --inserts of a schema of version 5, named former.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA former;
CREATE DOMAIN former.candle_count AS bigint
	CONSTRAINT is_counted CHECK ((VALUE >= 0));
CREATE DOMAIN former.exact_text AS text COLLATE pg_catalog."C"
	CONSTRAINT is_a_name CHECK (((char_length(VALUE) >= 1) AND (char_length(VALUE) <= 255)));
CREATE DOMAIN former.exact_texts AS text[]
	CONSTRAINT are_names CHECK (((cardinality(VALUE) > 0) AND (array_ndims(VALUE) = 1) AND (array_position(VALUE, NULL::text) IS NULL) AND (''::text <> ALL (VALUE))));
CREATE DOMAIN former.instant AS timestamp with time zone
	CONSTRAINT is_within_the_years_1_to_9999 CHECK ((((VALUE >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (VALUE < '10000-01-01 00:00:00+00'::timestamp with time zone)) OR (VALUE = ANY (ARRAY['-infinity'::timestamp with time zone, 'infinity'::timestamp with time zone]))));
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE former.jobs (
    key bigint NOT NULL,
    id former.exact_text NOT NULL,
    source former.exact_text NOT NULL,
    symbols former.exact_texts NOT NULL,
    timeframe former.exact_text NOT NULL,
    range_start former.instant NOT NULL,
    range_end former.instant NOT NULL,
    created_at former.instant NOT NULL,
    status text NOT NULL,
    started_at former.instant,
    finished_at former.instant,
    error_message text,
    generation bigint NOT NULL,
    revision bigint NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    lease_worker text,
    lease_token bigint,
    lease_expires_at timestamp with time zone,
    lease_lapsed boolean,
    attempts bigint,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    candles numeric DEFAULT 0 NOT NULL,
    has_failed boolean DEFAULT false NOT NULL,
    counted bigint,
    CONSTRAINT lease_is_whole CHECK ((((lease_token IS NULL) = (lease_worker IS NULL)) AND ((lease_token IS NULL) = (lease_expires_at IS NULL)) AND ((lease_token IS NULL) = (lease_lapsed IS NULL)))),
    CONSTRAINT range_is_not_empty CHECK (((range_start)::timestamp with time zone < (range_end)::timestamp with time zone)),
    CONSTRAINT revision_is_positive CHECK ((revision > 0)),
    CONSTRAINT status_is_known CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='85');
CREATE FUNCTION former.claim_next(workers text[], ttls interval[], of_source text, most bigint, lock_limit text, patient boolean) RETURNS TABLE(number integer, claimed former.jobs)
    LANGUAGE plpgsql
    AS $$
        DECLARE
            seed bigint := ('"former".revisions'::regclass)::oid::bigint;
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
                    SELECT t.* INTO keys, unmarked, room FROM "former".to_claim(most, reach) AS t;
                ELSE
                    SELECT t.* INTO keys, unmarked, room
                    FROM "former".to_claim_of(of_source, most, reach) AS t;
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
                    PERFORM FROM "former".jobs AS j WHERE j.key = candidate
                        AND (j.status = 'pending' OR j.status = 'running'
                            AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()))
                    FOR NO KEY UPDATE SKIP LOCKED;
                    IF NOT FOUND THEN
                        PERFORM FROM "former".jobs AS j WHERE j.key = candidate
                            AND (j.status = 'pending' OR j.status = 'running'
                                AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()));
                        -- Another was faster, and the limit may be reached by now: count again.
                        EXIT WHEN NOT FOUND AND most IS NOT NULL;
                        CONTINUE WHEN NOT FOUND OR NOT patient;
                        EXIT looking WHEN taken > 0;
                        -- Somebody holds its row. It may take a while: then look again, holding it.
                        PERFORM FROM "former".jobs AS j WHERE j.key = candidate
                            AND (j.status = 'pending' OR j.status = 'running'
                                AND (j.lease_lapsed OR j.lease_expires_at <= clock_timestamp()))
                        FOR NO KEY UPDATE;
                        EXIT;
                    END IF;
                    drawn := nextval('"former".revisions'::regclass);
                    taken := taken + 1;
                    room := room - 1;
                    UPDATE "former".jobs AS j SET status = 'running', error_message = NULL,
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
                UPDATE "former".jobs AS j SET lease_lapsed = true
                WHERE j.key = ANY (ARRAY(
                    SELECT e.key FROM "former".jobs AS e
                    WHERE e.lease_lapsed <= false AND e.lease_expires_at <= clock_timestamp()
                        AND e.status = 'running'
                    ORDER BY e.lease_expires_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED));
            END IF;
        END $$;
CREATE FUNCTION former.count_outcomes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            UPDATE "former".jobs AS j
                SET (completed, failed, candles, has_failed) = (
                    SELECT count(o.candles), count(o.error), coalesce(sum(o.candles), 0),
                        count(o.error) > 0
                    FROM "former".outcomes AS o
                    WHERE o.job = j.key AND o.generation = j.generation
                ), counted = j.revision
                WHERE j.key = new.key;
            RETURN NULL;
        END $$;
CREATE FUNCTION former.delete_finished(before timestamp with time zone, of_statuses text[], most bigint, lock_limit bigint) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
        DECLARE
            seed bigint := ('"former".revisions'::regclass)::oid::bigint;
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
                            SELECT j.key, j.finished_at, j.id FROM "former".jobs AS j
                            WHERE j.status = one.status AND j.finished_at < before
                            ORDER BY j.finished_at, j.id LIMIT most
                        ) AS f ORDER BY f.finished_at, f.id LIMIT most);
                    BEGIN
                        mine := ARRAY(
                            SELECT j.key FROM "former".jobs AS j
                            WHERE j.key = ANY (chosen) AND j.status = ANY (of_statuses)
                                AND j.finished_at < before
                            FOR UPDATE SKIP LOCKED);
                        IF cardinality(mine) = cardinality(chosen) THEN
                            DELETE FROM "former".jobs AS j WHERE j.key = ANY (mine);
                            GET DIAGNOSTICS deleted = ROW_COUNT;
                            RETURN deleted;
                        END IF;
                        RAISE SQLSTATE 'CJ001';
                    EXCEPTION WHEN SQLSTATE 'CJ001' THEN
                        NULL;
                    END;
                    SELECT j.key INTO held FROM "former".jobs AS j
                    WHERE j.key = ANY (ARRAY(
                            SELECT unnest(chosen) EXCEPT SELECT unnest(mine)))
                        AND j.status = ANY (of_statuses) AND j.finished_at < before
                    LIMIT 1;
                    -- Or it is gone: look again.
                    CONTINUE WHEN NOT FOUND;
                    lock_limit := extract(epoch FROM latest - clock_timestamp()) * 1000;
                    PERFORM set_config('lock_timeout', greatest(lock_limit, 1)::text, true);
                    BEGIN
                        PERFORM FROM "former".jobs AS j WHERE j.key = held FOR UPDATE;
                        RAISE SQLSTATE 'CJ001';
                    EXCEPTION WHEN SQLSTATE 'CJ001' THEN
                        NULL;
                    END;
                END LOOP;
            EXCEPTION WHEN lock_not_available THEN
                NULL;
            END;
            DELETE FROM "former".jobs AS j WHERE j.key = ANY (ARRAY(
                SELECT f.key FROM unnest(of_statuses) AS one (status) CROSS JOIN LATERAL (
                    SELECT j.key, j.finished_at, j.id FROM "former".jobs AS j
                    WHERE j.status = one.status AND j.finished_at < before
                    ORDER BY j.finished_at, j.id LIMIT most FOR UPDATE SKIP LOCKED
                ) AS f ORDER BY f.finished_at, f.id LIMIT most));
            GET DIAGNOSTICS deleted = ROW_COUNT;
            RETURN deleted;
        END $$;
CREATE FUNCTION former.end_lease() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            UPDATE "former".jobs SET lease_worker = NULL, lease_token = NULL,
                lease_expires_at = NULL, lease_lapsed = NULL
            WHERE key = new.key AND status <> 'running';
            RETURN NULL;
        END $$;
CREATE FUNCTION former.forget_symbols() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            DELETE FROM "former".job_symbols AS s
                USING removed AS j, unnest(j.symbols) AS one (symbol)
                WHERE (s.symbol, s.created_at, s.id) = (one.symbol, j.created_at, j.id);
            RETURN NULL;
        END $$;
CREATE FUNCTION former.name_symbols() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            INSERT INTO "former".job_symbols
                SELECT s.symbol, j.created_at, j.id
                FROM added AS j, unnest(j.symbols) AS s (symbol);
            RETURN NULL;
        END $$;
CREATE TABLE former.outcomes (
    job bigint NOT NULL,
    generation bigint NOT NULL,
    symbol former.exact_text NOT NULL,
    candles former.candle_count,
    error text,
    permanent boolean,
    failures bigint,
    until timestamp with time zone,
    replaced bigint,
    CONSTRAINT completed_has_no_cursor CHECK (((candles IS NULL) OR (until IS NULL))),
    CONSTRAINT failures_are_counted CHECK ((failures > 0)),
    CONSTRAINT outcome_is_one CHECK (((candles IS NULL) OR (error IS NULL))),
    CONSTRAINT permanent_is_failed CHECK (((NOT permanent) OR (error IS NOT NULL))),
    CONSTRAINT until_is_within_the_years_1_to_9999 CHECK ((((until >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (until < '10000-01-01 00:00:00+00'::timestamp with time zone)) OR (until = ANY (ARRAY['-infinity'::timestamp with time zone, 'infinity'::timestamp with time zone]))))
);
CREATE FUNCTION former.outcomes_now(of_job bigint, of_generation bigint, most integer) RETURNS SETOF former.outcomes
    LANGUAGE plpgsql
    AS $$
        BEGIN
            RETURN QUERY SELECT o.* FROM "former".outcomes AS o
            WHERE o.job = of_job AND o.generation = of_generation LIMIT most;
        END $$;
CREATE FUNCTION former.remove_void_outcomes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            DELETE FROM "former".outcomes WHERE job = new.key AND generation <> new.generation;
            RETURN NULL;
        END $$;
CREATE FUNCTION former.rename_symbols() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            DELETE FROM "former".job_symbols AS s
                USING unnest(old.symbols) AS one (symbol)
                WHERE (s.symbol, s.created_at, s.id) = (one.symbol, old.created_at, old.id);
            INSERT INTO "former".job_symbols
                SELECT one.symbol, new.created_at, new.id FROM unnest(new.symbols) AS one (symbol);
            RETURN NULL;
        END $$;
CREATE FUNCTION former.tidy_outcome() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            new.permanent := NULL;
            IF new.candles IS NOT NULL THEN
                new.until := NULL;
            END IF;
            RETURN new;
        END $$;
CREATE FUNCTION former.to_claim(most bigint, reach integer, OUT keys bigint[], OUT unmarked bigint, OUT room bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
        DECLARE
            instant timestamptz := clock_timestamp();
            others boolean;
        BEGIN
            -- As nearly always, there are none but those that wait.
            SELECT ARRAY(
                    SELECT j.key FROM "former".jobs AS j
                    WHERE (j.status, j.created_at, j.id) > ('pending', '-infinity', '')
                        AND j.status <= 'pending'
                    ORDER BY j.status, j.created_at, j.id LIMIT reach),
                coalesce(
                    (SELECT true FROM "former".jobs AS j
                    WHERE (j.lease_lapsed, j.created_at, j.id) > (true, '-infinity', '')
                        AND j.lease_lapsed >= true AND j.status = 'running'
                    ORDER BY j.lease_lapsed, j.created_at, j.id LIMIT 1),
                    (SELECT true FROM "former".jobs AS j
                    WHERE j.lease_lapsed <= false AND j.lease_expires_at <= instant
                        AND j.status = 'running'
                    ORDER BY j.lease_expires_at LIMIT 1),
                    false),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM "former".jobs AS j
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
                SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
                WHERE j.lease_lapsed <= false AND j.lease_expires_at <= instant
                    AND j.status = 'running'
                ORDER BY j.lease_expires_at
            ), oldest AS (
                SELECT f.key, f.created_at, f.id FROM (
                    (SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
                    WHERE (j.status, j.created_at, j.id) > ('pending', '-infinity', '')
                        AND j.status <= 'pending'
                    ORDER BY j.status, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
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
                        SELECT FROM "former".jobs AS j
                        WHERE j.lease_lapsed <= false AND j.lease_expires_at > instant
                            AND j.status = 'running'
                        ORDER BY j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, unmarked, room FROM oldest AS o;
        END $$;
CREATE FUNCTION former.to_claim_of(of_source text, most bigint, reach integer, OUT keys bigint[], OUT unmarked bigint, OUT room bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
        DECLARE
            instant timestamptz := clock_timestamp();
            others boolean;
        BEGIN
            SELECT ARRAY(
                    SELECT j.key FROM "former".jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.status = 'pending'
                    ORDER BY j.source, j.created_at, j.id LIMIT reach),
                coalesce(
                    (SELECT true FROM "former".jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.lease_lapsed >= true
                        AND j.status = 'running'
                    ORDER BY j.source, j.created_at, j.id LIMIT 1),
                    (SELECT true FROM "former".jobs AS j
                    WHERE j.source >= of_source
                        AND (j.source, j.lease_expires_at) <= (of_source, instant)
                        AND j.lease_lapsed <= false AND j.status = 'running'
                    ORDER BY j.source DESC, j.lease_expires_at DESC LIMIT 1),
                    false),
                CASE WHEN most IS NOT NULL THEN most - (
                    SELECT count(*) FROM (
                        SELECT FROM "former".jobs AS j
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
                SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
                WHERE j.source >= of_source
                    AND (j.source, j.lease_expires_at) <= (of_source, instant)
                    AND j.lease_lapsed <= false AND j.status = 'running'
                ORDER BY j.source DESC, j.lease_expires_at DESC
            ), oldest AS (
                SELECT f.key, f.created_at, f.id FROM (
                    (SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
                    WHERE (j.source, j.created_at, j.id) > (of_source, '-infinity', '')
                        AND j.source <= of_source AND j.status = 'pending'
                    ORDER BY j.source, j.created_at, j.id LIMIT reach)
                    UNION ALL
                    (SELECT j.key, j.created_at, j.id FROM "former".jobs AS j
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
                        SELECT FROM "former".jobs AS j
                        WHERE (j.source, j.lease_expires_at) > (of_source, instant)
                            AND j.source <= of_source
                            AND j.lease_lapsed <= false AND j.status = 'running'
                        ORDER BY j.source, j.lease_expires_at LIMIT most
                    ) AS held)
                END
            INTO keys, unmarked, room FROM oldest AS o;
        END $$;
CREATE TABLE former.collection_jobs_version (
    version integer NOT NULL
);
CREATE TABLE former.job_symbols (
    symbol text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C"
);
CREATE SEQUENCE former.revisions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
INSERT INTO former.collection_jobs_version VALUES (5);
INSERT INTO former.job_symbols VALUES ('BTC', '2024-03-01 00:00:00+00', 'worked');
INSERT INTO former.job_symbols VALUES ('ETH', '2024-03-01 00:00:00+00', 'worked');
INSERT INTO former.job_symbols VALUES ('{a,b}', '2024-03-01 00:00:00+00', 'worked');
INSERT INTO former.job_symbols VALUES ('BTC', '2024-03-01 00:00:00+00', 'ends');
INSERT INTO former.job_symbols VALUES ('BTC', '2024-03-01 00:00:00+00', 'new');
INSERT INTO former.job_symbols VALUES ('ETH', '2024-03-01 00:00:00+00', 'new');
INSERT INTO former.jobs VALUES (2, 'worked', 'binance', '{BTC,ETH,"{a,b}"}', '1h', '2024-01-01 00:00:00+00', '2025-01-01 00:00:00+00', '2024-03-01 00:00:00+00', 'failed', '2024-03-01 12:00:00+00', '2024-03-01 13:00:00.000001+00', '1 of 3 symbols failed', 2, 2, '{"ticket": "it''s \"1\" \\ 😀", "Ticket ": ""}', NULL, NULL, NULL, NULL, NULL, 2, 1, 9223372036854775807, true, 0);
INSERT INTO former.jobs VALUES (3, 'ends', 'binance', '{BTC}', '1h', '-infinity', 'infinity', '2024-03-01 00:00:00+00', 'pending', NULL, NULL, NULL, 3, 3, '{}', NULL, NULL, NULL, NULL, NULL, 1, 0, 3, false, 0);
INSERT INTO former.jobs VALUES (4, 'new', 'kraken''s \ "é" 😀', '{BTC,ETH}', '1h', '2024-01-01 00:00:00+00', '2025-01-01 00:00:00+00', '2024-03-01 00:00:00+00', 'pending', NULL, NULL, NULL, 4, 4, '{}', NULL, NULL, NULL, NULL, NULL, 0, 0, 0, false, 0);
INSERT INTO former.outcomes VALUES (2, 2, 'BTC', 9223372036854775807, NULL, NULL, NULL, NULL, NULL);
INSERT INTO former.outcomes VALUES (2, 2, 'ETH', 0, NULL, NULL, 1, NULL, NULL);
INSERT INTO former.outcomes VALUES (2, 2, '{a,b}', NULL, 'boom
"\', true, 9223372036854775807, NULL, NULL);
INSERT INTO former.outcomes VALUES (3, 3, 'BTC', 3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO former.outcomes VALUES (4, 4, 'BTC', NULL, NULL, NULL, 2, '2024-01-05 00:00:00.000001+00', NULL);
SELECT pg_catalog.setval('former.revisions', 4, true);
ALTER TABLE ONLY former.jobs
    ADD CONSTRAINT jobs_id_key UNIQUE (id);
ALTER TABLE ONLY former.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (key);
ALTER TABLE ONLY former.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (job, generation, symbol);
CREATE INDEX jobs_by_age ON former.jobs USING btree (created_at, id);
CREATE INDEX jobs_by_end ON former.jobs USING btree (status, finished_at, id) WHERE (finished_at IS NOT NULL);
CREATE INDEX jobs_by_source ON former.jobs USING btree (source COLLATE "POSIX", status COLLATE "POSIX", created_at, id COLLATE "POSIX");
CREATE INDEX jobs_by_status ON former.jobs USING btree (status, created_at, id);
CREATE INDEX jobs_by_symbol ON former.job_symbols USING btree (symbol, created_at, id);
CREATE INDEX jobs_with_failures ON former.jobs USING btree (created_at, id) WHERE has_failed;
CREATE INDEX lapsed_by_age ON former.jobs USING btree (lease_lapsed, created_at, id) WHERE (lease_lapsed >= true);
CREATE INDEX lapsed_by_source ON former.jobs USING btree (source, created_at, id) WHERE (lease_lapsed >= true);
CREATE INDEX leases_by_expiry ON former.jobs USING btree (lease_expires_at) WHERE (lease_lapsed <= false);
CREATE INDEX leases_by_source ON former.jobs USING btree (source, lease_expires_at) WHERE (lease_lapsed <= false);
CREATE INDEX pending_by_source ON former.jobs USING btree (source, created_at, id) WHERE (status = 'pending'::text);
CREATE CONSTRAINT TRIGGER counted_anew AFTER UPDATE OF revision ON former.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((NOT (new.counted IS DISTINCT FROM old.counted)) AND (new.revision <> old.revision) AND ((new.generation <> old.generation) OR ((new.status = old.status) AND (NOT (new.lease_token IS DISTINCT FROM old.lease_token)))))) EXECUTE FUNCTION former.count_outcomes();
CREATE CONSTRAINT TRIGGER counted_when_made AFTER INSERT ON former.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.counted IS NULL)) EXECUTE FUNCTION former.count_outcomes();
CREATE TRIGGER ended_lease AFTER UPDATE OF status ON former.jobs FOR EACH ROW WHEN (((new.lease_token IS NOT NULL) AND (new.status <> 'running'::text))) EXECUTE FUNCTION former.end_lease();
CREATE TRIGGER forgotten_symbols AFTER DELETE ON former.jobs REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION former.forget_symbols();
CREATE TRIGGER named_symbols AFTER INSERT ON former.jobs REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION former.name_symbols();
CREATE TRIGGER renamed_symbols AFTER UPDATE OF symbols, created_at, id ON former.jobs FOR EACH ROW WHEN ((((old.symbols)::text[] IS DISTINCT FROM (new.symbols)::text[]) OR (((old.created_at)::timestamp with time zone <> (new.created_at)::timestamp with time zone) OR ((old.id)::text <> (new.id)::text)))) EXECUTE FUNCTION former.rename_symbols();
CREATE TRIGGER tidied BEFORE UPDATE ON former.outcomes FOR EACH ROW WHEN (((new.candles IS NOT NULL) AND (new.permanent OR (new.until IS NOT NULL)))) EXECUTE FUNCTION former.tidy_outcome();
CREATE TRIGGER void_outcomes AFTER UPDATE OF generation ON former.jobs FOR EACH ROW WHEN ((old.generation <> new.generation)) EXECUTE FUNCTION former.remove_void_outcomes();
ALTER TABLE ONLY former.outcomes
    ADD CONSTRAINT outcomes_job_fkey FOREIGN KEY (job) REFERENCES former.jobs(key) ON DELETE CASCADE;
