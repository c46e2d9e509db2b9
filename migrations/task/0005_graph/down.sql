SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
DROP TRIGGER tasks_parent_trigger ON tasks;
DROP TRIGGER task_dependencies_cycle_trigger ON task_dependencies;
DROP FUNCTION import_task_dependencies(jsonb), project_of_task(uuid), complete_task(uuid), open_blockers(uuid),
    check_parent(), check_dependency(), refuse_cycle(uuid, uuid), is_waiting_for(uuid, uuid),
    find_wait_path(uuid, uuid), graph_lock_key();
DROP VIEW task_waits;
