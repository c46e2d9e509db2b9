SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP FUNCTION trim_change_log, enter_order, tasks_like;
DROP VIEW task_waits;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, feed_positions,
    project_access_members, project_access, project_numbers, task_search, task_dependencies, tasks;
DROP FUNCTION import_project_keys, import_task_dependencies, apply_project_access, delete_project_tasks, is_member,
    find_tasks, tasks_below, readable_projects, index_task, asked_words, task_words, edges_of_plan, edges_around,
    waiting_for, awaited_by, record_dependency_change, record_task_deletion, project_of_logged_task,
    project_of_task_key, project_of_task, make_room, rank_beside, spread_ranks, fraction_between, longest_rank,
    rank_digits, set_project_key, place_task, take_task_numbers, make_project_key, project_key_stem, complete_task,
    settle_dependency, settle_dependents, settle_blocked, hold_task, check_status, may_follow, open_blockers,
    check_parent, check_dependency, refuse_cycle, is_waiting_for, find_wait_path, enter_graph, has_blocking_edges,
    graph_lock_key, maintenance_standing, record_change, audit_trigger_function, current_user_id, first_rank;
DROP TYPE task_filter, dependency_type, task_priority, task_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA task FROM task_service, task_worker;
