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
INSERT INTO project.subscriptions (target_id, target_type, user_id, project_id, reason)
VALUES ('00000000-0000-7000-8000-00000000{n}', 'project', '00000000-0000-7000-8000-0000000000bb', '00000000-0000-7000-8000-00000000{n}', 'choice');
INSERT INTO project.inboxes (user_id, last_position) VALUES ('00000000-0000-7000-8006-00000000{n}', 1);
INSERT INTO project.notifications (user_id, position, kind, reason, project_id, target_type, target_id, sequence, changed_at, changed_fields)
VALUES ('00000000-0000-7000-8006-00000000{n}', 1, 'update', 'choice', '00000000-0000-7000-8000-00000000{n}', 'project', '00000000-0000-7000-8000-00000000{n}', 1, now(), '{name}');
INSERT INTO project.notification_preferences (user_id, project_id, muted_kinds)
VALUES ('00000000-0000-7000-8006-00000000{n}', '00000000-0000-7000-8000-00000000{n}', '{comment}');
INSERT INTO project.webhooks (id, project_id, url, maintainer_id)
VALUES ('00000000-0000-7000-8010-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'https://hooks.example.org/', '00000000-0000-7000-8000-0000000000aa');
INSERT INTO project.webhook_messages (id, project_id, event_type, resource_id, payload, created_at)
VALUES ('00000000-0000-7000-8011-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'task.created', '00000000-0000-7000-8000-00000000{n}', '{}', now());
INSERT INTO project.webhook_deliveries (id, webhook_id, message_id, order_key, next_attempt_at, created_at)
VALUES ('00000000-0000-7000-8012-00000000{n}', '00000000-0000-7000-8010-00000000{n}', '00000000-0000-7000-8011-00000000{n}', '00000000-0000-7000-8000-00000000{n}', now(), now());
