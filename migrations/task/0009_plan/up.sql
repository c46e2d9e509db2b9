-- What plans and pictures of the graph are made from: who waits for whom, also where one end is hidden from the caller.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- The edges from these tasks to what they wait for, whoever asks, and whether that is open. A parent waits for its
-- subtasks; one that relates to another or duplicates it stands where one that waits would.
CREATE FUNCTION awaited_by(task_ids uuid[])
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type, is_open boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT e.waiting, e.awaited, e.kind, t.status NOT IN ('done', 'cancelled')
    FROM (
        SELECT d.task_id AS waiting, d.depends_on_task_id AS awaited, d.dependency_type AS kind
        FROM task_dependencies d WHERE d.task_id = ANY (task_ids) AND d.dependency_type <> 'subtask_of'
        UNION
        SELECT d.depends_on_task_id, d.task_id, d.dependency_type
        FROM task_dependencies d WHERE d.depends_on_task_id = ANY (task_ids) AND d.dependency_type = 'subtask_of'
        UNION
        SELECT c.parent_task_id, c.id, 'subtask_of' FROM tasks c WHERE c.parent_task_id = ANY (task_ids)
    ) e JOIN tasks t ON t.id = e.awaited
$$;

-- The same edges the other way: from these tasks to what waits for them.
CREATE FUNCTION waiting_for(task_ids uuid[])
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT d.task_id, d.depends_on_task_id, d.dependency_type
    FROM task_dependencies d WHERE d.depends_on_task_id = ANY (task_ids) AND d.dependency_type <> 'subtask_of'
    UNION
    SELECT d.depends_on_task_id, d.task_id, d.dependency_type
    FROM task_dependencies d WHERE d.task_id = ANY (task_ids) AND d.dependency_type = 'subtask_of'
    UNION
    SELECT t.parent_task_id, t.id, 'subtask_of'
    FROM tasks t WHERE t.id = ANY (task_ids) AND t.parent_task_id IS NOT NULL
$$;

-- The edges around a task in one direction, level by level, at most so many. Runs as the caller: a task that they may
-- not see is an end, and nothing behind it is looked at. Stable, so that all levels are of one moment.
CREATE FUNCTION edges_around(origin uuid, towards_awaited boolean, kinds dependency_type[], depth integer, most integer)
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    seen uuid[] := ARRAY[origin];
    frontier uuid[] := ARRAY[origin];
    room integer := most;
    found_waiting uuid[];
    found_awaited uuid[];
    found_kinds dependency_type[];
BEGIN
    FOR level IN 1 .. depth LOOP
        IF towards_awaited THEN
            SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
            INTO found_waiting, found_awaited, found_kinds
            FROM (SELECT a.* FROM awaited_by(frontier) a WHERE a.kind = ANY (kinds) ORDER BY 1, 2, 3 LIMIT room) e;
        ELSE
            SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
            INTO found_waiting, found_awaited, found_kinds
            FROM (SELECT w.* FROM waiting_for(frontier) w WHERE w.kind = ANY (kinds) ORDER BY 1, 2, 3 LIMIT room) e;
        END IF;
        EXIT WHEN found_waiting IS NULL;
        RETURN QUERY SELECT * FROM unnest(found_waiting, found_awaited, found_kinds);
        room := room - cardinality(found_waiting);
        EXIT WHEN room = 0;
        SELECT array_agg(t.id) INTO frontier FROM tasks t
        WHERE t.id = ANY (CASE WHEN towards_awaited THEN found_awaited ELSE found_waiting END)
            AND NOT EXISTS (SELECT 1 FROM unnest(seen) s(id) WHERE s.id = t.id);
        EXIT WHEN frontier IS NULL;
        seen := seen || frontier;
    END LOOP;
END
$$;

-- The edges between open tasks that a project's plan stands on, at most so many: from the project's tasks to what they
-- wait for, and on through other projects. Runs as the caller, like the one above.
CREATE FUNCTION edges_of_plan(project uuid, most integer)
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    outside uuid[] := '{}';
    frontier uuid[];
    room integer := most;
    found_waiting uuid[];
    found_awaited uuid[];
    found_kinds dependency_type[];
BEGIN
    SELECT array_agg(t.id) INTO frontier FROM tasks t
    WHERE t.project_id = project AND t.status NOT IN ('done', 'cancelled');
    WHILE frontier IS NOT NULL LOOP
        SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
        INTO found_waiting, found_awaited, found_kinds
        FROM (SELECT a.* FROM awaited_by(frontier) a
              WHERE a.is_open AND a.kind IN ('blocks', 'subtask_of') ORDER BY 1, 2, 3 LIMIT room) e;
        EXIT WHEN found_waiting IS NULL;
        RETURN QUERY SELECT * FROM unnest(found_waiting, found_awaited, found_kinds);
        room := room - cardinality(found_waiting);
        EXIT WHEN room = 0;
        SELECT array_agg(t.id) INTO frontier FROM tasks t
        WHERE t.id = ANY (found_awaited) AND t.project_id <> project
            AND NOT EXISTS (SELECT 1 FROM unnest(outside) o(id) WHERE o.id = t.id);
        outside := outside || frontier;
    END LOOP;
END
$$;

-- Whether one task can be reached from another: the question before each new edge, asked under the graph's lock. Searches
-- from both ends, each time on where fewer tasks were reached last, and is done when either end goes no further: at
-- once for a task that nobody waits for, and for one that waits for nobody.
CREATE OR REPLACE FUNCTION is_waiting_for(origin uuid, target uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    awaited uuid[] := ARRAY[origin];
    waiting uuid[] := ARRAY[target];
    awaited_last uuid[] := awaited;
    waiting_last uuid[] := waiting;
BEGIN
    IF origin = target THEN
        RETURN TRUE;
    END IF;
    LOOP
        IF cardinality(awaited_last) <= cardinality(waiting_last) THEN
            awaited_last := ARRAY(
                SELECT DISTINCT w.awaited FROM task_waits w WHERE w.waiting = ANY (awaited_last)
                EXCEPT SELECT unnest(awaited));
            awaited := awaited || awaited_last;
        ELSE
            waiting_last := ARRAY(
                SELECT DISTINCT w.waiting FROM task_waits w WHERE w.awaited = ANY (waiting_last)
                EXCEPT SELECT unnest(waiting));
            waiting := waiting || waiting_last;
        END IF;
        IF cardinality(awaited_last) = 0 OR cardinality(waiting_last) = 0 THEN
            RETURN FALSE;
        END IF;
        IF EXISTS (SELECT unnest(awaited) INTERSECT SELECT unnest(waiting)) THEN
            RETURN TRUE;
        END IF;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION awaited_by(uuid[]), waiting_for(uuid[]),
    edges_around(uuid, boolean, dependency_type[], integer, integer), edges_of_plan(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION awaited_by(uuid[]), waiting_for(uuid[]),
    edges_around(uuid, boolean, dependency_type[], integer, integer), edges_of_plan(uuid, integer) TO task_service;
