SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

DROP INDEX idx_documents_project_title;
DROP INDEX idx_documents_project_updated;
DROP FUNCTION matching_documents(tsquery, uuid);
DROP TRIGGER documents_changed_words_trigger ON documents;
DROP TRIGGER documents_words_trigger ON documents;
DROP FUNCTION index_document();
DROP FUNCTION document_words(text, text);
DROP TABLE document_search;
