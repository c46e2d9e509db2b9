-- Files are stored once for equal bytes and arrive in pieces: an upload gathers parts, and ends as a blob, to which
-- attachments refer. An object of the store has exactly one name in its life and is written once; so nothing that is
-- deleted can be what somebody has just begun to use.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

-- The bytes of files, by their hash.
CREATE TABLE blobs (
    id UUID PRIMARY KEY,
    sha256 CHAR(64) NOT NULL CONSTRAINT uq_blobs_sha256 UNIQUE,
    size BIGINT NOT NULL CONSTRAINT chk_blob_size_positive CHECK (size > 0),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    -- When an attachment of it was last deleted or was about to be made. The collector looks at such a blob once,
    -- after the grace period: it goes if no attachment refers to it.
    released_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_blobs_released_at ON blobs (released_at) WHERE released_at IS NOT NULL;

-- Files on their way.
CREATE TABLE uploads (
    id UUID PRIMARY KEY,
    -- The attachment that it becomes.
    attachment_id UUID NOT NULL,
    entity_type VARCHAR(50) NOT NULL CONSTRAINT chk_upload_entity_type
        CHECK (entity_type IN ('task', 'document', 'project')),
    entity_id UUID NOT NULL,
    project_id UUID NOT NULL,
    uploader_id UUID NOT NULL,
    filename VARCHAR(255) NOT NULL,
    original_filename VARCHAR(255) NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    -- As announced; NULL when only the end of the stream tells.
    size BIGINT CONSTRAINT chk_upload_size_positive CHECK (size > 0),
    sha256 CHAR(64),
    state TEXT DEFAULT 'open' NOT NULL CONSTRAINT chk_upload_state
        CHECK (state IN ('open', 'completed', 'cancelled', 'expired')),
    -- How many of its bytes are stored, the state of SHA-256 after them, and their kind.
    committed_size BIGINT DEFAULT 0 NOT NULL,
    digest BYTEA,
    mime_type VARCHAR(100),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX idx_uploads_uploader_id ON uploads (uploader_id) WHERE state = 'open';
CREATE INDEX idx_uploads_expires_at ON uploads (expires_at);
CREATE INDEX idx_uploads_project_id ON uploads (project_id);

-- Objects of the store: each has its row before it is written, and keeps it until it is deleted.
CREATE TABLE stored_parts (
    id UUID PRIMARY KEY,
    path TEXT NOT NULL CONSTRAINT uq_stored_parts_path UNIQUE,
    upload_id UUID REFERENCES uploads(id),
    blob_id UUID REFERENCES blobs(id),
    -- Of its first byte in the file.
    position BIGINT NOT NULL,
    -- 0 as long as it is not known to be written.
    size BIGINT DEFAULT 0 NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL CONSTRAINT chk_part_state CHECK (state IN ('pending', 'stored', 'garbage')),
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT chk_part_has_one_owner CHECK (
        CASE state WHEN 'garbage' THEN num_nonnulls(upload_id, blob_id) = 0 ELSE num_nonnulls(upload_id, blob_id) = 1 END
    )
);
CREATE INDEX idx_stored_parts_upload_id ON stored_parts (upload_id, position) WHERE upload_id IS NOT NULL;
CREATE UNIQUE INDEX idx_stored_parts_blob_id ON stored_parts (blob_id, position) WHERE blob_id IS NOT NULL;
CREATE INDEX idx_stored_parts_garbage ON stored_parts (changed_at) WHERE state = 'garbage';

-- What is there already stays where it is: each file becomes the one part of its blob, and those whose bytes are
-- there a second time become garbage. Nobody changed an attachment, so the change log does not tell of it.
ALTER TABLE file_attachments ADD COLUMN blob_id UUID;
INSERT INTO blobs (id, sha256, size, created_at)
    SELECT DISTINCT ON (sha256) id, sha256, file_size, created_at FROM file_attachments
    ORDER BY sha256, created_at, id;
INSERT INTO stored_parts (id, path, blob_id, position, size, state)
    SELECT f.id, f.storage_path, CASE WHEN f.id = b.id THEN b.id END, 0, f.file_size,
        CASE WHEN f.id = b.id THEN 'stored' ELSE 'garbage' END
    FROM file_attachments f JOIN blobs b ON b.sha256 = f.sha256;
ALTER TABLE file_attachments DISABLE TRIGGER file_attachments_change_trigger;
UPDATE file_attachments f SET blob_id = b.id, storage_path = p.path
    FROM blobs b JOIN stored_parts p ON p.blob_id = b.id WHERE b.sha256 = f.sha256;
ALTER TABLE file_attachments ENABLE TRIGGER file_attachments_change_trigger;
ALTER TABLE file_attachments ALTER COLUMN blob_id SET NOT NULL;
-- Whatever the code above does: what an attachment refers to cannot go.
ALTER TABLE file_attachments ADD CONSTRAINT file_attachments_blob_id_fkey FOREIGN KEY (blob_id) REFERENCES blobs(id);
CREATE INDEX idx_file_attachments_blob_id ON file_attachments (blob_id);

-- Announces a part of the caller's upload that is about to be written; false if the upload takes none. Whoever closes an
-- upload waits for this, and so leaves no part behind. Runs as the owner, as those below do: what becomes of uploads
-- and parts is not for the role of requests to decide.
CREATE FUNCTION announce_part(upload uuid, part uuid, part_path text, start bigint, at timestamptz) RETURNS boolean
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

-- Says that a part of the caller's upload is written, and moves the upload on from where it was believed to be. False
-- if it is elsewhere by now: then the part is garbage. A part that begins at the same place was its beginning, and is
-- garbage from now on. The next part may be announced on the way.
CREATE FUNCTION commit_part(
    upload uuid, part uuid, was bigint, becomes bigint, digest_after bytea, kind text, at timestamptz,
    expires timestamptz, next_part uuid, next_path text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
DECLARE
    start bigint;
BEGIN
    PERFORM 1 FROM uploads
    WHERE id = upload AND uploader_id = current_user_id() AND state = 'open' AND committed_size = was AND expires_at > at
    FOR UPDATE;
    IF NOT FOUND THEN
        UPDATE stored_parts p SET state = 'garbage', upload_id = NULL, size = becomes - position, changed_at = at
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
    UPDATE stored_parts SET state = 'stored', size = becomes - start, changed_at = at WHERE id = part;
    UPDATE uploads SET committed_size = becomes, digest = digest_after, mime_type = coalesce(kind, mime_type),
        expires_at = expires
    WHERE id = upload;
    IF next_part IS NOT NULL THEN
        INSERT INTO stored_parts (id, path, upload_id, position, changed_at)
        VALUES (next_part, next_path, upload, becomes, at);
    END IF;
    RETURN TRUE;
END
$$;

-- Ends the caller's upload, and answers with the blob of its bytes and with the object that they begin in; with nothing
-- if the upload is not as it was believed to be. Bytes that are there already are kept once; whether they were, nobody
-- learns: no role of requests may read blobs. Holds the blob until the transaction ends.
CREATE FUNCTION adopt_upload(upload uuid, was bigint, hash text, at timestamptz)
RETURNS TABLE (blob_id uuid, storage_path text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    kept uuid;
BEGIN
    UPDATE uploads SET state = 'completed', digest = NULL
    WHERE id = upload AND state = 'open' AND uploader_id = current_user_id() AND committed_size = was;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO blobs AS b (id, sha256, size, released_at) VALUES (upload, hash, was, at)
    ON CONFLICT (sha256) DO UPDATE SET released_at = excluded.released_at
    RETURNING b.id INTO kept;
    IF kept = upload THEN
        UPDATE stored_parts p SET blob_id = upload, upload_id = NULL, changed_at = at
        WHERE p.upload_id = upload AND p.state = 'stored';
    END IF;
    UPDATE stored_parts p SET state = 'garbage', upload_id = NULL, changed_at = at WHERE p.upload_id = upload;
    RETURN QUERY SELECT kept, p.path FROM stored_parts p WHERE p.blob_id = kept ORDER BY p.position LIMIT 1;
END
$$;

-- Gives the caller's upload up; false if it is not open.
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

-- One round of the collector: ends uploads whose time is over, forgets those that were closed long ago, and makes garbage
-- of parts that nothing refers to. Answers with how many rows it has dealt with. A blob is held first and asked about
-- then: an upload of the same bytes either comes before, and is seen, or waits and makes a blob of its own.
CREATE FUNCTION collect_garbage(at timestamptz, released_before timestamptz, closed_before timestamptz, at_most integer)
RETURNS bigint
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
DECLARE
    candidate uuid;
    dealt_with bigint := 0;
    forgotten bigint;
BEGIN
    FOR candidate IN
        SELECT id FROM uploads WHERE state = 'open' AND expires_at <= at
        ORDER BY expires_at LIMIT at_most FOR UPDATE SKIP LOCKED
    LOOP
        dealt_with := dealt_with + 1;
        UPDATE uploads SET state = 'expired', digest = NULL WHERE id = candidate;
        UPDATE stored_parts SET state = 'garbage', upload_id = NULL, changed_at = at WHERE upload_id = candidate;
    END LOOP;
    DELETE FROM uploads WHERE id IN (
        SELECT id FROM uploads WHERE state <> 'open' AND expires_at < closed_before
        ORDER BY id LIMIT at_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    dealt_with := dealt_with + forgotten;
    FOR candidate IN
        SELECT id FROM blobs WHERE released_at <= released_before
        ORDER BY released_at LIMIT at_most FOR UPDATE SKIP LOCKED
    LOOP
        dealt_with := dealt_with + 1;
        IF EXISTS (SELECT 1 FROM file_attachments f WHERE f.blob_id = candidate) THEN
            UPDATE blobs SET released_at = NULL WHERE id = candidate;
        ELSE
            UPDATE stored_parts SET state = 'garbage', blob_id = NULL, changed_at = at WHERE blob_id = candidate;
            DELETE FROM blobs WHERE id = candidate;
        END IF;
    END LOOP;
    RETURN dealt_with;
END
$$;

-- Where an upload is going, for its uploader and for background work.
CREATE FUNCTION project_of_upload(upload_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT u.project_id FROM uploads u
    WHERE u.id = upload_uuid AND (current_user_id() IS NULL OR u.uploader_id = current_user_id())
$$;

REVOKE EXECUTE ON FUNCTION
    announce_part(uuid, uuid, text, bigint, timestamptz), cancel_upload(uuid, timestamptz),
    commit_part(uuid, uuid, bigint, bigint, bytea, text, timestamptz, timestamptz, uuid, text),
    adopt_upload(uuid, bigint, text, timestamptz), collect_garbage(timestamptz, timestamptz, timestamptz, integer), project_of_upload(uuid)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    announce_part(uuid, uuid, text, bigint, timestamptz), cancel_upload(uuid, timestamptz),
    commit_part(uuid, uuid, bigint, bigint, bytea, text, timestamptz, timestamptz, uuid, text),
    adopt_upload(uuid, bigint, text, timestamptz), project_of_upload(uuid)
    TO content_service, content_worker;
GRANT EXECUTE ON FUNCTION collect_garbage(timestamptz, timestamptz, timestamptz, integer) TO content_worker;

ALTER TABLE blobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE stored_parts ENABLE ROW LEVEL SECURITY;

-- An upload is its uploader's, as long as they are a member. Blobs are nobody's.
CREATE POLICY upload_policy ON uploads FOR ALL TO application_role
    USING (uploader_id = current_user_id()
        AND EXISTS (SELECT 1 FROM project_access_members m
                    WHERE m.project_id = uploads.project_id AND m.user_id = current_user_id()));
CREATE POLICY upload_worker_policy ON uploads FOR ALL TO content_worker USING (TRUE);
CREATE POLICY blob_worker_policy ON blobs FOR ALL TO content_worker USING (TRUE);
-- Whoever sees an attachment may read its bytes, and an uploader what has arrived of theirs.
CREATE POLICY part_access_policy ON stored_parts FOR SELECT TO application_role
    USING (
        EXISTS (SELECT 1 FROM file_attachments f WHERE f.blob_id = stored_parts.blob_id)
        OR EXISTS (SELECT 1 FROM uploads u WHERE u.id = stored_parts.upload_id)
    );
CREATE POLICY part_worker_policy ON stored_parts FOR ALL TO content_worker USING (TRUE);

GRANT SELECT, INSERT ON uploads TO content_service;
GRANT SELECT ON stored_parts TO content_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON uploads TO content_worker;
GRANT SELECT, UPDATE, DELETE ON blobs, stored_parts TO content_worker;
