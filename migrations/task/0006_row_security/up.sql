-- Who sees and changes which tasks: rows of projects that the caller may read; changes only by members.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_dependencies ENABLE ROW LEVEL SECURITY;

CREATE POLICY task_access_policy ON tasks FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = tasks.project_id));
CREATE POLICY task_insert_policy ON tasks FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_update_policy ON tasks FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_delete_policy ON tasks FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_worker_policy ON tasks FOR ALL TO task_worker USING (TRUE);

-- A dependency is seen by who sees both tasks, and changed by who is a member in both projects.
CREATE POLICY dependency_access_policy ON task_dependencies FOR SELECT TO application_role
    USING (
        EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id)
        AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = depends_on_task_id)
    );
CREATE POLICY dependency_insert_policy ON task_dependencies FOR INSERT TO application_role
    WITH CHECK (
        EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                WHERE t.id = task_id AND m.user_id = current_user_id())
        AND EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                    WHERE t.id = depends_on_task_id AND m.user_id = current_user_id())
    );
CREATE POLICY dependency_delete_policy ON task_dependencies FOR DELETE TO application_role
    USING (
        EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                WHERE t.id = task_id AND m.user_id = current_user_id())
    );
CREATE POLICY dependency_worker_policy ON task_dependencies FOR ALL TO task_worker USING (TRUE);

GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO task_service;
GRANT SELECT, INSERT, DELETE ON task_dependencies TO task_service;
GRANT SELECT, INSERT, DELETE ON tasks, task_dependencies TO task_worker;
