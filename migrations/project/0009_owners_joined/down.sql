SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

REVOKE UPDATE (joined_at) ON project_members FROM project_worker;
