-- Two attachments of equal bytes.
INSERT INTO content.file_attachments (entity_type, entity_id, filename, original_filename, file_size, mime_type, storage_path, uploader_id, project_id, sha256)
SELECT 'document', '00000000-0000-7000-8001-00000000{n}', 'film.bin', 'Film.bin', 5, 'video/mp4', 'attachments/{n}.' || copy,
    '00000000-0000-7000-8000-0000000000aa', '00000000-0000-7000-8000-00000000{n}', repeat('ab', 30) || '{n}'
FROM generate_series(1, 2) copy;
