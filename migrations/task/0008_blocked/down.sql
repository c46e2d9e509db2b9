SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP TRIGGER task_dependencies_settle_trigger ON task_dependencies;
DROP TRIGGER tasks_settle_trigger ON tasks;
DROP TRIGGER tasks_held_trigger ON tasks;
DROP TRIGGER tasks_status_trigger ON tasks;
ALTER TABLE tasks DROP COLUMN held;
CREATE OR REPLACE FUNCTION check_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(graph_lock_key());
    IF EXISTS (SELECT 1 FROM tasks p WHERE p.id = NEW.parent_task_id AND p.project_id <> NEW.project_id) THEN
        RAISE EXCEPTION 'a subtask belongs to the project of its parent'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'parent_in_same_project';
    END IF;
    PERFORM refuse_cycle(NEW.parent_task_id, NEW.id);
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION complete_task(task_uuid UUID)
RETURNS VOID AS $$
DECLARE
    blockers uuid[];
BEGIN
    -- No blocker appears between the check and the update.
    PERFORM pg_advisory_xact_lock_shared(graph_lock_key());
    blockers := open_blockers(task_uuid);
    IF blockers IS NOT NULL THEN
        RAISE EXCEPTION 'tasks that block this one are open'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'no_open_blockers',
                  DETAIL = array_to_string(blockers, ',');
    END IF;
    UPDATE tasks
    SET status = 'done',
        completed_at = NOW(),
        updated_at = NOW()
    WHERE id = task_uuid;
END;
$$ LANGUAGE plpgsql SET search_path = task, pg_temp;

DROP FUNCTION settle_dependency(), settle_dependents(), settle_blocked(uuid[]), hold_task(), check_status(),
    may_follow(task_status, task_status), enter_graph(uuid, boolean);
