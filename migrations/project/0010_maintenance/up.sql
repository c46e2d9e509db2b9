-- What `dafnck maintain` notes, and when autovacuum comes to each table. PostgreSQL's own setting waits until a fifth of
-- a table is dead, which is late for large tables and for rows that are written all the time.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

-- The size of each table on each day, with its indexes and what is stored aside.
CREATE TABLE table_sizes (
    day DATE NOT NULL,
    table_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (day, table_name)
);
-- When each job last began, and how it ended: NULL when well, or not yet.
CREATE TABLE maintenance_runs (
    job TEXT PRIMARY KEY,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    failure TEXT
);
-- No role of a service sees them.
ALTER TABLE table_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_runs ENABLE ROW LEVEL SECURITY;

-- Written at every change and deleted from its old end every ten minutes. Often vacuumed, its pages are seen as all
-- visible, and the walks of feeds along its key read the index alone.
ALTER TABLE change_log SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05);
-- One row, written whenever the log is trimmed.
ALTER TABLE change_log_horizon SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
-- Every row lives for a day: by then the whole table has been written anew.
ALTER TABLE idempotency_keys SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);
-- A row of each project, locked and written at every change of who may do what.
ALTER TABLE access_revisions SET (autovacuum_vacuum_scale_factor = 0.05);
-- A queue: every row is written a few times and goes within minutes.
ALTER TABLE mail_outbox SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);
