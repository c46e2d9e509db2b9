-- Search over titles and contents.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

-- The words of a document, in a table of their own: a change of state or tags does not index the content anew, and
-- nothing that reads documents carries the words along.
CREATE TABLE document_search (
    document_id UUID PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
    project_id UUID NOT NULL,
    words TSVECTOR NOT NULL
);
CREATE INDEX idx_document_search_words ON document_search USING GIN (words);

-- Words of the title weigh more (A) than those of the content (D). A content with more different words than a
-- tsvector can hold (1 MiB) is indexed by its beginning.
CREATE FUNCTION document_words(title text, content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept integer := char_length(content);
BEGIN
    LOOP
        BEGIN
            RETURN setweight(to_tsvector('english', title), 'A') || to_tsvector('english', left(content, kept));
        EXCEPTION WHEN program_limit_exceeded THEN
            kept := kept / 2;
        END;
    END LOOP;
END
$$;

-- Runs as the owner: nobody else writes the words.
CREATE FUNCTION index_document() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = content, pg_temp
AS $$
BEGIN
    INSERT INTO document_search (document_id, project_id, words)
    VALUES (NEW.id, NEW.project_id, document_words(NEW.title, coalesce(NEW.content, '')))
    ON CONFLICT (document_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END
$$;
CREATE TRIGGER documents_words_trigger
    AFTER INSERT ON documents FOR EACH ROW EXECUTE FUNCTION index_document();
CREATE TRIGGER documents_changed_words_trigger
    AFTER UPDATE OF title, content ON documents
    FOR EACH ROW WHEN (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content)
    EXECUTE FUNCTION index_document();

INSERT INTO document_search (document_id, project_id, words)
SELECT id, project_id, document_words(title, coalesce(content, '')) FROM documents;

-- The documents with these words, in one project or in all, that the caller may read. Under a policy, the index could
-- not be used: an operator that might tell on a row is only asked after the policy. So this function looks as the
-- owner, asks for each row what the policy asks, and answers ids alone; who reads the rows does so under the policies.
-- A member without the permission to read documents finds none, as GetDocument refuses them.
CREATE FUNCTION matching_documents(query tsquery, project uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000 SET search_path = content, pg_temp
AS $$
    SELECT s.document_id FROM document_search s
    WHERE s.words @@ query
        AND s.project_id IN (
            SELECT a.project_id FROM project_access a
            LEFT JOIN project_access_members m ON m.project_id = a.project_id AND m.user_id = current_user_id()
            WHERE (project IS NULL OR a.project_id = project)
                AND NOT a.deleted
                AND current_user_id() IS NOT NULL
                AND (a.visibility = 'public'
                    OR (a.visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
                    OR m.user_id IS NOT NULL)
                AND (m.permissions -> 'document_read') IS DISTINCT FROM 'false'::jsonb
        )
$$;
REVOKE EXECUTE ON FUNCTION index_document(), matching_documents(tsquery, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION matching_documents(tsquery, uuid) TO content_service;

ALTER TABLE document_search ENABLE ROW LEVEL SECURITY;
CREATE POLICY document_search_access_policy ON document_search FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = document_search.project_id));
GRANT SELECT ON document_search TO content_service;

-- Further orders of ListDocuments: a page is one walk along one of these.
CREATE INDEX idx_documents_project_updated ON documents(project_id, updated_at DESC, id DESC);
CREATE INDEX idx_documents_project_title ON documents(project_id, lower(title), id);
