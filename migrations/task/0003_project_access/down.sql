SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
DROP FUNCTION apply_project_access(jsonb), is_member(uuid, uuid);
DROP TABLE feed_positions, project_access_members, project_access;
