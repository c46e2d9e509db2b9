SET LOCAL ROLE dafnck_owner;

ALTER TABLE project.projects DROP CONSTRAINT projects_owner_id_fkey;
ALTER TABLE project.project_members DROP CONSTRAINT fk_project_members_user_id;
ALTER TABLE task.tasks DROP CONSTRAINT tasks_project_id_fkey;
ALTER TABLE task.tasks DROP CONSTRAINT tasks_assignee_id_fkey;
ALTER TABLE task.tasks DROP CONSTRAINT tasks_creator_id_fkey;
ALTER TABLE content.documents DROP CONSTRAINT documents_project_id_fkey;
ALTER TABLE content.documents DROP CONSTRAINT documents_author_id_fkey;
ALTER TABLE content.document_versions DROP CONSTRAINT document_versions_author_id_fkey;
ALTER TABLE content.file_attachments DROP CONSTRAINT file_attachments_uploader_id_fkey;
