-- Ownership that changes hands in two steps, and a database that lets no project be without its one owner.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

CREATE TYPE offer_status AS ENUM ('pending', 'accepted', 'declined', 'withdrawn', 'expired');

-- An offer past its expiry counts as expired whatever its status; it is marked so when the next one is made.
CREATE TABLE ownership_transfers (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL
        CONSTRAINT fk_ownership_transfers_project_id REFERENCES projects(id) ON DELETE CASCADE,
    from_user_id UUID NOT NULL,
    to_user_id UUID NOT NULL,
    status offer_status NOT NULL DEFAULT 'pending',
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT chk_transfer_between_two CHECK (from_user_id <> to_user_id)
);
CREATE UNIQUE INDEX idx_ownership_transfers_one_pending ON ownership_transfers (project_id) WHERE status = 'pending';
CREATE INDEX idx_ownership_transfers_project_id ON ownership_transfers (project_id, created_at, id);
CREATE INDEX idx_ownership_transfers_from_user_id ON ownership_transfers (from_user_id, created_at, id);
CREATE INDEX idx_ownership_transfers_to_user_id ON ownership_transfers (to_user_id, created_at, id);
CREATE TRIGGER ownership_transfers_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON ownership_transfers
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');

-- What accepting does, in the transaction that accepts. The old owner first: there is never a second one.
CREATE FUNCTION hand_over_project() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    UPDATE project_members SET role = 'admin' WHERE project_id = NEW.project_id AND role = 'owner';
    UPDATE project_members SET role = 'owner', permissions = '{}'
    WHERE project_id = NEW.project_id AND user_id = NEW.to_user_id;
    UPDATE projects SET owner_id = NEW.to_user_id WHERE id = NEW.project_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER ownership_transfers_accept_trigger
    AFTER UPDATE OF status ON ownership_transfers
    FOR EACH ROW WHEN (OLD.status = 'pending' AND NEW.status = 'accepted')
    EXECUTE FUNCTION hand_over_project();

-- Whoever leaves takes the offer to them along: it would be there again when they come back.
CREATE FUNCTION withdraw_offers_to_former_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    UPDATE ownership_transfers SET status = 'withdrawn', closed_at = now()
    WHERE project_id = OLD.project_id AND to_user_id = OLD.user_id AND status = 'pending';
    RETURN NULL;
END
$$;
CREATE TRIGGER project_members_leave_trigger
    AFTER DELETE ON project_members
    FOR EACH ROW EXECUTE FUNCTION withdraw_offers_to_former_member();

-- Exactly one owner: the index idx_project_members_one_owner forbids a second one at every moment, this forbids none
-- and another than the project names, when the transaction ends.
CREATE FUNCTION check_one_owner() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    subject uuid := (to_jsonb(coalesce(NEW, OLD)) ->> TG_ARGV[0])::uuid;
BEGIN
    IF EXISTS (
        SELECT 1 FROM projects p WHERE p.id = subject AND NOT EXISTS (
            SELECT 1 FROM project_members m
            WHERE m.project_id = p.id AND m.user_id = p.owner_id AND m.role = 'owner'
        )
    ) THEN
        RAISE EXCEPTION 'a project keeps its owner' USING ERRCODE = 'check_violation', CONSTRAINT = 'chk_one_owner';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER projects_one_owner_trigger
    AFTER UPDATE OF owner_id ON projects DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_one_owner('id');
CREATE CONSTRAINT TRIGGER project_members_one_owner_update_trigger
    AFTER UPDATE OF project_id, user_id, role ON project_members DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION check_one_owner('project_id');
CREATE CONSTRAINT TRIGGER project_members_one_owner_delete_trigger
    AFTER DELETE ON project_members DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION check_one_owner('project_id');

-- The revision of a project's access, held still until the transaction ends: a change made meanwhile gets the next
-- one. Only for members, and for the worker, which lets people in who are none yet.
CREATE FUNCTION hold_access_revision(project uuid) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT a.revision FROM access_revisions a
    WHERE a.project_id = project
        AND (is_member(project) OR pg_has_role(session_user, 'project_worker', 'member'))
    FOR NO KEY UPDATE
$$;
REVOKE EXECUTE ON FUNCTION hand_over_project(), withdraw_offers_to_former_member(), check_one_owner(),
    hold_access_revision(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_access_revision(uuid) TO project_service, project_worker;

ALTER TABLE ownership_transfers ENABLE ROW LEVEL SECURITY;
CREATE POLICY transfer_read_policy ON ownership_transfers FOR SELECT TO application_role
    USING (is_member(project_id));
CREATE POLICY transfer_insert_policy ON ownership_transfers FOR INSERT TO application_role
    WITH CHECK (from_user_id = current_user_id() AND is_member(project_id));
CREATE POLICY transfer_update_policy ON ownership_transfers FOR UPDATE TO application_role
    USING (current_user_id() IN (from_user_id, to_user_id) AND is_member(project_id));
CREATE POLICY transfer_worker_policy ON ownership_transfers FOR ALL TO project_worker USING (TRUE);
GRANT SELECT, INSERT ON ownership_transfers TO project_service;
GRANT UPDATE (status, closed_at) ON ownership_transfers TO project_service;
GRANT SELECT ON ownership_transfers TO project_worker;

-- Orders of lists.
CREATE INDEX idx_projects_updated_at ON projects (updated_at, id);
CREATE INDEX idx_projects_name ON projects (lower(name), id);
