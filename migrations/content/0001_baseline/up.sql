-- The content service's schema: documents, their versions and search, files and their bytes, comments, and a copy of who
-- may access which project.

-- == Roles ==

-- Roles belong to the cluster, so another schema or another database may have created them already.
-- Logins have no password here; the operator sets one (deploy/README.md).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['application_role', 'content_service', 'content_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT',
                wanted, CASE WHEN wanted = 'application_role' THEN 'NOLOGIN' ELSE 'LOGIN' END);
            IF wanted = 'content_service' THEN
                -- The longest deadline of a call. Reads that are one statement have no transaction to set it in.
                ALTER ROLE content_service SET statement_timeout = '30s';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT pg_has_role('content_service', 'application_role', 'member') THEN
        GRANT application_role TO content_service;
    END IF;
END
$$;

SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

-- == Enums ==

CREATE TYPE document_status AS ENUM ('draft', 'review', 'published', 'archived');

-- == Tables ==

-- `project_id`, `author_id` and `uploader_id` refer to rows of other services; see migrations/references.
-- The content is in TOAST and written whole with every version.
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
) WITH (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);

-- Written once and hardly ever deleted: vacuum runs after inserts, so that rows are frozen in small steps.
CREATE TABLE document_versions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    document_id UUID NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    version_number INTEGER NOT NULL,
    content TEXT NOT NULL,
    change_summary TEXT,
    author_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    title VARCHAR(255) NOT NULL,
    UNIQUE(document_id, version_number)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

-- The bytes of files, by their hash: equal bytes are stored once.
CREATE TABLE blobs (
    id UUID PRIMARY KEY,
    sha256 CHAR(64) NOT NULL CONSTRAINT uq_blobs_sha256 UNIQUE,
    size BIGINT NOT NULL CONSTRAINT chk_blob_size_positive CHECK (size > 0),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    -- When an attachment of it was last deleted or was about to be created. The garbage collector looks at the blob
    -- once after the grace period and deletes it if no attachment refers to it.
    released_at TIMESTAMP WITH TIME ZONE
);

CREATE TABLE file_attachments (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    entity_type VARCHAR(50) NOT NULL CONSTRAINT chk_entity_type CHECK (entity_type IN ('task', 'document', 'project')),
    entity_id UUID NOT NULL,
    filename VARCHAR(255) NOT NULL,
    original_filename VARCHAR(255) NOT NULL,
    file_size BIGINT NOT NULL,
    mime_type VARCHAR(100) NOT NULL,
    storage_path TEXT NOT NULL,
    uploader_id UUID NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    -- For row-level security; of the entity.
    project_id UUID NOT NULL,
    -- Downloads are verified against it.
    sha256 CHAR(64) NOT NULL,
    blob_id UUID NOT NULL REFERENCES blobs(id),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    CONSTRAINT chk_file_size_positive CHECK (file_size > 0),
    CONSTRAINT chk_filename_not_empty CHECK (char_length(filename) > 0)
);

