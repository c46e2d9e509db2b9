SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP FUNCTION import_project_keys(jsonb);
