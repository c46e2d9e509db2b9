SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

CREATE OR REPLACE FUNCTION enter_graph(task_uuid uuid, alone boolean) RETURNS void
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

DROP FUNCTION has_blocking_edges(uuid);
