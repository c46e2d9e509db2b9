-- What a task's status may become, and `blocked` kept true with the dependencies.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- `blocked` is the other face of `pending`: not begun, and not to be begun, because a task that blocks it is open, or
-- because somebody said so while none was. The second is held: no dependency lifts it.
ALTER TABLE tasks ADD COLUMN held BOOLEAN DEFAULT FALSE NOT NULL;

ALTER TABLE tasks DISABLE TRIGGER USER;
UPDATE tasks SET held = open_blockers(id) IS NULL, status = 'blocked'
WHERE status = 'blocked' OR status = 'pending' AND open_blockers(id) IS NOT NULL;
ALTER TABLE tasks ENABLE TRIGGER USER;
ALTER TABLE tasks ADD CONSTRAINT chk_held_is_blocked CHECK (NOT held OR status = 'blocked');

-- Who takes part in the graph of tasks enters it before they lock a row, so that nobody waits for a row while they
-- keep others out of the graph: alone, who changes its edges or the status of a task that has some; together, who
-- changes the status of one that has none.
CREATE FUNCTION enter_graph(task_uuid uuid, alone boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF alone OR EXISTS (SELECT 1 FROM task_dependencies d
                        WHERE (d.task_id = task_uuid OR d.depends_on_task_id = task_uuid)
                            AND d.dependency_type = 'blocks') THEN
        PERFORM pg_advisory_xact_lock(graph_lock_key());
    ELSE
        PERFORM pg_advisory_xact_lock_shared(graph_lock_key());
    END IF;
END
$$;

-- The table of what may follow what; the same for everybody who writes. Pending and blocked are one here.
CREATE FUNCTION may_follow(was task_status, becomes task_status) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN was = becomes OR CASE was
    WHEN 'pending' THEN becomes IN ('blocked', 'in_progress', 'done', 'cancelled')
    WHEN 'blocked' THEN becomes IN ('pending', 'in_progress', 'done', 'cancelled')
    WHEN 'in_progress' THEN becomes IN ('pending', 'blocked', 'review', 'done', 'cancelled')
    WHEN 'review' THEN becomes IN ('pending', 'blocked', 'in_progress', 'done', 'cancelled')
    WHEN 'done' THEN becomes IN ('pending', 'blocked', 'in_progress')
    WHEN 'cancelled' THEN becomes IN ('pending', 'blocked')
END;

CREATE FUNCTION check_status() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    blockers uuid[];
BEGIN
    IF NOT may_follow(OLD.status, NEW.status) THEN
        RAISE EXCEPTION 'a task that is % does not become %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'status_follows', DETAIL = OLD.status;
    END IF;
    PERFORM enter_graph(NEW.id, FALSE);
    blockers := open_blockers(NEW.id);
    IF NEW.status IN ('pending', 'blocked') THEN
        NEW.held := NEW.status = 'blocked' AND blockers IS NULL;
        NEW.status := CASE WHEN NEW.held OR blockers IS NOT NULL THEN 'blocked' ELSE 'pending' END;
    ELSE
        NEW.held := FALSE;
        -- Forward only: one that is being looked at may always go back to work, and giving up is free.
        IF blockers IS NOT NULL AND OLD.status <> NEW.status AND NEW.status <> 'cancelled'
            AND (OLD.status, NEW.status) <> ('review', 'in_progress') THEN
            RAISE EXCEPTION 'tasks that block this one are open'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'no_open_blockers',
                      DETAIL = array_to_string(blockers, ',');
        END IF;
    END IF;
    NEW.completed_at := CASE WHEN NEW.status = 'done' THEN coalesce(NEW.completed_at, NOW()) END;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_status_trigger BEFORE UPDATE OF status ON tasks
    FOR EACH ROW EXECUTE FUNCTION check_status();

-- A new task has no dependencies: blocked is what somebody says.
CREATE FUNCTION hold_task() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.held := NEW.status = 'blocked';
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_held_trigger BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION hold_task();

-- Makes these tasks blocked or pending, whichever is true. Locks before it looks, so that of two blockers that close
-- at once the second sees the first.
CREATE FUNCTION settle_blocked(task_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM tasks WHERE id = ANY (task_ids) AND status IN ('pending', 'blocked') AND NOT held
    ORDER BY id FOR NO KEY UPDATE;
    UPDATE tasks SET status = CASE status WHEN 'pending' THEN 'blocked' ELSE 'pending' END::task_status
    WHERE id = ANY (task_ids) AND status IN ('pending', 'blocked') AND NOT held
        AND (status = 'pending') = (open_blockers(id) IS NOT NULL);
END
$$;

CREATE FUNCTION settle_dependents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM settle_blocked(array_agg(d.task_id)) FROM task_dependencies d
    WHERE d.depends_on_task_id = NEW.id AND d.dependency_type = 'blocks';
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_settle_trigger AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN ((OLD.status IN ('done', 'cancelled')) <> (NEW.status IN ('done', 'cancelled')))
    EXECUTE FUNCTION settle_dependents();

CREATE FUNCTION settle_dependency() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM settle_blocked(array_remove(ARRAY[OLD.task_id, NEW.task_id], NULL));
    RETURN NULL;
END
$$;
CREATE TRIGGER task_dependencies_settle_trigger AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION settle_dependency();

-- A new task is nobody's parent and waited for by nobody, so its parent closes no cycle, if that was there before it:
-- creating subtasks does not enter the graph.
CREATE OR REPLACE FUNCTION check_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    parent_project uuid;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM enter_graph(NEW.id, TRUE);
    END IF;
    SELECT p.project_id INTO parent_project FROM tasks p WHERE p.id = NEW.parent_task_id;
    IF parent_project IS NULL THEN
        RAISE EXCEPTION 'the parent is not there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_parent_task_id_fkey';
    ELSIF parent_project <> NEW.project_id THEN
        RAISE EXCEPTION 'a subtask belongs to the project of its parent'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'parent_in_same_project';
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM refuse_cycle(NEW.parent_task_id, NEW.id);
    END IF;
    RETURN NEW;
END
$$;

-- The seed's function; what may be completed is the status's to say.
CREATE OR REPLACE FUNCTION complete_task(task_uuid UUID)
RETURNS VOID AS $$
BEGIN
    UPDATE tasks
    SET status = 'done',
        completed_at = NOW(),
        updated_at = NOW()
    WHERE id = task_uuid;
END;
$$ LANGUAGE plpgsql SET search_path = task, pg_temp;

REVOKE EXECUTE ON FUNCTION enter_graph(uuid, boolean), settle_blocked(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enter_graph(uuid, boolean) TO task_service;
