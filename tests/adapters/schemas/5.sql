PRAGMA application_id = 1128951650;
PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE jobs (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL CONSTRAINT id_is_a_name CHECK (length(id) BETWEEN 1 AND 255 AND instr(id, char(0)) = 0) UNIQUE,
        source TEXT NOT NULL CONSTRAINT source_is_a_name CHECK (length(source) BETWEEN 1 AND 255 AND instr(source, char(0)) = 0),
        timeframe TEXT NOT NULL CONSTRAINT timeframe_is_a_name CHECK (length(timeframe) BETWEEN 1 AND 255 AND instr(timeframe, char(0)) = 0),
        range_start INTEGER NOT NULL CONSTRAINT range_start_is_within_the_years_1_to_9999 CHECK (range_start BETWEEN -62135596800000000 AND 253402300799999999),
        range_end INTEGER NOT NULL CONSTRAINT range_end_is_within_the_years_1_to_9999 CHECK (range_end BETWEEN -62135596800000000 AND 253402300799999999),
        created_at INTEGER NOT NULL CONSTRAINT created_at_is_within_the_years_1_to_9999 CHECK (created_at BETWEEN -62135596800000000 AND 253402300799999999),
        status TEXT NOT NULL CONSTRAINT status_is_known CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
        started_at INTEGER  CONSTRAINT started_at_is_within_the_years_1_to_9999 CHECK (started_at BETWEEN -62135596800000000 AND 253402300799999999),
        finished_at INTEGER  CONSTRAINT finished_at_is_within_the_years_1_to_9999 CHECK (finished_at BETWEEN -62135596800000000 AND 253402300799999999),
        error_message TEXT CONSTRAINT error_message_has_no_nul CHECK
            (instr(error_message, char(0)) = 0),
        revision INTEGER NOT NULL CONSTRAINT revision_is_positive CHECK (revision > 0), attempts INTEGER NOT NULL DEFAULT 0
        CONSTRAINT attempts_are_counted CHECK (attempts >= 0), total INTEGER NOT NULL DEFAULT 0
        CONSTRAINT total_is_counted CHECK (total >= 0), completed INTEGER NOT NULL DEFAULT 0
        CONSTRAINT completed_are_counted CHECK (completed >= 0), failed INTEGER NOT NULL DEFAULT 0
        CONSTRAINT failed_are_counted CHECK (failed >= 0), candles_high INTEGER NOT NULL DEFAULT 0
        CONSTRAINT candles_high_are_counted CHECK (candles_high >= 0), candles_low INTEGER NOT NULL DEFAULT 0
        CONSTRAINT candles_low_are_counted CHECK (candles_low >= 0), has_failures INTEGER NOT NULL DEFAULT 0
        CONSTRAINT has_failures_is_0_or_1 CHECK (has_failures IN (0, 1)), has_details INTEGER NOT NULL DEFAULT 0
        CONSTRAINT has_details_is_0_or_1 CHECK (has_details IN (0, 1)),
        CONSTRAINT range_is_not_empty CHECK (range_start < range_end)
    ) STRICT
    ;
