-- Documents as they were first released: triggers keep the versions.
SET app.current_user_id = '00000000-0000-7000-8000-0000000000aa';
INSERT INTO content.project_access (project_id, revision, deleted, visibility, status)
VALUES ('00000000-0000-7000-8000-00000000{n}', 1, FALSE, 'private', 'active');
INSERT INTO content.documents (id, project_id, title, content, author_id, tags)
VALUES ('00000000-0000-7000-8001-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'Flight plan {n}', 'Up.', '00000000-0000-7000-8000-0000000000aa', '{moon}');
UPDATE content.documents SET content = 'Up, and down again.', version = version + 1 WHERE id = '00000000-0000-7000-8001-00000000{n}';
RESET app.current_user_id;
