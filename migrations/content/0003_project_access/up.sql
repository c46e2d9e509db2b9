-- This service's copy of who may do what in which project, fed by the project service.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;

-- States are absolute: a higher revision replaces a lower one. A deleted project leaves its row, so that an
-- older state that arrives late does not bring it back. A new snapshot starts by setting all revisions to 0, so
-- that it replaces everything, and ends by marking what it has not named as deleted.
CREATE TABLE project_access (
    project_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    visibility TEXT NOT NULL CONSTRAINT chk_visibility CHECK (visibility IN ('private', 'internal', 'public')),
    status TEXT NOT NULL CONSTRAINT chk_status CHECK (status IN ('active', 'completed', 'archived', 'cancelled'))
);

CREATE TABLE project_access_members (
    project_id UUID NOT NULL REFERENCES project_access(project_id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    role TEXT NOT NULL CONSTRAINT chk_role CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    permissions JSONB NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX idx_project_access_members_user_id ON project_access_members (user_id);

-- How far each change feed of a sibling has been taken over; moved in the transaction of its effects.
CREATE TABLE feed_positions (
    feed TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
);

-- Takes over states, given as [{"project_id", "revision", "deleted", "visibility", "status",
-- "members": [{"user_id", "role", "permissions"}]}], and leaves out those that are not newer.
CREATE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = content, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    FOR state IN SELECT value FROM jsonb_array_elements(states) ORDER BY value ->> 'project_id' LOOP
        INSERT INTO project_access AS a (project_id, revision, deleted, visibility, status)
        VALUES (
            (state ->> 'project_id')::uuid, (state ->> 'revision')::bigint, (state ->> 'deleted')::boolean,
            state ->> 'visibility', state ->> 'status'
        )
        ON CONFLICT (project_id) DO UPDATE
            SET revision = excluded.revision, deleted = excluded.deleted,
                visibility = excluded.visibility, status = excluded.status
            WHERE a.revision < excluded.revision;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM project_access_members WHERE project_id = (state ->> 'project_id')::uuid;
        INSERT INTO project_access_members (project_id, user_id, role, permissions)
        SELECT (state ->> 'project_id')::uuid, (m ->> 'user_id')::uuid, m ->> 'role', m -> 'permissions'
        FROM jsonb_array_elements(state -> 'members') m;
        IF (state ->> 'deleted')::boolean THEN
            DELETE FROM file_attachments WHERE project_id = (state ->> 'project_id')::uuid;
            DELETE FROM documents WHERE project_id = (state ->> 'project_id')::uuid;
        END IF;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION apply_project_access(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION apply_project_access(jsonb) TO content_worker;

-- Whether a user is a member, for naming assignees; a caller sees only their own membership.
CREATE FUNCTION is_member(project uuid, who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = content, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM project_access_members m WHERE m.project_id = project AND m.user_id = who)
$$;
REVOKE EXECUTE ON FUNCTION is_member(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_member(uuid, uuid) TO content_service;

ALTER TABLE project_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_access_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_membership_policy ON project_access_members FOR SELECT TO application_role
    USING (user_id = current_user_id());
-- The projects that the caller may read; the policies of all other tables ask this one.
CREATE POLICY project_access_policy ON project_access FOR SELECT TO application_role
    USING (
        NOT deleted
        AND current_user_id() IS NOT NULL
        AND (
            visibility = 'public'
            OR (visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
            OR EXISTS (SELECT 1 FROM project_access_members m
                       WHERE m.project_id = project_access.project_id AND m.user_id = current_user_id())
        )
    );
CREATE POLICY project_access_worker_policy ON project_access FOR ALL TO content_worker USING (TRUE);
CREATE POLICY membership_worker_policy ON project_access_members FOR ALL TO content_worker USING (TRUE);

GRANT SELECT ON project_access, project_access_members TO content_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON project_access, project_access_members, feed_positions TO content_worker;
