-- The seed's foreign keys between services. Applied only when the four schemas share a database.
SET LOCAL ROLE dafnck_owner;

ALTER TABLE project.projects ADD CONSTRAINT projects_owner_id_fkey
    FOREIGN KEY (owner_id) REFERENCES identity.users(id);
ALTER TABLE project.project_members ADD CONSTRAINT fk_project_members_user_id
    FOREIGN KEY (user_id) REFERENCES identity.users(id) ON DELETE CASCADE;
ALTER TABLE task.tasks ADD CONSTRAINT tasks_project_id_fkey
    FOREIGN KEY (project_id) REFERENCES project.projects(id) ON DELETE CASCADE;
ALTER TABLE task.tasks ADD CONSTRAINT tasks_assignee_id_fkey
    FOREIGN KEY (assignee_id) REFERENCES identity.users(id);
ALTER TABLE task.tasks ADD CONSTRAINT tasks_creator_id_fkey
    FOREIGN KEY (creator_id) REFERENCES identity.users(id);
ALTER TABLE content.documents ADD CONSTRAINT documents_project_id_fkey
    FOREIGN KEY (project_id) REFERENCES project.projects(id) ON DELETE CASCADE;
ALTER TABLE content.documents ADD CONSTRAINT documents_author_id_fkey
    FOREIGN KEY (author_id) REFERENCES identity.users(id);
ALTER TABLE content.document_versions ADD CONSTRAINT document_versions_author_id_fkey
    FOREIGN KEY (author_id) REFERENCES identity.users(id);
ALTER TABLE content.file_attachments ADD CONSTRAINT file_attachments_uploader_id_fkey
    FOREIGN KEY (uploader_id) REFERENCES identity.users(id);
