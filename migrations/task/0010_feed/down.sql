SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
REVOKE SELECT ON change_log, change_log_horizon FROM task_service;
DROP POLICY change_log_access_policy ON change_log;
DROP TRIGGER task_dependencies_change_trigger ON task_dependencies;
CREATE TRIGGER task_dependencies_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION record_change('');
DROP TRIGGER tasks_deletion_trigger ON tasks;
DROP TRIGGER tasks_change_trigger ON tasks;
CREATE TRIGGER tasks_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
DROP FUNCTION record_dependency_change(), record_task_deletion(), project_of_logged_task(uuid);
CREATE OR REPLACE FUNCTION trim_change_log(keep interval, at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = task, pg_temp
BEGIN ATOMIC
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - keep
        ORDER BY transaction_id, position LIMIT at_most
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position
    ), moved AS (
        UPDATE change_log_horizon h SET transaction_id = last.transaction_id, position = last.position
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;
ALTER TABLE change_log_horizon DROP COLUMN changed_at;
DROP INDEX idx_change_log_project;