INSERT INTO "jobs" VALUES(2,'pending á 😀','binance','1h',-62135596800000000,253402300799999999,1709294400000001,'pending',NULL,NULL,NULL,1,0,4,2,1,2147483647,4294967295,1,1);
INSERT INTO "jobs" VALUES(3,'running á 😀','binance','1h',-62135596800000000,253402300799999999,1709294401000001,'running',1709294400000001,NULL,NULL,4,1,4,2,1,2147483647,4294967296,1,1);
INSERT INTO "jobs" VALUES(4,'completed á 😀','binance','1h',-62135596800000000,253402300799999999,1709294402000001,'completed',1709294400000001,-86400000000,NULL,1,0,4,2,1,2147483647,4294967297,1,1);
INSERT INTO "jobs" VALUES(5,'failed á 😀','binance','1h',-62135596800000000,253402300799999999,1709294403000001,'failed',1709294400000001,-86400000000,'two
lines, ''quoted''',1,0,4,2,1,2147483647,4294967298,1,1);
INSERT INTO "jobs" VALUES(6,'cancelled á 😀','binance','1h',-62135596800000000,253402300799999999,1709294404000001,'cancelled',1709294400000001,-86400000000,NULL,1,0,4,2,1,2147483647,4294967299,1,1);
CREATE TABLE leased (
        source TEXT NOT NULL PRIMARY KEY,
        jobs INTEGER NOT NULL CONSTRAINT jobs_are_counted CHECK (jobs >= 0)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "leased" VALUES('',1);
INSERT INTO "leased" VALUES('binance',1);
CREATE TABLE leases (
        job INTEGER PRIMARY KEY REFERENCES jobs (key) ON DELETE CASCADE,
        worker TEXT NOT NULL CONSTRAINT worker_is_a_name
            CHECK (length(worker) BETWEEN 1 AND 255 AND instr(worker, char(0)) = 0),
        token INTEGER NOT NULL CONSTRAINT token_is_positive CHECK (token > 0),
        expires_at INTEGER NOT NULL CONSTRAINT expires_at_is_within_the_years_1_to_9999
            CHECK (expires_at BETWEEN -62135596800000000 AND 253402300799999999),
        has_expired INTEGER NOT NULL DEFAULT 0 CONSTRAINT has_expired_is_0_or_1
            CHECK (has_expired IN (0, 1)),
        source TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        id TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "leases" VALUES(3,'it''s a worker',3,1796328062290573,0,'binance',1709294401000001,'running á 😀');
CREATE TABLE metadata (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        name TEXT NOT NULL CONSTRAINT name_is_a_name
            CHECK (length(name) BETWEEN 1 AND 255 AND instr(name, char(0)) = 0),
        value TEXT NOT NULL CONSTRAINT value_has_no_nul CHECK (instr(value, char(0)) = 0),
        PRIMARY KEY (job, name)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "metadata" VALUES(2,'Ticket ','');
INSERT INTO "metadata" VALUES(2,'ticket','it''s 0');
INSERT INTO "metadata" VALUES(2,'é','😀');
INSERT INTO "metadata" VALUES(3,'Ticket ','');
INSERT INTO "metadata" VALUES(3,'ticket','it''s 1');
INSERT INTO "metadata" VALUES(3,'é','😀');
INSERT INTO "metadata" VALUES(4,'Ticket ','');
INSERT INTO "metadata" VALUES(4,'ticket','it''s 2');
INSERT INTO "metadata" VALUES(4,'é','😀');
INSERT INTO "metadata" VALUES(5,'Ticket ','');
INSERT INTO "metadata" VALUES(5,'ticket','it''s 3');
INSERT INTO "metadata" VALUES(5,'é','😀');
INSERT INTO "metadata" VALUES(6,'Ticket ','');
INSERT INTO "metadata" VALUES(6,'ticket','it''s 4');
INSERT INTO "metadata" VALUES(6,'é','😀');
CREATE TABLE store (last_deleted_revision INTEGER NOT NULL) STRICT;
INSERT INTO "store" VALUES(3);
CREATE TABLE symbols (
        job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
        symbol TEXT NOT NULL CONSTRAINT symbol_is_a_name
            CHECK (length(symbol) BETWEEN 1 AND 255 AND instr(symbol, char(0)) = 0),
        position INTEGER NOT NULL CONSTRAINT position_is_counted_from_0 CHECK (position >= 0),
        created_at INTEGER NOT NULL,
        candles INTEGER CONSTRAINT candles_are_counted CHECK (candles >= 0),
        failures INTEGER CONSTRAINT failures_are_counted_from_1 CHECK (failures >= 1),
        is_permanent INTEGER NOT NULL DEFAULT 0 CONSTRAINT is_permanent_is_0_or_1
            CHECK (is_permanent IN (0, 1)),
        cursor INTEGER CONSTRAINT cursor_is_within_the_years_1_to_9999
            CHECK (cursor BETWEEN -62135596800000000 AND 253402300799999999),
        error TEXT CONSTRAINT error_has_no_nul CHECK (instr(error, char(0)) = 0),
        PRIMARY KEY (job, symbol),
        CONSTRAINT outcome_is_one CHECK (candles IS NULL OR error IS NULL),
        CONSTRAINT permanent_is_a_failure CHECK (is_permanent = 0 OR error IS NOT NULL),
        CONSTRAINT cursor_is_of_the_incomplete CHECK (cursor IS NULL OR candles IS NULL)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "symbols" VALUES(2,'BTC/USDT',0,1709294400000001,9223372036854775807,NULL,0,NULL,NULL);
INSERT INTO "symbols" VALUES(2,'ETH/USDT',1,1709294400000001,NULL,1,0,1709294400000001,'日本; DROP TABLE jobs');
INSERT INTO "symbols" VALUES(2,'it''s',2,1709294400000001,0,9223372036854775807,0,NULL,NULL);
INSERT INTO "symbols" VALUES(2,'Üß',3,1709294400000001,NULL,NULL,0,-62135596800000000,NULL);
INSERT INTO "symbols" VALUES(3,'BTC/USDT',0,1709294401000001,9223372036854775807,NULL,0,NULL,NULL);
INSERT INTO "symbols" VALUES(3,'ETH/USDT',1,1709294401000001,NULL,2,1,1709294400000001,'日本; DROP TABLE jobs');
INSERT INTO "symbols" VALUES(3,'it''s',2,1709294401000001,1,9223372036854775807,0,NULL,NULL);
INSERT INTO "symbols" VALUES(3,'Üß',3,1709294401000001,NULL,NULL,0,-62135596800000000,NULL);
INSERT INTO "symbols" VALUES(4,'BTC/USDT',0,1709294402000001,9223372036854775807,NULL,0,NULL,NULL);
INSERT INTO "symbols" VALUES(4,'ETH/USDT',1,1709294402000001,NULL,3,0,1709294400000001,'日本; DROP TABLE jobs');
INSERT INTO "symbols" VALUES(4,'it''s',2,1709294402000001,2,9223372036854775807,0,NULL,NULL);
INSERT INTO "symbols" VALUES(4,'Üß',3,1709294402000001,NULL,NULL,0,-62135596800000000,NULL);
INSERT INTO "symbols" VALUES(5,'BTC/USDT',0,1709294403000001,9223372036854775807,NULL,0,NULL,NULL);
INSERT INTO "symbols" VALUES(5,'ETH/USDT',1,1709294403000001,NULL,4,1,1709294400000001,'日本; DROP TABLE jobs');
INSERT INTO "symbols" VALUES(5,'it''s',2,1709294403000001,3,9223372036854775807,0,NULL,NULL);
INSERT INTO "symbols" VALUES(5,'Üß',3,1709294403000001,NULL,NULL,0,-62135596800000000,NULL);
INSERT INTO "symbols" VALUES(6,'BTC/USDT',0,1709294404000001,9223372036854775807,NULL,0,NULL,NULL);
INSERT INTO "symbols" VALUES(6,'ETH/USDT',1,1709294404000001,NULL,5,0,1709294400000001,'日本; DROP TABLE jobs');
INSERT INTO "symbols" VALUES(6,'it''s',2,1709294404000001,4,9223372036854775807,0,NULL,NULL);
INSERT INTO "symbols" VALUES(6,'Üß',3,1709294404000001,NULL,NULL,0,-62135596800000000,NULL);
CREATE INDEX jobs_by_age ON jobs (created_at, id);
CREATE INDEX jobs_by_status ON jobs (status, created_at, id);
CREATE TRIGGER remember_deleted_revision AFTER DELETE ON jobs BEGIN
        UPDATE store SET last_deleted_revision = max(last_deleted_revision, old.revision);
    END;
CREATE INDEX leases_by_expiry ON leases (expires_at) WHERE has_expired = 0;
CREATE INDEX expired_leases ON leases (created_at, id) WHERE has_expired = 1;
CREATE INDEX expired_leases_by_source ON leases (source, created_at, id) WHERE has_expired = 1
    ;
CREATE TRIGGER end_lease AFTER UPDATE OF status ON jobs
    WHEN old.attempts > 0 AND old.status = 'running' AND new.status <> 'running' BEGIN
        DELETE FROM leases WHERE job = old.key;
    END;
CREATE TRIGGER move_lease AFTER UPDATE OF source, created_at ON jobs
    WHEN old.source <> new.source OR old.created_at <> new.created_at BEGIN
        UPDATE leases SET source = new.source, created_at = new.created_at WHERE job = new.key;
    END;
CREATE TRIGGER count_lease AFTER INSERT ON leases WHEN new.has_expired = 0 BEGIN
        INSERT INTO leased VALUES ('', 1), (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END;
CREATE TRIGGER count_ended_lease AFTER DELETE ON leases WHEN old.has_expired = 0 BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source IN ('', old.source);
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
    END;
CREATE TRIGGER count_expired_lease AFTER UPDATE OF has_expired ON leases
    WHEN old.has_expired < new.has_expired BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source IN ('', old.source);
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
    END;
CREATE TRIGGER count_renewed_lease AFTER UPDATE OF has_expired ON leases
    WHEN old.has_expired > new.has_expired BEGIN
        INSERT INTO leased VALUES ('', 1), (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END;
CREATE TRIGGER count_moved_lease AFTER UPDATE OF source ON leases
    WHEN old.has_expired = 0 AND old.source <> new.source BEGIN
        UPDATE leased SET jobs = jobs - 1 WHERE source = old.source;
        DELETE FROM leased WHERE source = old.source AND jobs = 0;
        INSERT INTO leased VALUES (new.source, 1)
        ON CONFLICT (source) DO UPDATE SET jobs = jobs + 1;
    END;
CREATE INDEX symbols_by_name ON symbols (symbol, created_at);
CREATE INDEX jobs_by_source ON jobs (source, status, created_at, id);
CREATE INDEX jobs_by_failures ON jobs (has_failures, created_at, id);
CREATE INDEX jobs_by_end ON jobs (status, finished_at, id) WHERE finished_at IS NOT NULL
    ;
CREATE INDEX metadata_by_value ON metadata (name, substr(value, 1, 50));
CREATE TRIGGER count_outcome AFTER UPDATE OF candles, error ON symbols BEGIN
        UPDATE jobs SET revision = revision + 1,
            has_details = has_details OR new.is_permanent OR new.failures IS NOT NULL,
            completed = completed + (new.candles IS NOT NULL) - (old.candles IS NOT NULL),
            failed = failed + (new.error IS NOT NULL) - (old.error IS NOT NULL),
            candles_high = candles_high
                + ifnull(new.candles >> 32, 0) - ifnull(old.candles >> 32, 0),
            candles_low = candles_low
                + ifnull(new.candles & 0xffffffff, 0) - ifnull(old.candles & 0xffffffff, 0)
        WHERE key = new.job;
    END;
CREATE TRIGGER note_cursor AFTER UPDATE OF cursor ON symbols WHEN new.cursor IS NOT NULL BEGIN
        UPDATE jobs SET revision = revision + 1, has_details = 1 WHERE key = new.job;
    END;
CREATE TRIGGER note_failures AFTER UPDATE OF failed ON jobs
    WHEN (new.failed > 0) <> new.has_failures BEGIN
        UPDATE jobs SET has_failures = new.failed > 0 WHERE key = new.key;
    END;
CREATE TRIGGER move_symbols AFTER UPDATE OF created_at ON jobs
    WHEN old.created_at <> new.created_at BEGIN
        UPDATE symbols SET created_at = new.created_at WHERE job = new.key;
    END;
COMMIT;
