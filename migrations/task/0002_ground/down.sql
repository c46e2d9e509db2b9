SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
DROP FUNCTION trim_change_log(interval, integer), record_change();
DROP TABLE idempotency_keys, change_log_horizon, change_log;
DROP FUNCTION current_user_id();
