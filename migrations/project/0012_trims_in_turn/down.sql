SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;
CREATE OR REPLACE FUNCTION trim_change_log(keep interval, at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = project, pg_temp
BEGIN ATOMIC
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - keep
        ORDER BY transaction_id, position LIMIT at_most
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position, l.changed_at
    ), moved AS (
        UPDATE change_log_horizon h
        SET transaction_id = last.transaction_id, position = last.position,
            changed_at = greatest(h.changed_at, (SELECT max(changed_at) FROM gone))
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;
