-- Who waited to enter the graph together with others may find, once inside, that the task has got edges meanwhile. To
-- go on alone from there would be to wait for the others, who may wait likewise: a deadlock. So they leave again, which
-- the end of a subtransaction does, and enter alone. While somebody is inside, no edge comes.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

CREATE FUNCTION has_blocking_edges(task_uuid uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM task_dependencies d
                   WHERE (d.task_id = task_uuid OR d.depends_on_task_id = task_uuid) AND d.dependency_type = 'blocks');
$$;

CREATE OR REPLACE FUNCTION enter_graph(task_uuid uuid, alone boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF NOT alone AND NOT has_blocking_edges(task_uuid) THEN
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(graph_lock_key());
            IF NOT has_blocking_edges(task_uuid) THEN
                RETURN;
            END IF;
            RAISE SQLSTATE 'TG001';
        EXCEPTION WHEN SQLSTATE 'TG001' THEN
            NULL;
        END;
    END IF;
    PERFORM pg_advisory_xact_lock(graph_lock_key());
END
$$;

REVOKE EXECUTE ON FUNCTION has_blocking_edges(uuid) FROM PUBLIC;
