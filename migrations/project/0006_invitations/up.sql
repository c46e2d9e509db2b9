-- Invitations by e-mail, and the mail that waits to be sent. No row holds a token: it is derived from the id and the
-- generation of an invitation under a key of the suite.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

-- An invitation past its expiry counts as expired whatever its status; it is marked so when the next one of the same
-- address is made.
CREATE TABLE invitations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL CONSTRAINT fk_invitations_project_id REFERENCES projects(id) ON DELETE CASCADE,
    email VARCHAR(255) NOT NULL,
    role project_role NOT NULL CONSTRAINT chk_invitation_role CHECK (role <> 'owner'),
    permissions JSONB NOT NULL DEFAULT '{}'::jsonb,
    inviter_id UUID NOT NULL,
    status offer_status NOT NULL DEFAULT 'pending',
    accepted_by UUID,
    -- The mail that brings the token; NULL if somebody else delivers it.
    mail_id UUID,
    generation INTEGER NOT NULL DEFAULT 1,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT chk_accepted_by_somebody CHECK ((status = 'accepted') = (accepted_by IS NOT NULL))
);
CREATE UNIQUE INDEX idx_invitations_one_pending ON invitations (project_id, email) WHERE status = 'pending';
CREATE INDEX idx_invitations_project_id ON invitations (project_id, created_at, id);
CREATE INDEX idx_invitations_inviter_id ON invitations (inviter_id, created_at);
CREATE TRIGGER invitations_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON invitations
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');

-- What accepting does, in the transaction that accepts.
CREATE FUNCTION let_invited_in() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    INSERT INTO project_members (project_id, user_id, role, permissions)
    VALUES (NEW.project_id, NEW.accepted_by, NEW.role, NEW.permissions);
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_accept_trigger
    AFTER UPDATE OF status ON invitations
    FOR EACH ROW WHEN (OLD.status = 'pending' AND NEW.status = 'accepted')
    EXECUTE FUNCTION let_invited_in();

CREATE TABLE mail_outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient VARCHAR(255) NOT NULL,
    about UUID NOT NULL,
    parameters JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX idx_mail_outbox_next_attempt_at ON mail_outbox (next_attempt_at);
CREATE INDEX idx_mail_outbox_about ON mail_outbox (about);

-- Queues the mail in the transaction of the invitation. An older one that still waits would hold a token that no
-- longer works.
CREATE FUNCTION queue_invitation_mail() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    DELETE FROM mail_outbox WHERE about = NEW.id;
    IF NEW.mail_id IS NOT NULL AND NEW.status = 'pending' THEN
        INSERT INTO mail_outbox (id, kind, recipient, about, parameters, expires_at, next_attempt_at)
        SELECT NEW.mail_id, 'invitation', NEW.email, NEW.id,
            jsonb_build_object('generation', NEW.generation, 'project', p.name), NEW.expires_at, NEW.sent_at
        FROM projects p WHERE p.id = NEW.project_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_mail_trigger
    AFTER INSERT OR UPDATE OF generation, status ON invitations
    FOR EACH ROW EXECUTE FUNCTION queue_invitation_mail();

CREATE FUNCTION forget_invitation_mail() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    DELETE FROM mail_outbox WHERE about = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_forget_mail_trigger
    AFTER DELETE ON invitations
    FOR EACH ROW EXECUTE FUNCTION forget_invitation_mail();

REVOKE EXECUTE ON FUNCTION let_invited_in(), queue_invitation_mail(), forget_invitation_mail() FROM PUBLIC;

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY invitation_read_policy ON invitations FOR SELECT TO application_role
    USING (is_member(project_id) OR inviter_id = current_user_id());
CREATE POLICY invitation_insert_policy ON invitations FOR INSERT TO application_role
    WITH CHECK (inviter_id = current_user_id() AND is_member(project_id));
CREATE POLICY invitation_update_policy ON invitations FOR UPDATE TO application_role
    USING (is_member(project_id));
-- Requests put no mail in and see none: triggers do.
CREATE POLICY invitation_worker_policy ON invitations FOR ALL TO project_worker USING (TRUE);
CREATE POLICY mail_outbox_worker_policy ON mail_outbox FOR ALL TO project_worker USING (TRUE);
GRANT SELECT, INSERT ON invitations TO project_service;
GRANT UPDATE (status, closed_at, mail_id, generation, sent_at, expires_at) ON invitations TO project_service;
GRANT SELECT ON invitations TO project_worker;
-- Only the worker lets somebody in who sees nothing of the project yet.
GRANT UPDATE (status, closed_at, accepted_by) ON invitations TO project_worker;
GRANT SELECT, UPDATE, DELETE ON mail_outbox TO project_worker;
