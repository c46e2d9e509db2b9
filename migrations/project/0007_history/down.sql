SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;
REVOKE SELECT ON change_log FROM project_service;
DROP POLICY change_log_access_policy ON change_log;
DROP INDEX idx_change_log_project_id;
