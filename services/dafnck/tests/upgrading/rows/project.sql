-- What a process writes of a project; a trigger adds the owner as a member.
INSERT INTO project.projects (id, name, description, owner_id, status, visibility, settings)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'Apollo {n}', 'To the moon.', '00000000-0000-7000-8000-0000000000aa', 'active', 'internal', '{"theme": "dark"}');
INSERT INTO project.project_members (project_id, user_id, role, permissions)
VALUES ('00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8000-0000000000bb', 'viewer', '{"edit_tasks": true}');
UPDATE project.projects SET description = 'To the moon and back.' WHERE id = '00000000-0000-7000-8000-00000000{n}';
INSERT INTO project.ownership_transfers (project_id, from_user_id, to_user_id, expires_at)
VALUES ('00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8000-0000000000aa', '00000000-0000-7000-8000-0000000000bb', now() + interval '7 days');
INSERT INTO project.invitations (project_id, email, role, inviter_id, sent_at, expires_at)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'gus{n}@example.org', 'member', '00000000-0000-7000-8000-0000000000aa', now(), now() + interval '7 days');
