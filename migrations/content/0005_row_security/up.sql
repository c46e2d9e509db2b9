-- Who sees and changes which documents and files: rows of projects that the caller may read; changes only by members.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE file_attachments ENABLE ROW LEVEL SECURITY;

CREATE POLICY document_access_policy ON documents FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = documents.project_id));
CREATE POLICY document_insert_policy ON documents FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_update_policy ON documents FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_delete_policy ON documents FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_worker_policy ON documents FOR ALL TO content_worker USING (TRUE);

CREATE POLICY attachment_access_policy ON file_attachments FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = file_attachments.project_id));
CREATE POLICY attachment_insert_policy ON file_attachments FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = file_attachments.project_id AND m.user_id = current_user_id()));
CREATE POLICY attachment_update_policy ON file_attachments FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = file_attachments.project_id AND m.user_id = current_user_id()));
CREATE POLICY attachment_delete_policy ON file_attachments FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = file_attachments.project_id AND m.user_id = current_user_id()));
CREATE POLICY attachment_worker_policy ON file_attachments FOR ALL TO content_worker USING (TRUE);

-- A version is seen by who sees its document, and made by who is a member. Nobody changes one.
CREATE POLICY version_access_policy ON document_versions FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM documents d WHERE d.id = document_id));
CREATE POLICY version_insert_policy ON document_versions FOR INSERT TO application_role
    WITH CHECK (
        EXISTS (SELECT 1 FROM documents d JOIN project_access_members m USING (project_id)
                WHERE d.id = document_id AND m.user_id = current_user_id())
    );
CREATE POLICY version_worker_policy ON document_versions FOR ALL TO content_worker USING (TRUE);

GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO content_service;
GRANT SELECT, INSERT ON document_versions TO content_service;
GRANT SELECT, INSERT, DELETE ON file_attachments TO content_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO content_worker;
GRANT SELECT, INSERT ON document_versions TO content_worker;
GRANT SELECT, INSERT, DELETE ON file_attachments TO content_worker;
