-- What a process writes of tasks, one that waits for another and a subtask, and a list that it reads.
INSERT INTO task.project_access (project_id, revision, deleted, visibility, status, key)
VALUES ('00000000-0000-7000-8000-00000000{n}', 1, FALSE, 'private', 'active', 'T{n}');
INSERT INTO task.project_access_members (project_id, user_id, role, permissions)
VALUES ('00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8000-0000000000aa', 'owner', '{}');
INSERT INTO task.feed_positions (feed, cursor) VALUES ('feed {n}', '1.2');
INSERT INTO task.tasks (id, project_id, title, description, priority, assignee_id, creator_id, estimated_hours, tags, metadata)
VALUES ('00000000-0000-7000-8001-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'build {n}', 'A rocket.', 'high',
    '00000000-0000-7000-8000-0000000000aa', '00000000-0000-7000-8000-0000000000aa', 8, '{steel}', '{"crew": 3}'),
    ('00000000-0000-7000-8002-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'waits {n}', NULL, 'low',
    NULL, '00000000-0000-7000-8000-0000000000aa', NULL, '{}', '{}');
INSERT INTO task.tasks (id, project_id, parent_task_id, title, creator_id)
VALUES ('00000000-0000-7000-8003-00000000{n}', '00000000-0000-7000-8000-00000000{n}', '00000000-0000-7000-8001-00000000{n}', 'weld {n}',
    '00000000-0000-7000-8000-0000000000aa');
INSERT INTO task.task_dependencies (task_id, depends_on_task_id)
VALUES ('00000000-0000-7000-8002-00000000{n}', '00000000-0000-7000-8001-00000000{n}');
INSERT INTO task.milestones (id, project_id, name, due_date)
VALUES ('00000000-0000-7000-8005-00000000{n}', '00000000-0000-7000-8000-00000000{n}', 'landed {n}', '2026-12-24T12:00:00Z');
UPDATE task.tasks SET milestone_id = '00000000-0000-7000-8005-00000000{n}' WHERE id = '00000000-0000-7000-8001-00000000{n}';
INSERT INTO task.time_entries (id, task_id, user_id, started_at, ended_at, note)
VALUES ('00000000-0000-7000-8004-00000000{n}', '00000000-0000-7000-8003-00000000{n}', '00000000-0000-7000-8000-0000000000aa',
    '2026-11-02T08:00:00Z', '2026-11-02T09:30:00Z', 'cold');
UPDATE task.tasks SET status = 'in_progress' WHERE id = '00000000-0000-7000-8003-00000000{n}';
INSERT INTO task.idempotency_keys (caller_id, method, request_id, request_hash, resource_id)
VALUES ('00000000-0000-7000-8000-0000000000aa', 'CreateTask', '00000000-0000-7000-8001-00000000{n}', '\x00', '00000000-0000-7000-8001-00000000{n}');
SET app.current_user_id = '00000000-0000-7000-8000-0000000000aa';
SELECT task.find_tasks('{"statuses": ["in_progress"]}', 'created', TRUE, NULL, NULL, 10);
RESET app.current_user_id;
