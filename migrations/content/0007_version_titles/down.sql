SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

DROP TRIGGER documents_number_trigger ON documents;
DROP FUNCTION number_document_version();

CREATE OR REPLACE FUNCTION save_document_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
BEGIN
    INSERT INTO document_versions (document_id, version_number, content, change_summary, author_id)
    VALUES (NEW.id, NEW.version, coalesce(NEW.content, ''),
        nullif(current_setting('app.change_summary', true), ''), current_user_id());
    RETURN NULL;
END
$$;

ALTER TABLE document_versions DROP COLUMN title;
