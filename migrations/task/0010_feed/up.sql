-- The change log as clients read it: a project's changes in order, the history of a task, the past.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- A project's changes are one walk along this index.
CREATE INDEX idx_change_log_project ON change_log (project_id, transaction_id, position);

-- Up to which time the log has been trimmed; NULL while it is whole. Every change after it is there.
ALTER TABLE change_log_horizon ADD COLUMN changed_at TIMESTAMP WITH TIME ZONE;

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

-- The project of a task, also of one that is gone, as far back as the log goes.
CREATE FUNCTION project_of_logged_task(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT coalesce(
        (SELECT t.project_id FROM tasks t WHERE t.id = task_uuid),
        (SELECT l.project_id FROM change_log l WHERE l.entity = 'tasks' AND l.entity_id = task_uuid
         ORDER BY l.position DESC LIMIT 1))
$$;

-- A deletion is logged before it happens, and so before its dependencies are gone, whose log looks here for the
-- project that they were in. Arguments: the columns that are left out.
CREATE FUNCTION record_task_deletion() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, actor_id, trace_id)
    VALUES ('tasks', OLD.id, OLD.project_id, 'delete', to_jsonb(OLD) - coalesce(TG_ARGV, '{}'), current_user_id(),
        nullif(current_setting('app.trace_id', true), ''));
    RETURN OLD;
END
$$;
DROP TRIGGER tasks_change_trigger ON tasks;
CREATE TRIGGER tasks_change_trigger
    AFTER INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
CREATE TRIGGER tasks_deletion_trigger
    BEFORE DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_task_deletion();

-- A dependency is logged under the project of its task. One between two projects is logged under each, and names
-- the other: only who sees both tasks may see it.
CREATE FUNCTION record_dependency_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    subject jsonb := coalesce(becomes, was);
    near uuid := project_of_logged_task((subject ->> 'task_id')::uuid);
    far uuid := project_of_logged_task((subject ->> 'depends_on_task_id')::uuid);
    place record;
BEGIN
    FOR place IN
        SELECT near AS project_id, far AS other UNION SELECT far, near
    LOOP
        INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
        SELECT 'task_dependencies', (subject ->> 'id')::uuid, place.project_id, lower(TG_OP),
            was || named.other, becomes || named.other, current_user_id(),
            nullif(current_setting('app.trace_id', true), '')
        FROM (SELECT CASE WHEN place.other <> place.project_id
            THEN jsonb_build_object('other_project_id', place.other) ELSE '{}' END AS other) named;
    END LOOP;
    RETURN NULL;
END
$$;
DROP TRIGGER task_dependencies_change_trigger ON task_dependencies;
CREATE TRIGGER task_dependencies_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION record_dependency_change();

-- What was logged before this step. A dependency between two projects stays hidden: it was logged under neither.
UPDATE change_log l SET project_id = near.project_id
FROM tasks near, tasks far
WHERE l.entity = 'task_dependencies' AND l.project_id IS NULL
AND near.id = (coalesce(l.new_values, l.old_values) ->> 'task_id')::uuid
AND far.id = (coalesce(l.new_values, l.old_values) ->> 'depends_on_task_id')::uuid
AND near.project_id = far.project_id;

-- Who may read the log: who may read the project, or both projects.
CREATE POLICY change_log_access_policy ON change_log FOR SELECT TO application_role
    USING (
        EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = change_log.project_id)
        AND (
            entity <> 'task_dependencies'
            OR coalesce(new_values, old_values) ->> 'other_project_id' IS NULL
            OR EXISTS (SELECT 1 FROM project_access a
                       WHERE a.project_id = (coalesce(new_values, old_values) ->> 'other_project_id')::uuid)
        )
    );

REVOKE EXECUTE ON FUNCTION project_of_logged_task(uuid), record_task_deletion(), record_dependency_change()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION project_of_logged_task(uuid) TO task_service, task_worker;
GRANT SELECT ON change_log, change_log_horizon TO task_service;
