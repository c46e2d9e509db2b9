-- What waits for what never forms a cycle, and no task is completed before those that block it.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- Who waits for whom: over `blocks` a task waits for the one it depends on; a parent waits for its subtasks,
-- be they so by parent_task_id or by `subtask_of`.
CREATE VIEW task_waits AS
    SELECT task_id AS waiting, depends_on_task_id AS awaited FROM task_dependencies WHERE dependency_type = 'blocks'
    UNION ALL
    SELECT depends_on_task_id, task_id FROM task_dependencies WHERE dependency_type = 'subtask_of'
    UNION ALL
    SELECT parent_task_id, id FROM tasks WHERE parent_task_id IS NOT NULL;

-- One writer of the graph at a time, so that two edges that close a cycle together cannot both be new;
-- completing takes part as a reader.
CREATE FUNCTION graph_lock_key() RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN 7236277130241;

-- The shortest way along task_waits, both ends included; NULL if there is none, or none among the first thousand
-- tasks that are reached: this runs under the graph's lock. Breadth first, each task once.
CREATE FUNCTION find_wait_path(origin uuid, target uuid) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    came_from jsonb := jsonb_build_object(origin, NULL);
    frontier uuid[] := ARRAY[origin];
    reached uuid[];
    seen integer := 0;
    path uuid[] := ARRAY[target];
    step record;
BEGIN
    WHILE NOT came_from ? target::text LOOP
        reached := '{}';
        FOR step IN SELECT DISTINCT ON (awaited) waiting, awaited FROM task_waits WHERE waiting = ANY (frontier) LOOP
            IF NOT came_from ? step.awaited::text THEN
                came_from := came_from || jsonb_build_object(step.awaited, step.waiting);
                reached := reached || step.awaited;
            END IF;
        END LOOP;
        seen := seen + cardinality(reached);
        IF cardinality(reached) = 0 OR seen > 1000 THEN
            RETURN NULL;
        END IF;
        frontier := reached;
    END LOOP;
    WHILE path[1] <> origin LOOP
        path := (came_from ->> path[1]::text)::uuid || path;
    END LOOP;
    RETURN path;
END
$$;

-- Whether one task can be reached from another; the fast question before the slow answer above.
CREATE FUNCTION is_waiting_for(origin uuid, target uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    WITH RECURSIVE reached (task) AS (
        SELECT origin
        UNION
        SELECT w.awaited FROM reached r JOIN task_waits w ON w.waiting = r.task
    )
    SELECT EXISTS (SELECT 1 FROM reached WHERE task = target)
$$;

-- Refuses an edge "waiting waits for awaited" that would close a cycle, and names the cycle.
CREATE FUNCTION refuse_cycle(waiting uuid, awaited uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF is_waiting_for(awaited, waiting) THEN
        RAISE EXCEPTION 'the dependency would close a cycle'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'no_dependency_cycle',
                  DETAIL = coalesce(array_to_string(find_wait_path(awaited, waiting), ','), '');
    END IF;
END
$$;

CREATE FUNCTION check_dependency() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(graph_lock_key());
    IF NEW.dependency_type = 'blocks' THEN
        PERFORM refuse_cycle(NEW.task_id, NEW.depends_on_task_id);
    ELSE
        PERFORM refuse_cycle(NEW.depends_on_task_id, NEW.task_id);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER task_dependencies_cycle_trigger
    BEFORE INSERT OR UPDATE ON task_dependencies
    FOR EACH ROW WHEN (NEW.dependency_type IN ('blocks', 'subtask_of') AND NEW.task_id <> NEW.depends_on_task_id)
    EXECUTE FUNCTION check_dependency();

CREATE FUNCTION check_parent() RETURNS trigger
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
CREATE TRIGGER tasks_parent_trigger
    BEFORE INSERT OR UPDATE OF parent_task_id ON tasks
    FOR EACH ROW WHEN (NEW.parent_task_id IS NOT NULL)
    EXECUTE FUNCTION check_parent();

-- The tasks that must be done or cancelled before this one can be completed.
CREATE FUNCTION open_blockers(task_uuid uuid) RETURNS uuid[]
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT array_agg(b.id ORDER BY b.id)
    FROM task_dependencies d JOIN tasks b ON b.id = d.depends_on_task_id
    WHERE d.task_id = task_uuid AND d.dependency_type = 'blocks' AND b.status NOT IN ('done', 'cancelled')
$$;

-- Function to handle task completion
CREATE FUNCTION complete_task(task_uuid UUID)
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

-- Where a task is, for the service that must find out whether its copy of that project's access is fresh.
CREATE FUNCTION project_of_task(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT t.project_id FROM tasks t WHERE t.id = task_uuid
$$;

-- Stores dependencies one by one, given as [{"line", "id", "task_id", "depends_on_task_id",
-- "dependency_type", "created_at"}], and says what became of each. A refused one stops no other.
CREATE FUNCTION import_task_dependencies(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    item jsonb;
    broken text;
    detail text;
BEGIN
    FOR item IN SELECT value FROM jsonb_array_elements(items) LOOP
        line := (item ->> 'line')::bigint;
        reason := '';
        BEGIN
            INSERT INTO task_dependencies (id, task_id, depends_on_task_id, dependency_type, created_at)
            VALUES ((item ->> 'id')::uuid, (item ->> 'task_id')::uuid, (item ->> 'depends_on_task_id')::uuid,
                (item ->> 'dependency_type')::dependency_type, (item ->> 'created_at')::timestamptz)
            ON CONFLICT (task_id, depends_on_task_id) DO NOTHING;
            outcome := CASE WHEN FOUND THEN 'created' ELSE 'unchanged' END;
        EXCEPTION WHEN integrity_constraint_violation THEN
            GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL;
            outcome := 'refused';
            reason := CASE broken
                WHEN 'no_dependency_cycle' THEN 'would close a cycle' || coalesce(': ' || (
                    SELECT string_agg(t.title, ' -> ' ORDER BY p.step)
                    FROM unnest(string_to_array(detail, ',')::uuid[]) WITH ORDINALITY p(id, step) JOIN tasks t USING (id)), '')
                WHEN 'chk_no_self_dependency' THEN 'a task cannot depend on itself'
                WHEN 'task_dependencies_task_id_fkey' THEN 'task_id names no task'
                WHEN 'task_dependencies_depends_on_task_id_fkey' THEN 'depends_on_task_id names no task'
                ELSE 'breaks the rule ' || broken
            END;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION find_wait_path(uuid, uuid), is_waiting_for(uuid, uuid), refuse_cycle(uuid, uuid),
    open_blockers(uuid), complete_task(uuid), project_of_task(uuid), import_task_dependencies(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_blockers(uuid), complete_task(uuid), project_of_task(uuid) TO task_service;
GRANT EXECUTE ON FUNCTION project_of_task(uuid), import_task_dependencies(jsonb) TO task_worker;
