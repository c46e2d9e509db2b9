SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP FUNCTION find_tasks(jsonb, text, boolean, text, uuid, integer);
DROP FUNCTION tasks_below(uuid, uuid[]);
DROP FUNCTION readable_projects(uuid[]);
DROP FUNCTION tasks_like(task_filter);
DROP TYPE task_filter;
DROP INDEX idx_project_access_open;
DROP INDEX idx_tasks_project_completed;
DROP INDEX idx_tasks_creator_id;
DROP INDEX idx_tasks_tags_gin;
DROP INDEX idx_tasks_project_title;
DROP INDEX idx_tasks_project_due;
DROP INDEX idx_tasks_project_urgency;
DROP INDEX idx_tasks_project_updated;
