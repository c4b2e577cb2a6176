-- Made by pg_dump --inserts of a schema of version 2, named former.
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
CREATE FUNCTION former.remove_void_outcomes() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
        BEGIN
            DELETE FROM "former".outcomes WHERE job = new.key AND generation <> new.generation;
            RETURN NULL;
        END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE former.collection_jobs_version (
    version integer NOT NULL
);
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
    CONSTRAINT range_is_not_empty CHECK (((range_start)::timestamp with time zone < (range_end)::timestamp with time zone)),
    CONSTRAINT revision_is_positive CHECK ((revision > 0)),
    CONSTRAINT status_is_known CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='85');
CREATE TABLE former.outcomes (
    job bigint NOT NULL,
    generation bigint NOT NULL,
    symbol former.exact_text NOT NULL,
    candles former.candle_count,
    error text,
    CONSTRAINT outcome_is_one CHECK (((candles IS NULL) <> (error IS NULL)))
);
CREATE SEQUENCE former.revisions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
INSERT INTO former.collection_jobs_version VALUES (2);
INSERT INTO former.jobs VALUES (2, 'worked', 'binance', '{BTC,ETH,"{a,b}"}', '1h', '2024-01-01 00:00:00+00', '2025-01-01 00:00:00+00', '2024-03-01 00:00:00+00', 'failed', '2024-03-01 12:00:00+00', '2024-03-01 13:00:00.000001+00', '1 of 3 symbols failed', 2, 2);
INSERT INTO former.jobs VALUES (3, 'ends', 'binance', '{BTC}', '1h', '-infinity', 'infinity', '2024-03-01 00:00:00+00', 'pending', NULL, NULL, NULL, 3, 3);
INSERT INTO former.jobs VALUES (4, 'new', 'kraken''s \ "é" 😀', '{BTC,ETH}', '1h', '2024-01-01 00:00:00+00', '2025-01-01 00:00:00+00', '2024-03-01 00:00:00+00', 'pending', NULL, NULL, NULL, 4, 4);
INSERT INTO former.outcomes VALUES (2, 2, 'BTC', 9223372036854775807, NULL);
INSERT INTO former.outcomes VALUES (2, 2, 'ETH', 0, NULL);
INSERT INTO former.outcomes VALUES (2, 2, '{a,b}', NULL, 'boom
"\');
INSERT INTO former.outcomes VALUES (3, 3, 'BTC', 3, NULL);
SELECT pg_catalog.setval('former.revisions', 4, true);
ALTER TABLE ONLY former.jobs
    ADD CONSTRAINT jobs_id_key UNIQUE (id);
ALTER TABLE ONLY former.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (key);
ALTER TABLE ONLY former.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (job, generation, symbol);
CREATE INDEX jobs_by_age ON former.jobs USING btree (created_at, id);
CREATE INDEX jobs_by_status ON former.jobs USING btree (status, created_at, id);
CREATE TRIGGER void_outcomes AFTER UPDATE OF generation ON former.jobs FOR EACH ROW WHEN ((old.generation <> new.generation)) EXECUTE FUNCTION former.remove_void_outcomes();
ALTER TABLE ONLY former.outcomes
    ADD CONSTRAINT outcomes_job_fkey FOREIGN KEY (job) REFERENCES former.jobs(key) ON DELETE CASCADE;