-- Uploads in progress. An upload arrives in parts and ends as a blob, to which an attachment refers.
CREATE TABLE uploads (
    id UUID PRIMARY KEY,
    -- The id that the attachment will have.
    attachment_id UUID NOT NULL,
    entity_type VARCHAR(50) NOT NULL CONSTRAINT chk_upload_entity_type
        CHECK (entity_type IN ('task', 'document', 'project')),
    entity_id UUID NOT NULL,
    project_id UUID NOT NULL,
    uploader_id UUID NOT NULL,
    filename VARCHAR(255) NOT NULL,
    original_filename VARCHAR(255) NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    -- As declared by the client; NULL if it did not.
    size BIGINT CONSTRAINT chk_upload_size_positive CHECK (size > 0),
    sha256 CHAR(64),
    state TEXT DEFAULT 'open' NOT NULL CONSTRAINT chk_upload_state
        CHECK (state IN ('open', 'completed', 'cancelled', 'expired')),
    -- How many bytes are stored, the state of SHA-256 after them, and the detected type.
    committed_size BIGINT DEFAULT 0 NOT NULL,
    digest BYTEA,
    mime_type VARCHAR(100),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Objects of the store. A row exists before its object is written and until it is deleted. A path is used once: a
-- deletion never hits an object that is in use again.
CREATE TABLE stored_parts (
    id UUID PRIMARY KEY,
    path TEXT NOT NULL CONSTRAINT uq_stored_parts_path UNIQUE,
    upload_id UUID REFERENCES uploads(id),
    blob_id UUID REFERENCES blobs(id),
    -- Offset of its first byte in the file.
    position BIGINT NOT NULL,
    -- 0 until it is known to be written.
    size BIGINT DEFAULT 0 NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL CONSTRAINT chk_part_state CHECK (state IN ('pending', 'stored', 'garbage')),
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT chk_part_owner CHECK (
        CASE state WHEN 'garbage' THEN num_nonnulls(upload_id, blob_id) = 0
            ELSE num_nonnulls(upload_id, blob_id) = 1 END
    )
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- The search vectors of documents. In a table of their own, so that a change of status or tags does not index the
-- content again and reading documents does not load them.
CREATE TABLE document_search (
    document_id UUID PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
    project_id UUID NOT NULL,
    search_vector TSVECTOR NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- Comments on tasks, documents and projects. A deleted comment keeps its row without text, so that its replies stay.
CREATE TABLE comments (
    id UUID PRIMARY KEY,
    -- For row-level security; of the entity.
    project_id UUID NOT NULL,
    entity_type TEXT NOT NULL CONSTRAINT chk_comment_entity_type
        CHECK (entity_type IN ('task', 'document', 'project')),
    entity_id UUID NOT NULL,
    -- The comment that this one replies to. The foreign key makes a reply one on the same entity.
    parent_id UUID,
    author_id UUID NOT NULL,
    content TEXT NOT NULL,
    mentioned_user_ids UUID[] DEFAULT '{}' NOT NULL,
    -- Of the entity. An attachment that is deleted later is left out when they are read.
    attachment_ids UUID[] DEFAULT '{}' NOT NULL CONSTRAINT chk_comment_attachments CHECK (cardinality(attachment_ids) <= 20),
    -- Number of the content; 0 of a deleted comment.
    version INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    -- When the content was written.
    edited_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolver_id UUID,
    deleted_at TIMESTAMP WITH TIME ZONE,
    -- The range of a document that the comment is about: the version, the first character from 0, the one after the last,
    -- and the beginning of its text. Moved to newer versions until one does not have the text.
    anchor_version INTEGER,
    anchor_start INTEGER,
    anchor_end INTEGER,
    anchor_quote TEXT,
    anchor_outdated BOOLEAN DEFAULT FALSE NOT NULL,
    CONSTRAINT uq_comments_entity UNIQUE (id, project_id, entity_type, entity_id),
    CONSTRAINT fk_comments_parent_id FOREIGN KEY (parent_id, project_id, entity_type, entity_id)
        REFERENCES comments (id, project_id, entity_type, entity_id) ON DELETE CASCADE,
    CONSTRAINT chk_comment_anchor CHECK (num_nulls(anchor_version, anchor_start, anchor_end, anchor_quote) = 0
        OR num_nonnulls(anchor_version, anchor_start, anchor_end, anchor_quote) = 0 AND NOT anchor_outdated),
    CONSTRAINT chk_comment_resolved CHECK ((resolved_at IS NULL) = (resolver_id IS NULL)),
    CONSTRAINT chk_comment_reply_resolved CHECK (parent_id IS NULL OR resolved_at IS NULL),
    CONSTRAINT chk_comment_deleted
        CHECK ((deleted_at IS NOT NULL) = (content = '') AND (deleted_at IS NOT NULL) = (version = 0))
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- The earlier contents of comments, with the number and the time that each had.
CREATE TABLE comment_versions (
    comment_id UUID NOT NULL REFERENCES comments(id) ON DELETE CASCADE,
    version_number INTEGER NOT NULL,
    content TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (comment_id, version_number)
);

CREATE TABLE comment_reactions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    comment_id UUID NOT NULL,
    -- Those of the comment, for row-level security and for feeds.
    project_id UUID NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id UUID NOT NULL,
    user_id UUID NOT NULL,
    emoji TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT uq_comment_reactions UNIQUE (comment_id, emoji, user_id),
    CONSTRAINT fk_comment_reactions_comment_id FOREIGN KEY (comment_id, project_id, entity_type, entity_id)
        REFERENCES comments (id, project_id, entity_type, entity_id) ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- The copy of who may access which project, fed by the project service. A higher revision replaces a lower one. A
-- deleted project keeps its row, so that an older state that arrives late does not restore it. A new snapshot begins by
-- setting all revisions to 0, so that it replaces everything, and ends by marking the projects that it does not contain
-- as deleted.
CREATE TABLE project_access (
    project_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    visibility TEXT NOT NULL CONSTRAINT chk_visibility CHECK (visibility IN ('private', 'internal', 'public')),
    status TEXT NOT NULL CONSTRAINT chk_status CHECK (status IN ('active', 'completed', 'archived', 'cancelled'))
);

-- Deleted projects whose documents, attachments and comments are still there.
CREATE TABLE projects_to_purge (
    project_id UUID PRIMARY KEY
);

CREATE TABLE project_access_members (
    project_id UUID NOT NULL REFERENCES project_access(project_id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    role TEXT NOT NULL CONSTRAINT chk_role CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    permissions JSONB NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (project_id, user_id)
);

-- The position in each feed of another service; updated in the transaction that applies its changes. Few rows, written
-- many times a second.
CREATE TABLE feed_positions (
    feed TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);

-- Every change of a row, written in the transaction of the change. Readers order by (transaction_id, position) and stop
-- below their snapshot's xmin: `position` alone is assigned before commit, so a reader would miss rows that commit
-- late. Rows are deleted from the old end. Frequent vacuums keep pages all-visible, so that feeds scan only the index.
CREATE TABLE change_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    entity TEXT NOT NULL,
    entity_id UUID NOT NULL,
    project_id UUID,
    -- `insert`, `update` or `delete`; only triggers write it.
    operation TEXT NOT NULL,
    old_values JSONB,
    new_values JSONB,
    actor_id UUID,
    trace_id TEXT,
    PRIMARY KEY (transaction_id, position)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05);

-- The last change that was trimmed: a reader whose position is older has missed changes. One row, updated at each trim.
CREATE TABLE change_log_horizon (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT chk_only_row CHECK (only_row),
    transaction_id xid8 NOT NULL DEFAULT '0',
    position BIGINT NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
INSERT INTO change_log_horizon DEFAULT VALUES;

-- Which request created which resource, so that a retry finds it (AIP-155). Rows live for a day.
CREATE TABLE idempotency_keys (
    caller_id UUID NOT NULL,
    method TEXT NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    resource_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (caller_id, request_id, method)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);

-- The size of each table by day, with its indexes and TOAST. Written by `dafnck maintain`.
CREATE TABLE table_sizes (
    day DATE NOT NULL,
    table_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (day, table_name)
);

-- The last run of each job of `dafnck maintain`. `error` is NULL if it succeeded or is still running.
CREATE TABLE maintenance_runs (
    job TEXT PRIMARY KEY,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    error TEXT
);

-- == Indexes ==

CREATE INDEX idx_documents_project_id ON documents(project_id);
CREATE INDEX idx_documents_author_id ON documents(author_id);
CREATE INDEX idx_documents_status ON documents(status);
CREATE INDEX idx_documents_created_at ON documents(created_at);
CREATE INDEX idx_documents_project_status ON documents(project_id, status);
CREATE INDEX idx_documents_metadata_gin ON documents USING GIN (metadata);
-- Sort orders of lists: a page is one index scan.
CREATE INDEX idx_documents_project_newest ON documents(project_id, created_at DESC, id DESC);
CREATE INDEX idx_documents_project_updated ON documents(project_id, updated_at DESC, id DESC);
CREATE INDEX idx_documents_project_title ON documents(project_id, lower(title), id);
CREATE INDEX idx_file_attachments_entity ON file_attachments(entity_type, entity_id, created_at DESC, id DESC);
CREATE INDEX idx_file_attachments_project_id ON file_attachments(project_id);
CREATE INDEX idx_file_attachments_blob_id ON file_attachments (blob_id);
CREATE INDEX idx_blobs_released_at ON blobs (released_at) WHERE released_at IS NOT NULL;
CREATE INDEX idx_uploads_uploader_id ON uploads (uploader_id) WHERE state = 'open';
CREATE INDEX idx_uploads_expires_at ON uploads (expires_at);
CREATE INDEX idx_uploads_project_id ON uploads (project_id);
CREATE INDEX idx_stored_parts_upload_id ON stored_parts (upload_id, position) WHERE upload_id IS NOT NULL;
CREATE UNIQUE INDEX idx_stored_parts_blob_id ON stored_parts (blob_id, position) WHERE blob_id IS NOT NULL;
CREATE INDEX idx_stored_parts_garbage ON stored_parts (changed_at) WHERE state = 'garbage';
CREATE INDEX idx_document_search_vector ON document_search USING GIN (search_vector);
-- The pages of a list are index scans in either direction.
CREATE INDEX idx_comments_entity ON comments (entity_type, entity_id, created_at, id);
CREATE INDEX idx_comments_project_id ON comments (project_id);
CREATE INDEX idx_comments_anchored ON comments (entity_id) WHERE anchor_version IS NOT NULL AND NOT anchor_outdated;
CREATE INDEX idx_comments_parent_id ON comments (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_project_access_members_user_id ON project_access_members (user_id);
CREATE INDEX idx_change_log_entity ON change_log (entity, entity_id);
CREATE INDEX idx_change_log_changed_at ON change_log USING brin (changed_at);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);

-- == Functions and triggers ==

-- The user on whose behalf this transaction runs; the nil UUID is an anonymous caller. NULL if the setting is absent:
-- then the policies show nothing.
CREATE FUNCTION current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.current_user_id', true), '')::uuid;

-- The project that the statements of this transaction are about, if the service says so. Policies check it once for each
-- statement, and any other project once for each row.
CREATE FUNCTION current_project_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.project_id', true), '')::uuid;

-- Sets `updated_at`. Its triggers are skipped while `app.keep_dates` is on, so that imports keep the given dates.
CREATE FUNCTION audit_trigger_function() RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at = NOW();
        RETURN NEW;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

-- Writes the change log. Arguments: the column with the project's id ('' for none), then `content` to omit that column: a
-- content may be large, so it is removed before the row becomes JSON. Runs as the owner: a role that may change a row may not write, read or skip the log.
CREATE FUNCTION record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
DECLARE
    old_row jsonb;
    new_row jsonb;
    changed_row jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        IF TG_ARGV[1] = 'content' THEN
            OLD.content := NULL;
        END IF;
        old_row := to_jsonb(OLD) - TG_ARGV[1:];
    END IF;
    IF TG_OP <> 'DELETE' THEN
        IF TG_ARGV[1] = 'content' THEN
            NEW.content := NULL;
        END IF;
        new_row := to_jsonb(NEW) - TG_ARGV[1:];
    END IF;
    changed_row := coalesce(new_row, old_row);
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES (
        TG_TABLE_NAME,
        (changed_row ->> 'id')::uuid,
        (changed_row ->> TG_ARGV[0])::uuid,
        lower(TG_OP),
        old_row,
        new_row,
        current_user_id(),
        nullif(current_setting('app.trace_id', true), '')
    );
    RETURN NULL;
END
$$;

-- Deletes up to `max_rows` changes older than `retention` and moves the horizon. It locks the horizon first, so that
-- concurrent calls run one after the other and do not deadlock on rows of the log.
CREATE FUNCTION trim_change_log(retention interval, max_rows integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = content, pg_temp
BEGIN ATOMIC
    SELECT FROM change_log_horizon FOR UPDATE;
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - retention
        ORDER BY transaction_id, position LIMIT max_rows
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position
    ), moved AS (
        UPDATE change_log_horizon h SET transaction_id = last.transaction_id, position = last.position
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;

-- For each job of `dafnck maintain`, the seconds since its last run began and whether it failed, for the service's
-- metrics. Before the first run: one row for all jobs with the age of the schema.
CREATE FUNCTION maintenance_status() RETURNS TABLE (job TEXT, age DOUBLE PRECISION, failed BOOLEAN)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT r.job, extract(epoch FROM now() - r.started_at)::float8, r.error IS NOT NULL FROM maintenance_runs r
    UNION ALL
    SELECT 'all', extract(epoch FROM now() - min(m.applied_at))::float8, FALSE FROM schema_migrations m
    WHERE NOT EXISTS (SELECT 1 FROM maintenance_runs)
    HAVING count(*) > 0
$$;

CREATE TRIGGER documents_updated_at_trigger
    BEFORE UPDATE ON documents
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER file_attachments_updated_at_trigger
    BEFORE UPDATE ON file_attachments
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER comments_updated_at_trigger
    BEFORE UPDATE ON comments
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
CREATE TRIGGER comments_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON comments
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id', 'content', 'anchor_quote');
CREATE TRIGGER comment_reactions_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON comment_reactions
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');

-- Versions. These triggers are skipped without a current user: the worker writes versions itself.

-- A change of title or content is a new version, even if the statement does not count; and no statement skips a number.
CREATE FUNCTION assign_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    IF NEW.version = OLD.version
        AND (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content) THEN
        NEW.version := OLD.version + 1;
    ELSIF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
        RAISE EXCEPTION 'version % does not follow version %', NEW.version, OLD.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'chk_consecutive_versions';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER documents_version_trigger
    BEFORE UPDATE OF title, content, version ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL)
    EXECUTE FUNCTION assign_document_version();

-- Stores each version as a row. The change summary comes as `app.change_summary`.
CREATE FUNCTION insert_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    INSERT INTO document_versions (document_id, version_number, title, content, change_summary, author_id)
    VALUES (NEW.id, NEW.version, NEW.title, coalesce(NEW.content, ''),
        nullif(current_setting('app.change_summary', true), ''), current_user_id());
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_first_version_trigger
    AFTER INSERT ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL) EXECUTE FUNCTION insert_document_version();
CREATE TRIGGER documents_next_version_trigger
    AFTER UPDATE ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL AND NEW.version <> OLD.version)
    EXECUTE FUNCTION insert_document_version();

-- Attachments and comments are deleted with their document; the worker finds the files of attachments through the change
-- log.
CREATE FUNCTION delete_of_document() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    DELETE FROM file_attachments WHERE entity_type = 'document' AND entity_id = OLD.id;
    DELETE FROM comments WHERE entity_type = 'document' AND entity_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_deletion_trigger
    AFTER DELETE ON documents FOR EACH ROW EXECUTE FUNCTION delete_of_document();

-- Comments

-- A reply has no replies.
CREATE FUNCTION validate_comment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM comments c WHERE c.id = NEW.parent_id AND c.parent_id IS NOT NULL) THEN
        RAISE EXCEPTION 'a reply has no replies'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'chk_comment_parent';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER comments_validation_trigger
    BEFORE INSERT OR UPDATE OF parent_id ON comments
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION validate_comment();

-- Another content is another version, and deleting a comment deletes all that was written.
CREATE FUNCTION assign_comment_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        NEW.content := '';
        NEW.mentioned_user_ids := '{}';
        NEW.attachment_ids := '{}';
        NEW.version := 0;
        NEW.anchor_version := NULL;
        NEW.anchor_start := NULL;
        NEW.anchor_end := NULL;
        NEW.anchor_quote := NULL;
        NEW.anchor_outdated := FALSE;
    ELSIF NEW.content IS DISTINCT FROM OLD.content THEN
        NEW.version := OLD.version + 1;
        NEW.edited_at := now();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER comments_version_trigger
    BEFORE UPDATE OF content, deleted_at ON comments FOR EACH ROW EXECUTE FUNCTION assign_comment_version();

-- Keeps the earlier content, or none of a deleted comment.
CREATE FUNCTION keep_comment_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        DELETE FROM comment_versions WHERE comment_id = NEW.id;
        DELETE FROM comment_reactions WHERE comment_id = NEW.id;
    ELSE
        INSERT INTO comment_versions (comment_id, version_number, content, created_at)
        VALUES (OLD.id, OLD.version, OLD.content, OLD.edited_at);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER comments_history_trigger
    AFTER UPDATE OF content, deleted_at ON comments
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION keep_comment_version();

-- Those of these users who may read a project, in the same order.
CREATE FUNCTION readers_among(project uuid, users uuid[]) RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT coalesce(array_agg(u.id ORDER BY u.place), '{}')
    FROM unnest(users) WITH ORDINALITY u(id, place)
    JOIN project_access a ON a.project_id = project AND NOT a.deleted
    WHERE a.visibility <> 'private'
        OR EXISTS (SELECT 1 FROM project_access_members m WHERE m.project_id = project AND m.user_id = u.id)
$$;

-- Search

-- English word forms, without a list of words that are left out: each word of a text can be found.
CREATE TEXT SEARCH DICTIONARY all_english_stem (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION all_words (COPY = english);
ALTER TEXT SEARCH CONFIGURATION all_words
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH all_english_stem;

-- The parts of words that punctuation joins: PostgreSQL takes `login/logout` for a path and `node.js` for a host, each
-- one word.
CREATE FUNCTION parts_of_joined_words(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg(regexp_replace(m[1], '[^[:alnum:]]+', ' ', 'g'), ' '), '')
    FROM regexp_matches(content, '([[:alnum:]]+(?:[^[:alnum:][:space:]]+[[:alnum:]]+)+)', 'g') m);

-- A text as its letters are compared: without accents, without the forms of letters that only look different, as `ﬁ`, and
-- without characters that take no room. Each sign of the scripts that write words without spaces, as Chinese, Japanese
-- and Thai, is a word.
CREATE FUNCTION folded_text(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(
    normalize(
        regexp_replace(
            replace(replace(normalize(content, NFKD), 'ß', 'ss'), 'ς', 'σ'),
            '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u00ad\u200b-\u200d\u2060\ufeff]', '', 'g'),
        NFKC),
    '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])',
    ' \1 ', 'g');

-- The words of a text, followed by the parts of those that punctuation joins and by the words as they are compared.
CREATE FUNCTION words_and_parts(content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    words tsvector := to_tsvector('content.all_words', content);
BEGIN
    IF content ~ '[[:alnum:]][^[:alnum:][:space:]]+[[:alnum:]]' THEN
        words := words || to_tsvector('content.all_words', content.parts_of_joined_words(content));
    END IF;
    IF content ~ '[^\x01-\x7f]' THEN
        words := words || to_tsvector('content.all_words', content.folded_text(content));
    END IF;
    RETURN words;
END
$$;

CREATE INDEX idx_comments_words ON comments USING GIN (words_and_parts(content));

-- The title has a higher weight (A) than the content (D). A content with more different words than a tsvector can hold
-- (1 MiB) is indexed by its beginning.
CREATE FUNCTION document_search_vector(title text, content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    words tsvector := setweight(content.words_and_parts(title), 'A');
    kept integer := char_length(content);
BEGIN
    IF content IS NULL OR content = '' THEN
        RETURN words;
    END IF;
    LOOP
        BEGIN
            RETURN words || content.words_and_parts(left(content, kept));
        EXCEPTION WHEN program_limit_exceeded THEN
            kept := kept / 2;
        END;
    END LOOP;
END
$$;

-- The query of a text in web search syntax. Frequent words, as `the`, narrow a search only if it has no others. Words
-- that punctuation joins are found as they are and by their parts. A text without any word is rejected.
CREATE FUNCTION parse_search_query(query text) RETURNS tsquery
LANGUAGE plpgsql STABLE SET search_path = content, pg_temp
AS $$
DECLARE
    words tsquery := websearch_to_tsquery('english', query);
BEGIN
    IF numnode(words) = 0 THEN
        words := websearch_to_tsquery('content.all_words', query);
    END IF;
    -- A condition that excludes words must not be weakened by an alternative.
    IF query !~ '"|(^|[[:space:]])-' THEN
        IF query ~ '[[:alnum:]][^[:alnum:][:space:]]+[[:alnum:]]' THEN
            words := words
                || websearch_to_tsquery('english', regexp_replace(query, '[^[:alnum:][:space:]]+', ' ', 'g'));
        END IF;
        IF query ~ '[^\x01-\x7f]' THEN
            words := words || websearch_to_tsquery('english', (
                -- The signs of a word without spaces in their sequence.
                SELECT string_agg(CASE lower(word) WHEN 'or' THEN word ELSE format('"%s"', folded_text(word)) END, ' ')
                FROM regexp_split_to_table(query, '[[:space:]]+') word));
        END IF;
    END IF;
    IF numnode(words) = 0 THEN
        RAISE EXCEPTION 'the text has no word to search for'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'search_query_has_words';
    END IF;
    RETURN words;
END
$$;

CREATE FUNCTION update_document_search() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO document_search (document_id, project_id, search_vector)
        VALUES (NEW.id, NEW.project_id, document_search_vector(NEW.title, NEW.content));
    ELSE
        UPDATE document_search SET search_vector = document_search_vector(NEW.title, NEW.content)
        WHERE document_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_search_insert_trigger
    AFTER INSERT ON documents FOR EACH ROW EXECUTE FUNCTION update_document_search();
CREATE TRIGGER documents_search_update_trigger
    AFTER UPDATE OF title, content ON documents
    FOR EACH ROW WHEN (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content)
    EXECUTE FUNCTION update_document_search();

-- The projects that the caller may read, as the policies ask, and whether their documents and comments are among what
-- the caller may read: a member may have lost the permission.
CREATE VIEW readable_project_access AS
    SELECT a.project_id,
        (m.permissions -> 'document_read') IS DISTINCT FROM 'false'::jsonb AS reads_documents,
        (m.permissions -> 'comment_read') IS DISTINCT FROM 'false'::jsonb AS reads_comments
    FROM project_access a
    LEFT JOIN project_access_members m ON m.project_id = a.project_id AND m.user_id = current_user_id()
    WHERE NOT a.deleted
        AND current_user_id() IS NOT NULL
        AND (a.visibility = 'public'
            OR (a.visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
            OR m.user_id IS NOT NULL);

-- The ids of matching documents that the caller may read, in these projects or in all if NULL. Under row-level security
-- PostgreSQL would not use the index, because the operator is not leakproof. So this function reads as the owner,
-- checks access itself, and returns only ids: the caller reads the rows under the policies.
CREATE FUNCTION search_documents(query tsquery, projects uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000 SET search_path = content, pg_temp
AS $$
    SELECT s.document_id FROM document_search s
    WHERE s.search_vector @@ query
        AND s.project_id IN (
            SELECT r.project_id FROM readable_project_access r
            WHERE r.reads_documents AND (projects IS NULL OR r.project_id = ANY (projects)))
$$;

-- As `search_documents`, of comments.
CREATE FUNCTION search_comments(query tsquery, projects uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000 SET search_path = content, pg_temp
AS $$
    SELECT c.id FROM comments c
    WHERE words_and_parts(c.content) @@ query
        AND c.project_id IN (
            SELECT r.project_id FROM readable_project_access r
            WHERE r.reads_comments AND (projects IS NULL OR r.project_id = ANY (projects)))
$$;

-- How many comments each entity has, without deleted ones, and how many of them begin an open thread; 0 for one that the
-- caller may not read.
CREATE FUNCTION count_comments(entity_types text[], entity_ids uuid[])
RETURNS TABLE (place integer, comment_count integer, open_count integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT e.place::integer, count(r.project_id)::integer,
        (count(r.project_id) FILTER (WHERE c.parent_id IS NULL AND c.resolved_at IS NULL))::integer
    FROM unnest(entity_types, entity_ids) WITH ORDINALITY e(entity_type, entity_id, place)
    LEFT JOIN comments c ON c.entity_type = e.entity_type AND c.entity_id = e.entity_id AND c.deleted_at IS NULL
    LEFT JOIN readable_project_access r ON r.project_id = c.project_id AND r.reads_comments
    GROUP BY e.place ORDER BY e.place
$$;

-- The ids of up to `max_documents` documents of one project that the caller may read, in the order `created`, `updated` or
-- `title`; a page starts after the document with the key `after_key` in that order and the id `after_id`.
--
-- Each order is a statement of its own, planned once for all projects. It walks the index of the order whatever the
-- statistics say, which lag behind an import: without sorts, no other plan is left. The first page has no document before
-- it and starts at the end of the index.
CREATE FUNCTION list_project_documents(
    project uuid, ordering text, descending boolean, after_key text, after_id uuid, max_documents integer
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = content, pg_temp
SET enable_sort = off SET enable_incremental_sort = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    from_title text := CASE WHEN ordering = 'title' THEN coalesce(after_key, '') END;
    from_time timestamptz := CASE WHEN ordering <> 'title' THEN
        coalesce(after_key, CASE WHEN descending THEN 'infinity' ELSE '-infinity' END) END;
    from_id uuid := coalesce(after_id, CASE WHEN descending THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        ELSE '00000000-0000-0000-0000-000000000000' END::uuid);
    -- Compared with 0: the first page has the documents at its position, a later one only those behind it.
    from_side integer := CASE WHEN after_id IS NOT NULL THEN 0 WHEN descending THEN 1 ELSE -1 END;
BEGIN
    PERFORM 1 FROM readable_project_access r WHERE r.project_id = project AND r.reads_documents;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    CASE concat(ordering, CASE WHEN descending THEN ' desc' ELSE ' asc' END)
    WHEN 'created desc' THEN
        RETURN QUERY SELECT d.id FROM documents d WHERE d.project_id = project
            AND (d.created_at, d.id, 0) < (from_time, from_id, from_side)
            ORDER BY d.created_at DESC, d.id DESC LIMIT max_documents;
    WHEN 'created asc' THEN
        RETURN QUERY SELECT d.id FROM documents d WHERE d.project_id = project
            AND (d.created_at, d.id, 0) > (from_time, from_id, from_side)
            ORDER BY d.created_at, d.id LIMIT max_documents;
    WHEN 'updated desc' THEN
        RETURN QUERY SELECT d.id FROM documents d WHERE d.project_id = project
            AND (d.updated_at, d.id, 0) < (from_time, from_id, from_side)
            ORDER BY d.updated_at DESC, d.id DESC LIMIT max_documents;
    WHEN 'updated asc' THEN
        RETURN QUERY SELECT d.id FROM documents d WHERE d.project_id = project
            AND (d.updated_at, d.id, 0) > (from_time, from_id, from_side)
            ORDER BY d.updated_at, d.id LIMIT max_documents;
    WHEN 'title asc' THEN
        RETURN QUERY SELECT d.id FROM documents d WHERE d.project_id = project
            AND (lower(d.title), d.id, 0) > (lower(from_title), from_id, from_side)
            ORDER BY lower(d.title), d.id LIMIT max_documents;
    END CASE;
END
$$;

-- Uploads. These functions run as the owner: requests do not decide what becomes of uploads and parts.

-- Registers a part of the caller's upload before it is written; false if the upload takes none. Closing an upload waits
-- for this, and so leaves no part behind.
CREATE FUNCTION register_part(upload uuid, part uuid, part_path text, start bigint, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM uploads WHERE id = upload AND uploader_id = current_user_id() AND state = 'open' FOR SHARE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO stored_parts (id, path, upload_id, position, changed_at) VALUES (part, part_path, upload, start, at);
    RETURN TRUE;
END
$$;

-- Records that a part of the caller's upload is written, and moves the upload from `old_size` to `new_size` bytes.
-- False if the upload is not at `old_size`: then the part is garbage. An earlier part at the same offset held the
-- beginning of this one and becomes garbage. May register the next part as well, to save a round trip.
CREATE FUNCTION commit_part(
    upload uuid, part uuid, old_size bigint, new_size bigint, new_digest bytea, detected_type text, at timestamptz,
    expires timestamptz, next_part uuid, next_path text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
DECLARE
    start bigint;
BEGIN
    PERFORM 1 FROM uploads
    WHERE id = upload AND uploader_id = current_user_id() AND state = 'open' AND committed_size = old_size
        AND expires_at > at
    FOR UPDATE;
    IF NOT FOUND THEN
        UPDATE stored_parts p SET state = 'garbage', upload_id = NULL, size = new_size - position, changed_at = at
        WHERE p.id = part AND p.state = 'pending'
            AND EXISTS (SELECT 1 FROM uploads u WHERE u.id = p.upload_id AND u.uploader_id = current_user_id());
        RETURN FALSE;
    END IF;
    SELECT position INTO start FROM stored_parts
    WHERE id = part AND upload_id = upload AND state = 'pending' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE stored_parts SET state = 'garbage', upload_id = NULL, changed_at = at
    WHERE upload_id = upload AND position = start AND state = 'stored';
    UPDATE stored_parts SET state = 'stored', size = new_size - start, changed_at = at WHERE id = part;
    UPDATE uploads SET committed_size = new_size, digest = new_digest, mime_type = coalesce(detected_type, mime_type),
        expires_at = expires
    WHERE id = upload;
    IF next_part IS NOT NULL THEN
        INSERT INTO stored_parts (id, path, upload_id, position, changed_at)
        VALUES (next_part, next_path, upload, new_size, at);
    END IF;
    RETURN TRUE;
END
$$;

-- Completes the caller's upload and returns the blob of its bytes and the path of its first part; no row if the upload
-- is not at `expected_size` bytes. Bytes that exist already are stored once, but no caller learns whether they did: no
-- role of requests may read blobs. Locks the blob until the transaction ends.
CREATE FUNCTION complete_upload(upload uuid, expected_size bigint, hash text, at timestamptz)
RETURNS TABLE (blob_id uuid, storage_path text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stored_blob uuid;
BEGIN
    UPDATE uploads SET state = 'completed', digest = NULL
    WHERE id = upload AND state = 'open' AND uploader_id = current_user_id() AND committed_size = expected_size;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO blobs AS b (id, sha256, size, released_at) VALUES (upload, hash, expected_size, at)
    ON CONFLICT (sha256) DO UPDATE SET released_at = excluded.released_at
    RETURNING b.id INTO stored_blob;
    IF stored_blob = upload THEN
        UPDATE stored_parts p SET blob_id = upload, upload_id = NULL, changed_at = at
        WHERE p.upload_id = upload AND p.state = 'stored';
    END IF;
    UPDATE stored_parts p SET state = 'garbage', upload_id = NULL, changed_at = at WHERE p.upload_id = upload;
    RETURN QUERY SELECT stored_blob, p.path FROM stored_parts p
        WHERE p.blob_id = stored_blob ORDER BY p.position LIMIT 1;
END
$$;

-- Cancels the caller's upload; false if it is not open.
CREATE FUNCTION cancel_upload(upload uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    UPDATE uploads SET state = 'cancelled', digest = NULL
    WHERE id = upload AND uploader_id = current_user_id() AND state = 'open';
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE stored_parts SET state = 'garbage', upload_id = NULL, changed_at = at WHERE upload_id = upload;
    RETURN TRUE;
END
$$;

-- One round of the garbage collector: expires uploads, deletes those that were closed long ago, and marks parts that
-- nothing refers to as garbage. Returns how many rows it handled. A blob is locked before its references are counted:
-- an upload of the same bytes either precedes and is counted, or waits and creates a blob of its own.
CREATE FUNCTION collect_garbage(
    at timestamptz, released_before timestamptz, closed_before timestamptz, max_rows integer
) RETURNS bigint
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
DECLARE
    candidate uuid;
    handled bigint := 0;
    deleted bigint;
BEGIN
    FOR candidate IN
        SELECT id FROM uploads WHERE state = 'open' AND expires_at <= at
        ORDER BY expires_at LIMIT max_rows FOR UPDATE SKIP LOCKED
    LOOP
        handled := handled + 1;
        UPDATE uploads SET state = 'expired', digest = NULL WHERE id = candidate;
        UPDATE stored_parts SET state = 'garbage', upload_id = NULL, changed_at = at WHERE upload_id = candidate;
    END LOOP;
    DELETE FROM uploads WHERE id IN (
        SELECT id FROM uploads WHERE state <> 'open' AND expires_at < closed_before
        ORDER BY id LIMIT max_rows FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    handled := handled + deleted;
    FOR candidate IN
        SELECT id FROM blobs WHERE released_at <= released_before
        ORDER BY released_at LIMIT max_rows FOR UPDATE SKIP LOCKED
    LOOP
        handled := handled + 1;
        IF EXISTS (SELECT 1 FROM file_attachments f WHERE f.blob_id = candidate) THEN
            UPDATE blobs SET released_at = NULL WHERE id = candidate;
        ELSE
            UPDATE stored_parts SET state = 'garbage', blob_id = NULL, changed_at = at WHERE blob_id = candidate;
            DELETE FROM blobs WHERE id = candidate;
        END IF;
    END LOOP;
    RETURN handled;
END
$$;

-- Project access

-- The projects of documents, attachments, comments and uploads, for any caller: the service needs them to find out whether its
-- copy of that project's access is recent enough.
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
CREATE FUNCTION project_of_comment(comment_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT c.project_id FROM comments c WHERE c.id = comment_uuid
$$;
-- Of a task, which another service stores, by its attachments and comments.
CREATE FUNCTION project_of_known_task(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT coalesce(
        (SELECT f.project_id FROM file_attachments f WHERE f.entity_type = 'task' AND f.entity_id = task_uuid LIMIT 1),
        (SELECT c.project_id FROM comments c WHERE c.entity_type = 'task' AND c.entity_id = task_uuid LIMIT 1))
$$;
-- Only for the uploader and for the worker.
CREATE FUNCTION project_of_upload(upload_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT u.project_id FROM uploads u
    WHERE u.id = upload_uuid AND (current_user_id() IS NULL OR u.uploader_id = current_user_id())
$$;

-- Whether a user is a member. A caller sees only their own membership.
CREATE FUNCTION is_member(project uuid, who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM project_access_members m WHERE m.project_id = project AND m.user_id = who)
$$;

-- Deletes up to `max_rows` attachments, comments and documents of deleted projects, and returns how many.
CREATE FUNCTION purge_deleted_projects(max_rows integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
DECLARE
    project uuid;
    gone uuid[];
BEGIN
    SELECT p.project_id INTO project FROM projects_to_purge p ORDER BY p.project_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    gone := ARRAY(SELECT f.id FROM file_attachments f WHERE f.project_id = project LIMIT max_rows);
    DELETE FROM file_attachments f WHERE f.id = ANY (gone);
    IF cardinality(gone) = 0 THEN
        gone := ARRAY(SELECT c.id FROM comments c WHERE c.project_id = project LIMIT max_rows);
        DELETE FROM comments c WHERE c.id = ANY (gone);
    END IF;
    IF cardinality(gone) = 0 THEN
        gone := ARRAY(SELECT d.id FROM documents d WHERE d.project_id = project LIMIT max_rows);
        DELETE FROM documents d WHERE d.id = ANY (gone);
    END IF;
    IF cardinality(gone) = 0 THEN
        DELETE FROM projects_to_purge p WHERE p.project_id = project;
    END IF;
    -- One more than the rows: the project is looked at again.
    RETURN cardinality(gone) + 1;
END
$$;

-- Copies the states of projects, given as [{"project_id", "revision", "deleted", "visibility", "status",
-- "members": [{"user_id", "role", "permissions"}]}], and skips those that are not newer. A deleted project is hidden at
-- once; what is in it is deleted afterwards by `purge_deleted_projects`.
CREATE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    FOR state IN SELECT value FROM jsonb_array_elements(states) ORDER BY value ->> 'project_id' LOOP
        INSERT INTO project_access AS a (project_id, revision, deleted, visibility, status)
        VALUES (
            (state ->> 'project_id')::uuid, (state ->> 'revision')::bigint, (state ->> 'deleted')::boolean,
            state ->> 'visibility', state ->> 'status'
        )
        ON CONFLICT (project_id) DO UPDATE
            SET revision = excluded.revision, deleted = excluded.deleted,
                visibility = excluded.visibility, status = excluded.status
            WHERE a.revision < excluded.revision;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM project_access_members WHERE project_id = (state ->> 'project_id')::uuid;
        INSERT INTO project_access_members (project_id, user_id, role, permissions)
        SELECT (state ->> 'project_id')::uuid, (m ->> 'user_id')::uuid, m ->> 'role', m -> 'permissions'
        FROM jsonb_array_elements(state -> 'members') m;
        IF (state ->> 'deleted')::boolean THEN
            INSERT INTO projects_to_purge (project_id) VALUES ((state ->> 'project_id')::uuid) ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
END
$$;

-- Reads of single documents by many callers in one call, each as a transaction of its own would see it: before a row is read,
-- its caller is set, and the policies decide for that caller. Not SECURITY DEFINER: the policies are those of the role
-- that calls. Columns are in the order in which the service reads them.
CREATE FUNCTION gather_documents(callers uuid[], trace_ids text[], document_ids uuid[])
RETURNS TABLE (
    slot integer, access_project_id uuid, access_visibility text, access_status text, access_role text,
    access_permissions jsonb,
    id uuid, project_id uuid, title varchar, content_type varchar, author_id uuid, version integer,
    status document_status, tags text[], metadata jsonb, created_at timestamptz, updated_at timestamptz,
    published_at timestamptz, row_version xid, content text)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(callers) LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        RETURN QUERY
        SELECT i, a.project_id, a.visibility, a.status, m.role, m.permissions,
            d.id, d.project_id, d.title, d.content_type, d.author_id, d.version, d.status, d.tags, d.metadata,
            d.created_at, d.updated_at, d.published_at, d.xmin, d.content
        FROM content.documents d
        JOIN content.project_access a ON a.project_id = d.project_id
        LEFT JOIN content.project_access_members m ON m.project_id = d.project_id AND m.user_id = callers[i]
        WHERE d.id = document_ids[i];
    END LOOP;
END
$$;

-- == Row-level security ==

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
-- No policy: only the owner sees them.
ALTER TABLE table_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY change_log_worker_policy ON change_log FOR SELECT TO content_worker USING (TRUE);
CREATE POLICY idempotency_access_policy ON idempotency_keys FOR ALL TO application_role
    USING (caller_id = current_user_id());
CREATE POLICY idempotency_worker_policy ON idempotency_keys FOR ALL TO content_worker USING (TRUE);

ALTER TABLE project_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_access_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_membership_policy ON project_access_members FOR SELECT TO application_role
    USING (user_id = current_user_id());
-- The projects that the caller may read. The policies of all other tables query this one.
CREATE POLICY project_access_policy ON project_access FOR SELECT TO application_role
    USING (
        NOT deleted
        AND current_user_id() IS NOT NULL
        AND (
            visibility = 'public'
            OR (visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
            OR EXISTS (SELECT 1 FROM project_access_members m
                       WHERE m.project_id = project_access.project_id AND m.user_id = current_user_id())
        )
    );
CREATE POLICY project_access_worker_policy ON project_access FOR ALL TO content_worker USING (TRUE);
CREATE POLICY membership_worker_policy ON project_access_members FOR ALL TO content_worker USING (TRUE);

ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE blobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE file_attachments ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE stored_parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_search ENABLE ROW LEVEL SECURITY;
ALTER TABLE comments ENABLE ROW LEVEL SECURITY;
ALTER TABLE comment_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE comment_reactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE projects_to_purge ENABLE ROW LEVEL SECURITY;

-- Whoever may read a project sees its documents and attachments; members change them.
CREATE POLICY document_access_policy ON documents FOR SELECT TO application_role
    USING (CASE WHEN project_id = (SELECT current_project_id())
        THEN (SELECT EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = current_project_id()))
        ELSE EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = documents.project_id) END);
CREATE POLICY document_insert_policy ON documents FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_update_policy ON documents FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_delete_policy ON documents FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = documents.project_id AND m.user_id = current_user_id()));
CREATE POLICY document_search_access_policy ON document_search FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = document_search.project_id));

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

-- Whoever sees a document sees its versions; members add them. Nobody changes one.
CREATE POLICY version_access_policy ON document_versions FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM documents d WHERE d.id = document_id));
CREATE POLICY version_insert_policy ON document_versions FOR INSERT TO application_role
    WITH CHECK (
        EXISTS (SELECT 1 FROM documents d JOIN project_access_members m USING (project_id)
                WHERE d.id = document_id AND m.user_id = current_user_id())
    );

-- Whoever may read a project sees its comments with their versions and reactions; members write comments and react as
-- themselves. Nobody deletes a comment: it loses its content.
CREATE POLICY comment_access_policy ON comments FOR SELECT TO application_role
    USING (CASE WHEN project_id = (SELECT current_project_id())
        THEN (SELECT EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = current_project_id()))
        ELSE EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = comments.project_id) END);
CREATE POLICY comment_insert_policy ON comments FOR INSERT TO application_role
    WITH CHECK (author_id = current_user_id()
        AND EXISTS (SELECT 1 FROM project_access_members m
                    WHERE m.project_id = comments.project_id AND m.user_id = current_user_id()));
CREATE POLICY comment_update_policy ON comments FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = comments.project_id AND m.user_id = current_user_id()));
CREATE POLICY comment_version_access_policy ON comment_versions FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM comments c WHERE c.id = comment_id));
CREATE POLICY reaction_access_policy ON comment_reactions FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = comment_reactions.project_id));
CREATE POLICY reaction_insert_policy ON comment_reactions FOR INSERT TO application_role
    WITH CHECK (user_id = current_user_id()
        AND EXISTS (SELECT 1 FROM project_access_members m
                    WHERE m.project_id = comment_reactions.project_id AND m.user_id = current_user_id()));
CREATE POLICY reaction_delete_policy ON comment_reactions FOR DELETE TO application_role
    USING (user_id = current_user_id());

-- An upload is visible to its uploader while they are a member, and its parts with it; the parts of a blob to whoever
-- sees an attachment of it. Blobs are visible to no request.
CREATE POLICY upload_policy ON uploads FOR ALL TO application_role
    USING (uploader_id = current_user_id()
        AND EXISTS (SELECT 1 FROM project_access_members m
                    WHERE m.project_id = uploads.project_id AND m.user_id = current_user_id()));
CREATE POLICY part_access_policy ON stored_parts FOR SELECT TO application_role
    USING (
        EXISTS (SELECT 1 FROM file_attachments f WHERE f.blob_id = stored_parts.blob_id)
        OR EXISTS (SELECT 1 FROM uploads u WHERE u.id = stored_parts.upload_id)
    );

CREATE POLICY document_worker_policy ON documents FOR ALL TO content_worker USING (TRUE);
CREATE POLICY attachment_worker_policy ON file_attachments FOR ALL TO content_worker USING (TRUE);
CREATE POLICY version_worker_policy ON document_versions FOR ALL TO content_worker USING (TRUE);
CREATE POLICY comment_worker_policy ON comments FOR ALL TO content_worker USING (TRUE);
CREATE POLICY comment_version_worker_policy ON comment_versions FOR ALL TO content_worker USING (TRUE);
CREATE POLICY reaction_worker_policy ON comment_reactions FOR ALL TO content_worker USING (TRUE);
CREATE POLICY upload_worker_policy ON uploads FOR ALL TO content_worker USING (TRUE);
CREATE POLICY blob_worker_policy ON blobs FOR ALL TO content_worker USING (TRUE);
CREATE POLICY part_worker_policy ON stored_parts FOR ALL TO content_worker USING (TRUE);
CREATE POLICY project_to_purge_worker_policy ON projects_to_purge FOR ALL TO content_worker USING (TRUE);

-- == Grants ==

-- By default PostgreSQL lets everybody execute a function.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA content FROM PUBLIC;
GRANT USAGE ON SCHEMA content TO content_service, content_worker;
GRANT EXECUTE ON FUNCTION current_user_id() TO content_service, content_worker;
GRANT EXECUTE ON FUNCTION current_project_id() TO content_service;
GRANT SELECT, INSERT ON idempotency_keys TO content_service;
GRANT SELECT, DELETE ON idempotency_keys TO content_worker;
GRANT SELECT ON change_log, change_log_horizon TO content_worker;
GRANT EXECUTE ON FUNCTION trim_change_log(interval, integer), maintenance_status() TO content_worker;

GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO content_service;
GRANT SELECT, INSERT, UPDATE (filename, metadata), DELETE ON file_attachments TO content_service;
GRANT SELECT, INSERT ON document_versions, uploads TO content_service;
GRANT SELECT, INSERT, UPDATE (content, mentioned_user_ids, attachment_ids, resolved_at, resolver_id, deleted_at) ON comments
    TO content_service;
GRANT SELECT ON comment_versions TO content_service;
GRANT SELECT, INSERT, DELETE ON comment_reactions TO content_service;
GRANT SELECT ON stored_parts, document_search, project_access, project_access_members TO content_service;
GRANT EXECUTE ON FUNCTION folded_text(text), parse_search_query(text), search_documents(tsquery, uuid[]),
    list_project_documents(uuid, text, boolean, text, uuid, integer), is_member(uuid, uuid),
    search_comments(tsquery, uuid[]), count_comments(text[], uuid[]), readers_among(uuid, uuid[]),
    words_and_parts(text), parts_of_joined_words(text),
    gather_documents(uuid[], text[], uuid[]) TO content_service;

-- The worker follows the project service, imports and exports, and collects garbage.
GRANT SELECT, INSERT, UPDATE, DELETE ON documents, uploads TO content_worker;
GRANT SELECT, INSERT, DELETE ON file_attachments TO content_worker;
GRANT SELECT, INSERT, UPDATE (anchor_version, anchor_start, anchor_end, anchor_outdated), DELETE ON comments
    TO content_worker;
GRANT SELECT, INSERT ON document_versions, comment_versions, comment_reactions TO content_worker;
GRANT EXECUTE ON FUNCTION words_and_parts(text), parts_of_joined_words(text) TO content_worker;
GRANT SELECT, UPDATE, DELETE ON blobs, stored_parts TO content_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON project_access, project_access_members, feed_positions TO content_worker;
GRANT SELECT, INSERT ON projects_to_purge TO content_worker;
GRANT EXECUTE ON FUNCTION collect_garbage(timestamptz, timestamptz, timestamptz, integer), apply_project_access(jsonb),
    purge_deleted_projects(integer) TO content_worker;

GRANT EXECUTE ON FUNCTION
    register_part(uuid, uuid, text, bigint, timestamptz),
    commit_part(uuid, uuid, bigint, bigint, bytea, text, timestamptz, timestamptz, uuid, text),
    complete_upload(uuid, bigint, text, timestamptz), cancel_upload(uuid, timestamptz), project_of_document(uuid),
    project_of_attachment(uuid), project_of_comment(uuid), project_of_known_task(uuid), project_of_upload(uuid)
    TO content_service, content_worker;
