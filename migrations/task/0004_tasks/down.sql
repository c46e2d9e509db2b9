SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
DROP TABLE task_dependencies, tasks;
DROP FUNCTION audit_trigger_function();
DROP TYPE dependency_type, task_priority, task_status;
