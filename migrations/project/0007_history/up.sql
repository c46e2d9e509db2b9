-- Who reads the log of changes: a project's history is for those who see the project, that of its members, invitations
-- and offers for its members.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

CREATE INDEX idx_change_log_project_id ON change_log (project_id, transaction_id, position);
CREATE POLICY change_log_access_policy ON change_log FOR SELECT TO application_role
    USING (
        (entity = 'projects' AND EXISTS (SELECT 1 FROM projects p WHERE p.id = change_log.project_id))
        OR (project_id IS NOT NULL AND is_member(project_id))
    );
GRANT SELECT ON change_log TO project_service;
