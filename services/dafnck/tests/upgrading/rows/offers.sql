INSERT INTO project.ownership_transfers (project_id, from_user_id, to_user_id, expires_at)
VALUES ('00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8000-0000000000aa', '00000000-0000-7000-8000-0000000000bb', now() + interval '7 days');
INSERT INTO project.invitations (project_id, email, role, inviter_id, sent_at, expires_at)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'gus{n}@example.org', 'member', '00000000-0000-7000-8000-0000000000aa', now(), now() + interval '7 days');
