SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
DROP TABLE table_sizes, maintenance_runs;
ALTER TABLE change_log RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor,
    autovacuum_analyze_scale_factor);
ALTER TABLE change_log_horizon RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE idempotency_keys RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE tasks RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE project_numbers RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE feed_positions RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
