SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;
DROP TABLE stored_parts, uploads;
ALTER TABLE file_attachments DROP COLUMN blob_id;
DROP TABLE blobs;
DROP FUNCTION announce_part(uuid, uuid, text, bigint, timestamptz), cancel_upload(uuid, timestamptz),
    commit_part(uuid, uuid, bigint, bigint, bytea, text, timestamptz, timestamptz, uuid, text),
    adopt_upload(uuid, bigint, text, timestamptz), collect_garbage(timestamptz, timestamptz, timestamptz, integer), project_of_upload(uuid);
