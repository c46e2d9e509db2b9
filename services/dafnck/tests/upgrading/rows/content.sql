-- What a process writes of documents, comments and files; triggers keep the versions.
SET app.current_user_id = '00000000-0000-7000-8000-0000000000aa';
INSERT INTO content.project_access (project_id, revision, deleted, visibility, status)
VALUES ('00000000-0000-7000-8000-00000000{n}', 1, FALSE, 'private', 'active');
INSERT INTO content.documents (id, project_id, title, content, author_id, tags)
VALUES ('00000000-0000-7000-8001-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'Flight plan {n}', 'Up.', '00000000-0000-7000-8000-0000000000aa', '{moon}');
UPDATE content.documents SET content = 'Up, and down again.', version = version + 1 WHERE id = '00000000-0000-7000-8001-00000000{n}';
INSERT INTO content.comments (id, project_id, entity_type, entity_id, author_id, content)
VALUES ('00000000-0000-7000-8005-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'document', '00000000-0000-7000-8001-00000000{n}',
    '00000000-0000-7000-8000-0000000000aa', 'Why down?');
UPDATE content.comments SET content = 'Why down again?' WHERE id = '00000000-0000-7000-8005-00000000{n}';
INSERT INTO content.comment_reactions (comment_id, project_id, entity_type, entity_id, user_id, emoji)
VALUES ('00000000-0000-7000-8005-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'document', '00000000-0000-7000-8001-00000000{n}',
    '00000000-0000-7000-8000-0000000000aa', '👍');
RESET app.current_user_id;
INSERT INTO content.blobs (id, sha256, size) VALUES ('00000000-0000-7000-8004-00000000{n}', repeat('cd', 30) || '{n}', 7);
INSERT INTO content.stored_parts (id, path, blob_id, position, size, state)
VALUES (gen_random_uuid(), 'parts/{n}', '00000000-0000-7000-8004-00000000{n}', 0, 7, 'stored');
INSERT INTO content.file_attachments (entity_type, entity_id, filename, original_filename, file_size, mime_type, storage_path, uploader_id, project_id, sha256, blob_id)
VALUES ('document', '00000000-0000-7000-8001-00000000{n}', 'sound.ogg', 'Sound.ogg', 7, 'audio/ogg', 'parts/{n}',
    '00000000-0000-7000-8000-0000000000aa', '00000000-0000-7000-8000-00000000{n}', repeat('cd', 30) || '{n}', '00000000-0000-7000-8004-00000000{n}');
INSERT INTO content.uploads (id, attachment_id, entity_type, entity_id, project_id, uploader_id, filename, original_filename, expires_at)
VALUES (gen_random_uuid(), gen_random_uuid(), 'document', '00000000-0000-7000-8001-00000000{n}', '00000000-0000-7000-8000-00000000{n}',
    '00000000-0000-7000-8000-0000000000aa', 'a', 'a', now() + interval '1 day');
