-- Attachments that share an object of the store, or say different lengths of the same bytes: from now on an object
-- belongs to one file, and equal bytes are one blob.
SELECT format('content.file_attachments %s: its storage_path %s is also that of %s', f.id, f.storage_path, other.id)
FROM content.file_attachments f JOIN content.file_attachments other ON other.storage_path = f.storage_path AND other.id < f.id
UNION ALL
SELECT format('content.file_attachments %s: %s bytes, but %s has %s with the same sha256', f.id, f.file_size, other.id, other.file_size)
FROM content.file_attachments f
JOIN content.file_attachments other ON other.sha256 = f.sha256 AND other.file_size <> f.file_size AND other.id < f.id
