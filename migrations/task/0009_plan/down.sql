SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP FUNCTION edges_of_plan(uuid, integer), edges_around(uuid, boolean, dependency_type[], integer, integer),
    waiting_for(uuid[]), awaited_by(uuid[]);

CREATE OR REPLACE FUNCTION is_waiting_for(origin uuid, target uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    WITH RECURSIVE reached (task) AS (
        SELECT origin
        UNION
        SELECT w.awaited FROM reached r JOIN task_waits w ON w.waiting = r.task
    )
    SELECT EXISTS (SELECT 1 FROM reached WHERE task = target)
$$;
