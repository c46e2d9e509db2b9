SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;
DROP TABLE access_revisions, project_members, projects;
DROP FUNCTION bump_access_revision(), make_owner_member(), audit_trigger_function();
DROP TYPE project_role, project_visibility, project_status;
