SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

DROP VIEW readable_project_access;
DROP FUNCTION gather_documents, trim_change_log;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, feed_positions,
    projects_to_purge, project_access_members, project_access, comment_reactions, comment_versions, comments, document_search, stored_parts, uploads, file_attachments, blobs,
    document_versions, documents;
DROP FUNCTION apply_project_access, purge_deleted_projects, is_member, project_of_upload, project_of_known_task, project_of_comment, project_of_attachment,
    project_of_document, collect_garbage, cancel_upload, complete_upload, commit_part, register_part,
    list_project_documents, search_documents, search_comments, count_comments, readers_among, validate_comment, assign_comment_version,
    keep_comment_version, update_document_search, document_search_vector, words_and_parts, parse_search_query,
    parts_of_joined_words, folded_text, delete_of_document,
    insert_document_version, assign_document_version, maintenance_status, record_change, audit_trigger_function,
    current_project_id, current_user_id;
DROP TEXT SEARCH CONFIGURATION all_words;
DROP TEXT SEARCH DICTIONARY all_english_stem;
DROP TYPE document_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA content FROM content_service, content_worker;
