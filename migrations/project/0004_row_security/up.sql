-- Who sees and changes which projects.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_revisions ENABLE ROW LEVEL SECURITY;

-- Asked by the policies of project_members, which cannot ask the table they protect.
CREATE FUNCTION is_member(project uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = project AND m.user_id = current_user_id())
$$;
REVOKE EXECUTE ON FUNCTION is_member(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_member(uuid) TO project_service;

CREATE POLICY project_access_policy ON projects
    FOR ALL TO application_role
    USING (
        owner_id = current_user_id()
        OR id IN (
            SELECT project_id FROM project_members
            WHERE user_id = current_user_id()
        )
    );
-- Internal projects are readable for every signed-in user, public ones for anyone.
CREATE POLICY project_visibility_policy ON projects
    FOR SELECT TO application_role
    USING (
        current_user_id() IS NOT NULL
        AND (
            visibility = 'public'
            OR (visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
        )
    );
CREATE POLICY project_worker_policy ON projects FOR ALL TO project_worker USING (TRUE);

CREATE POLICY member_read_policy ON project_members FOR SELECT TO application_role
    USING (user_id = current_user_id() OR is_member(project_id));
CREATE POLICY member_insert_policy ON project_members FOR INSERT TO application_role
    WITH CHECK (is_member(project_id));
CREATE POLICY member_update_policy ON project_members FOR UPDATE TO application_role
    USING (is_member(project_id));
CREATE POLICY member_delete_policy ON project_members FOR DELETE TO application_role
    USING (is_member(project_id));
CREATE POLICY member_worker_policy ON project_members FOR ALL TO project_worker USING (TRUE);
CREATE POLICY access_revision_worker_policy ON access_revisions FOR SELECT TO project_worker USING (TRUE);

GRANT SELECT, INSERT, UPDATE, DELETE ON projects, project_members TO project_service;
GRANT SELECT, INSERT ON projects, project_members TO project_worker;
GRANT SELECT ON access_revisions TO project_worker;
