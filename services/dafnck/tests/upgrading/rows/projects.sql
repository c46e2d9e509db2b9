-- Projects as they were first released; the owner becomes a member by a trigger.
INSERT INTO project.projects (id, name, description, owner_id, status, visibility, settings)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'Apollo {n}', 'To the moon.', '00000000-0000-7000-8000-0000000000aa', 'active', 'internal', '{"theme": "dark"}');
INSERT INTO project.project_members (project_id, user_id, role, permissions)
VALUES ('00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8000-0000000000bb', 'viewer', '{"edit_tasks": true}');
UPDATE project.projects SET description = 'To the moon and back.' WHERE id = '00000000-0000-7000-8000-00000000{n}';
