-- A version knows its title, and the numbers of versions have no gap, whoever writes.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

ALTER TABLE document_versions ADD COLUMN title VARCHAR(255);
-- What the title of an old version was, nobody has written down. That its row learns one is no change to tell.
ALTER TABLE document_versions DISABLE TRIGGER document_versions_change_trigger;
UPDATE document_versions v SET title = d.title FROM documents d WHERE d.id = v.document_id;
ALTER TABLE document_versions ENABLE TRIGGER document_versions_change_trigger;
ALTER TABLE document_versions ALTER COLUMN title SET NOT NULL;

CREATE OR REPLACE FUNCTION save_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    INSERT INTO document_versions (document_id, version_number, title, content, change_summary, author_id)
    VALUES (NEW.id, NEW.version, NEW.title, coalesce(NEW.content, ''),
        nullif(current_setting('app.change_summary', true), ''), current_user_id());
    RETURN NULL;
END
$$;

-- Another title or content is another version, also for one who forgets to count; and nobody counts further than
-- by one. Background work brings versions with their numbers, and checks these itself.
CREATE FUNCTION number_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    IF NEW.version = OLD.version
        AND (NEW.title IS DISTINCT FROM OLD.title OR NEW.content IS DISTINCT FROM OLD.content) THEN
        NEW.version := OLD.version + 1;
    ELSIF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
        RAISE EXCEPTION 'version % does not follow version %', NEW.version, OLD.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'chk_versions_without_gaps';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER documents_number_trigger
    BEFORE UPDATE OF title, content, version ON documents
    FOR EACH ROW WHEN (current_user_id() IS NOT NULL)
    EXECUTE FUNCTION number_document_version();
