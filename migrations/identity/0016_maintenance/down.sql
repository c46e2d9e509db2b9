SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP TABLE table_sizes, maintenance_runs;
ALTER TABLE change_log RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor,
    autovacuum_analyze_scale_factor);
ALTER TABLE change_log_horizon RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE idempotency_keys RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE user_sessions RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor);
ALTER TABLE user_session_rotations RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE mail_outbox RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
