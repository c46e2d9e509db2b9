SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP FUNCTION list_project_tasks;
DROP VIEW task_rows, readable_project_access, last_task_numbers;
DROP FUNCTION gather_updated_tasks, gather_created_tasks, gather_tasks, trim_change_log, lock_task_order, filter_tasks, awaited_tasks, waiting_tasks;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, feed_positions,
    projects_to_purge, project_access_members, project_access, task_counters, task_search, time_entries, task_dependencies, tasks, milestones;
DROP FUNCTION import_task_counters, import_milestones, import_time_entries, import_task_dependencies, apply_project_access, purge_deleted_projects, is_member,
    list_project_task_ids, find_tasks, descendant_task_ids, readable_tasks, readable_projects, parse_search_query,
    task_search_vector, words_and_parts, parts_of_joined_words, folded_text,
    stop_time_entries_of_others, project_of_time_entry, record_time_entry_change, prepare_time_entry,
    project_of_milestone, record_milestone_change,
    plan_edges, edges_around, incoming_edges, outgoing_edges, record_dependency_change, record_task_deletion, record_task_change,
    project_of_logged_task, project_of_task, ensure_rank_space, rank_beside, rebalance_ranks,
    fraction_between, max_rank_length, rank_digits, task_of_key, project_of_task_key, project_key,
    validate_task, allocate_task_numbers, next_task_number, task_number_lock_key,
    last_task_number, complete_task, refresh_task_of_dependency,
    refresh_dependents_of_task, refresh_blocked_status, check_status_transition,
    is_status_transition_allowed, announce_status_changes, open_blockers, check_parent,
    check_dependency_cycle, reject_cycle, is_dependent_on, reach_tasks,
    find_dependency_path, lock_dependency_graph, has_blocking_dependencies, dependency_graph_lock_key,
    maintenance_status, audit_trigger_function, current_project_id, current_user_id, initial_rank;
DROP TEXT SEARCH CONFIGURATION all_words;
DROP TEXT SEARCH DICTIONARY all_english_stem;
DROP TYPE task_filter, dependency_type, task_priority, task_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA task FROM task_service, task_worker;
