SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;
DROP TABLE file_attachments, document_versions, documents;
DROP FUNCTION project_of_task_files(uuid), project_of_attachment(uuid), project_of_document(uuid),
    delete_document_attachments(), save_document_version(), audit_trigger_function();
DROP TYPE document_status;
