-- Documents, their versions and attached files, as the seed document has them.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

CREATE TYPE document_status AS ENUM ('draft', 'review', 'published', 'archived');

-- project_id, author_id and uploader_id name things of other services; see migrations/references.
CREATE TABLE documents (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL,
    title VARCHAR(255) NOT NULL,
    content TEXT,
    content_type VARCHAR(50) DEFAULT 'markdown' NOT NULL,
    author_id UUID NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    status document_status DEFAULT 'draft' NOT NULL,
    tags TEXT[] DEFAULT '{}' NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE
);

CREATE TABLE document_versions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    document_id UUID NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    version_number INTEGER NOT NULL,
    content TEXT NOT NULL,
    change_summary TEXT,
    author_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    UNIQUE(document_id, version_number)
);

CREATE TABLE file_attachments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type VARCHAR(50) NOT NULL, -- 'task', 'document', 'project'
    entity_id UUID NOT NULL,
    filename VARCHAR(255) NOT NULL,
    original_filename VARCHAR(255) NOT NULL,
    file_size BIGINT NOT NULL,
    mime_type VARCHAR(100) NOT NULL,
    storage_path TEXT NOT NULL,
    uploader_id UUID NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    -- Row security asks for the project, and a download is checked against the hash.
    project_id UUID NOT NULL,
    sha256 CHAR(64) NOT NULL
);

CREATE INDEX idx_documents_project_id ON documents(project_id);
CREATE INDEX idx_documents_author_id ON documents(author_id);
CREATE INDEX idx_documents_status ON documents(status);
CREATE INDEX idx_documents_created_at ON documents(created_at);
CREATE INDEX idx_documents_project_status ON documents(project_id, status);
CREATE INDEX idx_documents_metadata_gin ON documents USING GIN (metadata);
-- The order of ListDocuments: a page is one walk along this index.
CREATE INDEX idx_documents_project_newest ON documents(project_id, created_at DESC, id DESC);
CREATE INDEX idx_file_attachments_entity ON file_attachments(entity_type, entity_id, created_at DESC, id DESC);
CREATE INDEX idx_file_attachments_project_id ON file_attachments(project_id);

ALTER TABLE file_attachments ADD CONSTRAINT chk_file_size_positive
    CHECK (file_size > 0);
ALTER TABLE file_attachments ADD CONSTRAINT chk_filename_not_empty
    CHECK (char_length(filename) > 0);
ALTER TABLE file_attachments ADD CONSTRAINT chk_entity_type
    CHECK (entity_type IN ('task', 'document', 'project'));

-- Generic audit trail function
CREATE FUNCTION audit_trigger_function() RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at = NOW();
        RETURN NEW;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER documents_updated_at_trigger
    BEFORE UPDATE ON documents
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER documents_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id', 'content');
CREATE TRIGGER document_versions_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON document_versions
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'content');
CREATE TRIGGER file_attachments_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON file_attachments
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');

-- Each new number of a document's version is kept as a row, by whoever acts. The words for it come as
-- app.change_summary. Background work brings the versions of others, and so writes them itself.
CREATE FUNCTION save_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    INSERT INTO document_versions (document_id, version_number, content, change_summary, author_id)
    VALUES (NEW.id, NEW.version, coalesce(NEW.content, ''),
        nullif(current_setting('app.change_summary', true), ''), current_user_id());
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_first_version_trigger
    AFTER INSERT ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL) EXECUTE FUNCTION save_document_version();
CREATE TRIGGER documents_next_version_trigger
    AFTER UPDATE ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL AND NEW.version <> OLD.version)
    EXECUTE FUNCTION save_document_version();

-- A document takes its attachments with it; the files follow through the change log.
CREATE FUNCTION delete_document_attachments() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    DELETE FROM file_attachments WHERE entity_type = 'document' AND entity_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_attachments_trigger
    AFTER DELETE ON documents FOR EACH ROW EXECUTE FUNCTION delete_document_attachments();

-- Where a document or a file is, for the service that must find out whether its copy of that project's
-- access is fresh.
CREATE FUNCTION project_of_document(document_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT d.project_id FROM documents d WHERE d.id = document_uuid
$$;
CREATE FUNCTION project_of_attachment(attachment_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT f.project_id FROM file_attachments f WHERE f.id = attachment_uuid
$$;
-- Tasks are elsewhere; the files of one tell where it is.
CREATE FUNCTION project_of_task_files(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT f.project_id FROM file_attachments f WHERE f.entity_type = 'task' AND f.entity_id = task_uuid LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION project_of_document(uuid), project_of_attachment(uuid), project_of_task_files(uuid)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION project_of_document(uuid), project_of_attachment(uuid), project_of_task_files(uuid)
    TO content_service, content_worker;
