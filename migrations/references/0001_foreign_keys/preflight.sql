-- Rows that refer to rows that do not exist: possible while the schemas were in databases of their own.
SELECT format('project.projects %s: owner_id %s is not in identity.users', t.id, t.owner_id)
FROM project.projects t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.owner_id)
UNION ALL
SELECT format('project.project_members %s: user_id %s is not in identity.users', t.id, t.user_id)
FROM project.project_members t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.user_id)
UNION ALL
SELECT format('task.tasks %s: project_id %s is not in project.projects', t.id, t.project_id)
FROM task.tasks t WHERE NOT EXISTS (SELECT 1 FROM project.projects r WHERE r.id = t.project_id)
UNION ALL
SELECT format('task.tasks %s: assignee_id %s is not in identity.users', t.id, t.assignee_id)
FROM task.tasks t
WHERE t.assignee_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.assignee_id)
UNION ALL
SELECT format('task.tasks %s: creator_id %s is not in identity.users', t.id, t.creator_id)
FROM task.tasks t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.creator_id)
UNION ALL
SELECT format('content.documents %s: project_id %s is not in project.projects', t.id, t.project_id)
FROM content.documents t WHERE NOT EXISTS (SELECT 1 FROM project.projects r WHERE r.id = t.project_id)
UNION ALL
SELECT format('content.documents %s: author_id %s is not in identity.users', t.id, t.author_id)
FROM content.documents t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.author_id)
UNION ALL
SELECT format('content.document_versions %s: author_id %s is not in identity.users', t.id, t.author_id)
FROM content.document_versions t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.author_id)
UNION ALL
SELECT format('content.file_attachments %s: uploader_id %s is not in identity.users', t.id, t.uploader_id)
FROM content.file_attachments t WHERE NOT EXISTS (SELECT 1 FROM identity.users r WHERE r.id = t.uploader_id)
