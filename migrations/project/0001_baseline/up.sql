-- The project service's schema: projects, members, transfers of ownership and invitations.

-- == Roles ==

-- Roles belong to the cluster, so another schema or another database may have created them already.
-- Logins have no password here; the operator sets one (deploy/README.md).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['application_role', 'project_service', 'project_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT',
                wanted, CASE WHEN wanted = 'application_role' THEN 'NOLOGIN' ELSE 'LOGIN' END);
            IF wanted = 'project_service' THEN
                -- The longest deadline of a call. Reads that are one statement have no transaction to set it in.
                ALTER ROLE project_service SET statement_timeout = '30s';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT pg_has_role('project_service', 'application_role', 'member') THEN
        GRANT application_role TO project_service;
    END IF;
END
$$;

SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

-- == Enums ==

CREATE TYPE project_status AS ENUM ('active', 'completed', 'archived', 'cancelled');
CREATE TYPE project_visibility AS ENUM ('private', 'internal', 'public');
CREATE TYPE project_role AS ENUM ('owner', 'admin', 'member', 'viewer');
-- Of transfers of ownership and invitations. A pending one past its expiry counts as expired; its status is set when
-- the next one is made.
CREATE TYPE offer_status AS ENUM ('pending', 'accepted', 'declined', 'withdrawn', 'expired');
CREATE TYPE webhook_status AS ENUM ('active', 'paused');
CREATE TYPE webhook_pause_reason AS ENUM ('requested', 'failing', 'gone', 'queue_full', 'not_authorized');
CREATE TYPE webhook_delivery_status AS ENUM ('pending', 'delivered', 'failed');

-- Why a user is subscribed.
CREATE TYPE subscription_reason AS ENUM ('creator', 'assignee', 'mentioned', 'choice');
CREATE TYPE notification_kind AS ENUM ('assignment', 'mention', 'comment', 'creation', 'update');

-- == Tables ==

-- `owner_id` and `user_id` refer to users of the identity service; see migrations/references.
CREATE TABLE projects (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    description TEXT,
    owner_id UUID NOT NULL,
    status project_status DEFAULT 'active' NOT NULL,
    visibility project_visibility DEFAULT 'private' NOT NULL,
    settings JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    -- The prefix of the keys of its tasks. A trigger makes it from the name if it is not given.
    key VARCHAR(10) NOT NULL
        CONSTRAINT projects_key_key UNIQUE
        CONSTRAINT chk_project_key CHECK (key ~ '^[A-Z][A-Z0-9]{1,9}$')
);

CREATE TABLE project_members (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL CONSTRAINT fk_project_members_project_id REFERENCES projects(id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    role project_role DEFAULT 'member' NOT NULL,
    permissions JSONB DEFAULT '{}'::jsonb NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    UNIQUE(project_id, user_id)
);

-- Offers of the owner to hand the project over to a member.
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
    CONSTRAINT chk_transfer_distinct_users CHECK (from_user_id <> to_user_id)
);

-- Invitations by email. No row holds a token: the service derives it from `id` and `generation` under a secret key.
CREATE TABLE invitations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL CONSTRAINT fk_invitations_project_id REFERENCES projects(id) ON DELETE CASCADE,
    email VARCHAR(255) NOT NULL,
    role project_role NOT NULL CONSTRAINT chk_invitation_role CHECK (role <> 'owner'),
    permissions JSONB NOT NULL DEFAULT '{}'::jsonb,
    inviter_id UUID NOT NULL,
    status offer_status NOT NULL DEFAULT 'pending',
    -- The user who accepted, or declined with a session.
    answered_by UUID,
    -- The email with the token; NULL if the caller delivers the token.
    mail_id UUID,
    -- Counts how often the invitation was sent: each time the earlier token becomes invalid.
    generation INTEGER NOT NULL DEFAULT 1,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT chk_answered_by
        CHECK (CASE WHEN status = 'accepted' THEN answered_by IS NOT NULL
            ELSE status = 'declined' OR answered_by IS NULL END)
);

-- Endpoints that get a project's events. No row holds a secret: the service derives it from `id` and `generation` under a
-- secret key.
CREATE TABLE webhooks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL CONSTRAINT fk_webhooks_project_id REFERENCES projects(id) ON DELETE CASCADE,
    url VARCHAR(2048) NOT NULL,
    description TEXT,
    -- Numbers of the proto enums `ChangeKind` and `ResourceType`; empty for all.
    change_kinds INTEGER[] NOT NULL DEFAULT '{}',
    resource_types INTEGER[] NOT NULL DEFAULT '{}',
    status webhook_status NOT NULL DEFAULT 'active',
    pause_reason webhook_pause_reason,
    -- The user on whose behalf it sends.
    maintainer_id UUID NOT NULL,
    -- Counts the secrets.
    generation INTEGER NOT NULL DEFAULT 1,
    -- Until when the secret before this generation also signs.
    former_secret_expires_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT chk_webhook_pause_reason CHECK ((status = 'paused') = (pause_reason IS NOT NULL))
);

-- How sending to each webhook goes. Apart from `webhooks`, so that sending changes no etag.
CREATE TABLE webhook_states (
    webhook_id UUID PRIMARY KEY
        CONSTRAINT fk_webhook_states_webhook_id REFERENCES webhooks(id) ON DELETE CASCADE,
    -- Nobody sends to it before. A process that sends moves it ahead, so that others leave the webhook alone.
    available_at TIMESTAMP WITH TIME ZONE NOT NULL,
    -- Failed attempts since the last success.
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TIMESTAMP WITH TIME ZONE,
    -- Whether the owner has still to be told that it was paused.
    owner_notice BOOLEAN NOT NULL DEFAULT FALSE
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);

-- Bodies of requests, one for each event that some webhook gets.
CREATE TABLE webhook_messages (
    id UUID PRIMARY KEY,
    project_id UUID NOT NULL CONSTRAINT fk_webhook_messages_project_id REFERENCES projects(id) ON DELETE CASCADE,
    event_type TEXT NOT NULL,
    resource_id UUID NOT NULL,
    payload TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
);

CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY,
    webhook_id UUID NOT NULL CONSTRAINT fk_webhook_deliveries_webhook_id REFERENCES webhooks(id) ON DELETE CASCADE,
    message_id UUID NOT NULL
        CONSTRAINT fk_webhook_deliveries_message_id REFERENCES webhook_messages(id) ON DELETE CASCADE,
    -- Deliveries of one webhook with the same key are sent in the order of `position`.
    order_key UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    status webhook_delivery_status NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempted_at TIMESTAMP WITH TIME ZONE,
    attempt_milliseconds INTEGER,
    response_status INTEGER,
    failure TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Emails to send: queued in the transaction that causes them, deleted once sent. Rows live for minutes and are updated
-- a few times, so dead rows come fast.
CREATE TABLE mail_outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient VARCHAR(255) NOT NULL,
    -- The invitation or webhook.
    entity_id UUID NOT NULL,
    parameters JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);

-- Which users are notified of what happens to a task, a document, or a project with everything in it. Not in the change
-- log: it is nobody else's business.
CREATE TABLE subscriptions (
    target_id UUID NOT NULL,
    target_type TEXT NOT NULL CONSTRAINT chk_subscription_target CHECK (target_type IN ('task', 'document', 'project')),
    user_id UUID NOT NULL,
    project_id UUID NOT NULL,
    reason subscription_reason NOT NULL,
    -- Of an automatic one, when what caused it happened: later events are notified.
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (target_id, target_type, user_id)
);

-- The inbox of each user who was ever notified. Positions are assigned from here, so that a lower one is never committed
-- after a higher one.
CREATE TABLE inboxes (
    user_id UUID PRIMARY KEY,
    last_position BIGINT NOT NULL,
    -- Notifications up to this position are read.
    read_position BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- What users are notified of: the newest of each user. Rows are inserted and deleted, never updated.
CREATE TABLE notifications (
    user_id UUID NOT NULL,
    position BIGINT NOT NULL,
    kind notification_kind NOT NULL,
    reason subscription_reason NOT NULL,
    project_id UUID NOT NULL,
    target_type TEXT NOT NULL,
    target_id UUID NOT NULL,
    -- The comment on the target; NULL if the target itself changed.
    comment_id UUID,
    actor_id UUID,
    -- The number of the change in the log of the service that made it.
    sequence BIGINT NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    -- Empty for something new.
    changed_fields TEXT[] NOT NULL,
    PRIMARY KEY (user_id, position)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- What users are not notified of. The nil UUID stands for all projects.
CREATE TABLE notification_preferences (
    user_id UUID NOT NULL,
    project_id UUID NOT NULL,
    muted_kinds notification_kind[] NOT NULL DEFAULT '{}',
    -- Exceptions from those that are muted in all projects.
    unmuted_kinds notification_kind[] NOT NULL DEFAULT '{}',
    -- 0 for a row that stands for none yet.
    version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, project_id)
);

-- The revision of each project's access, which the other services copy. It outlives the project, so that a copy can
-- tell the deletion from an older state. Updated at every change of access.
CREATE TABLE access_revisions (
    project_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- The position in the events of each service, updated in the transaction of their effects. One replica at a time follows
-- each: `holder`, which renews `held_until` while it lives.
CREATE TABLE feed_positions (
    feed TEXT PRIMARY KEY,
    cursor TEXT NOT NULL DEFAULT '',
    holder UUID NOT NULL,
    held_until TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);

-- Every change of a row, written in the transaction of the change. Readers order by (transaction_id, position) and stop
-- below their snapshot's xmin: `position` alone is assigned before commit, so a reader would miss rows that commit
-- late. Rows are deleted from the old end. Frequent vacuums keep pages all-visible, so that feeds scan only the index.
CREATE TABLE change_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    entity TEXT NOT NULL,
    entity_id UUID NOT NULL,
    project_id UUID,
    -- `insert`, `update` or `delete`; only triggers write it.
    operation TEXT NOT NULL,
    old_values JSONB,
    new_values JSONB,
    actor_id UUID,
    trace_id TEXT,
    PRIMARY KEY (transaction_id, position)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05);

-- The last change that was trimmed: a reader whose position is older has missed changes. One row, updated at each trim.
CREATE TABLE change_log_horizon (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT chk_only_row CHECK (only_row),
    transaction_id xid8 NOT NULL DEFAULT '0',
    position BIGINT NOT NULL DEFAULT 0,
    -- When the newest trimmed change was made: a later point in time can be read. NULL while nothing has been trimmed.
    changed_at TIMESTAMP WITH TIME ZONE
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
INSERT INTO change_log_horizon DEFAULT VALUES;

-- Which request created which resource, so that a retry finds it (AIP-155). Rows live for a day.
CREATE TABLE idempotency_keys (
    caller_id UUID NOT NULL,
    method TEXT NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    resource_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (caller_id, request_id, method)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);

-- The size of each table by day, with its indexes and TOAST. Written by `dafnck maintain`.
CREATE TABLE table_sizes (
    day DATE NOT NULL,
    table_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (day, table_name)
);

-- The last run of each job of `dafnck maintain`. `error` is NULL if it succeeded or is still running.
CREATE TABLE maintenance_runs (
    job TEXT PRIMARY KEY,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    error TEXT
);

-- == Indexes ==

CREATE INDEX idx_projects_owner_id ON projects(owner_id);
CREATE INDEX idx_projects_status ON projects(status);
CREATE INDEX idx_projects_created_at ON projects(created_at);
CREATE INDEX idx_projects_settings_gin ON projects USING GIN (settings);
CREATE INDEX idx_project_settings_theme ON projects USING GIN ((settings->'theme'));
-- Sort orders of lists.
CREATE INDEX idx_projects_updated_at ON projects (updated_at, id);
CREATE INDEX idx_projects_name ON projects (lower(name), id);
CREATE INDEX idx_project_members_project_role ON project_members(project_id, role);
-- Every list asks for the caller's projects.
CREATE INDEX idx_project_members_user_id ON project_members(user_id);
CREATE UNIQUE INDEX idx_project_members_one_owner ON project_members(project_id) WHERE role = 'owner';
CREATE UNIQUE INDEX idx_ownership_transfers_one_pending ON ownership_transfers (project_id) WHERE status = 'pending';
CREATE INDEX idx_ownership_transfers_project_id ON ownership_transfers (project_id, created_at, id);
CREATE INDEX idx_ownership_transfers_from_user_id ON ownership_transfers (from_user_id, created_at, id);
CREATE INDEX idx_ownership_transfers_to_user_id ON ownership_transfers (to_user_id, created_at, id);
CREATE UNIQUE INDEX idx_invitations_one_pending ON invitations (project_id, email) WHERE status = 'pending';
CREATE INDEX idx_invitations_project_id ON invitations (project_id, created_at, id);
CREATE INDEX idx_invitations_inviter_id ON invitations (inviter_id, created_at);
CREATE INDEX idx_invitations_email ON invitations (email, sent_at);
CREATE INDEX idx_webhooks_project_id ON webhooks (project_id, created_at, id);
CREATE INDEX idx_webhook_states_available_at ON webhook_states (available_at);
CREATE INDEX idx_webhook_states_owner_notice ON webhook_states (webhook_id) WHERE owner_notice;
CREATE INDEX idx_webhook_messages_project_id ON webhook_messages (project_id);
CREATE INDEX idx_webhook_messages_resource_id ON webhook_messages (resource_id);
CREATE INDEX idx_webhook_messages_created_at ON webhook_messages (created_at);
CREATE INDEX idx_webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id, created_at, id);
CREATE INDEX idx_webhook_deliveries_message_id ON webhook_deliveries (message_id);
CREATE INDEX idx_webhook_deliveries_pending ON webhook_deliveries (webhook_id, position) WHERE status = 'pending';
CREATE INDEX idx_webhook_deliveries_order ON webhook_deliveries (webhook_id, order_key, position)
    WHERE status = 'pending';
CREATE INDEX idx_mail_outbox_next_attempt_at ON mail_outbox (next_attempt_at);
CREATE INDEX idx_mail_outbox_entity_id ON mail_outbox (entity_id);
CREATE INDEX idx_subscriptions_user_id ON subscriptions (user_id, created_at, target_id);
CREATE INDEX idx_subscriptions_project_id ON subscriptions (project_id, user_id);
CREATE INDEX idx_notifications_target_id ON notifications (project_id, target_id);
CREATE INDEX idx_change_log_entity ON change_log (entity, entity_id);
CREATE INDEX idx_change_log_changed_at ON change_log USING brin (changed_at);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX idx_change_log_project_id ON change_log (project_id, transaction_id, position);

-- == Functions and triggers ==

-- The user on whose behalf this transaction runs; the nil UUID is an anonymous caller. NULL if the setting is absent:
-- then the policies show nothing.
CREATE FUNCTION current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.current_user_id', true), '')::uuid;

-- Sets `updated_at`. Its triggers are skipped while `app.keep_dates` is on, so that imports keep the given dates.
CREATE FUNCTION audit_trigger_function() RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at = NOW();
        RETURN NEW;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

-- Writes the change log. Arguments: the column with the project's id ('' for none), then the columns to omit because
-- they are secret or large. Runs as the owner: a role that may change a row may not write, read or skip the log.
CREATE FUNCTION record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    omitted text[] := TG_ARGV[1:];
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - omitted END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - omitted END;
    changed_row jsonb := coalesce(new_row, old_row);
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES (
        TG_TABLE_NAME,
        (changed_row ->> 'id')::uuid,
        (changed_row ->> TG_ARGV[0])::uuid,
        lower(TG_OP),
        old_row,
        new_row,
        current_user_id(),
        nullif(current_setting('app.trace_id', true), '')
    );
    RETURN NULL;
END
$$;

-- Deletes up to `max_rows` changes older than `retention` and moves the horizon. It locks the horizon first, so that
-- concurrent calls run one after the other and do not deadlock on rows of the log.
CREATE FUNCTION trim_change_log(retention interval, max_rows integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = project, pg_temp
BEGIN ATOMIC
    SELECT FROM change_log_horizon FOR UPDATE;
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - retention
        ORDER BY transaction_id, position LIMIT max_rows
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position, l.changed_at
    ), moved AS (
        UPDATE change_log_horizon h
        SET transaction_id = last.transaction_id, position = last.position,
            changed_at = greatest(h.changed_at, (SELECT max(changed_at) FROM gone))
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;

-- For each job of `dafnck maintain`, the seconds since its last run began and whether it failed, for the service's
-- metrics. Before the first run: one row for all jobs with the age of the schema.
CREATE FUNCTION maintenance_status() RETURNS TABLE (job TEXT, age DOUBLE PRECISION, failed BOOLEAN)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT r.job, extract(epoch FROM now() - r.started_at)::float8, r.error IS NOT NULL FROM maintenance_runs r
    UNION ALL
    SELECT 'all', extract(epoch FROM now() - min(m.applied_at))::float8, FALSE FROM schema_migrations m
    WHERE NOT EXISTS (SELECT 1 FROM maintenance_runs)
    HAVING count(*) > 0
$$;

-- Keys

-- The first three letters or digits of a name, from the first letter on, in upper case; TSK if there are none.
CREATE FUNCTION project_key_prefix(name text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN coalesce(substring(upper(regexp_replace(name, '[^A-Za-z0-9]', '', 'g')) FROM '[A-Z][A-Z0-9]{1,2}'), 'TSK');

-- The advisory lock that serializes the assignment of keys.
CREATE FUNCTION project_keys_lock_key() RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN 7236277130242;

-- Assigns a free key, made from the name, to a new project without one. Given keys take the lock as well: otherwise two
-- transactions that insert several projects could wait for each other's keys.
CREATE FUNCTION assign_project_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    prefix text := project_key_prefix(NEW.name);
    attempt integer := 1;
    suffix text;
BEGIN
    PERFORM pg_advisory_xact_lock(project_keys_lock_key());
    IF NEW.key IS NOT NULL THEN
        RETURN NEW;
    END IF;
    NEW.key := prefix;
    WHILE EXISTS (SELECT 1 FROM projects p WHERE p.key = NEW.key) LOOP
        attempt := attempt + 1;
        -- Random after nine attempts, so that the thousandth project of a name does not try a thousand keys.
        suffix := CASE WHEN attempt < 10 THEN attempt ELSE 10 + floor(random() * 1000000)::integer END::text;
        NEW.key := left(prefix, 10 - length(suffix)) || suffix;
    END LOOP;
    RETURN NEW;
END
$$;
CREATE TRIGGER projects_key_trigger
    BEFORE INSERT OR UPDATE OF key ON projects
    FOR EACH ROW EXECUTE FUNCTION assign_project_key();

CREATE TRIGGER projects_updated_at_trigger
    BEFORE UPDATE ON projects
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER webhooks_updated_at_trigger
    BEFORE UPDATE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER projects_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION record_change('id');
CREATE TRIGGER project_members_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON project_members
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
CREATE TRIGGER ownership_transfers_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON ownership_transfers
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
CREATE TRIGGER invitations_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON invitations
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
-- Addresses of webhooks often hold a key.
CREATE TRIGGER webhooks_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id', 'url');

-- Access. Increments the revision when somebody's access to a project may have changed. The row lock serializes the
-- changes of one project's access.
CREATE FUNCTION increment_access_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    subject jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
    INSERT INTO access_revisions AS a (project_id, revision)
    VALUES ((subject ->> TG_ARGV[0])::uuid, 1)
    ON CONFLICT (project_id) DO UPDATE SET revision = a.revision + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_access_trigger
    AFTER INSERT OR DELETE OR UPDATE OF visibility, status, key ON projects
    FOR EACH ROW EXECUTE FUNCTION increment_access_revision('id');
CREATE TRIGGER project_members_access_trigger
    AFTER INSERT OR DELETE OR UPDATE ON project_members
    FOR EACH ROW EXECUTE FUNCTION increment_access_revision('project_id');

-- Whether the current user is a member. The policies of project_members ask this, because they cannot query the table
-- that they protect.
CREATE FUNCTION is_member(project uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM project_members m WHERE m.project_id = project AND m.user_id = current_user_id())
$$;

-- Locks the revision of a project's access until the transaction ends and returns it. Only for members, and for the
-- worker, which adds invited users before they are members.
CREATE FUNCTION lock_access_revision(project uuid) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT a.revision FROM access_revisions a
    WHERE a.project_id = project
        AND (is_member(project) OR pg_has_role(session_user, 'project_worker', 'member'))
    FOR NO KEY UPDATE
$$;

-- Subscriptions and notifications

-- Whether the current user may read what this permission, as `task_read`, is about. Everybody who sees a project has all
-- permissions to read; single ones are denied to single members.
CREATE FUNCTION may_read(project uuid, permission text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT EXISTS (
        SELECT 1 FROM projects p
        LEFT JOIN project_members m ON m.project_id = p.id AND m.user_id = current_user_id()
        WHERE p.id = project
            AND (m.user_id IS NOT NULL OR p.visibility <> 'private')
            AND m.permissions -> permission IS DISTINCT FROM 'false'::jsonb
    )
$$;

-- How many subscriptions the current user has by choice. It counts those that are hidden, too, and does not ask about each
-- whether it is.
CREATE FUNCTION count_chosen_subscriptions() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT count(*) FROM subscriptions s WHERE s.user_id = current_user_id() AND s.reason = 'choice'
$$;

-- The advisory lock that serializes what adds to inboxes: else two transactions could wait for each other's.
CREATE FUNCTION notifications_lock_key() RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN 7236277130243;

-- Who leaves is no longer subscribed.
CREATE FUNCTION end_subscriptions_of_former_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    DELETE FROM subscriptions WHERE project_id = OLD.project_id AND user_id = OLD.user_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER project_members_unsubscribe_trigger
    AFTER DELETE ON project_members
    FOR EACH ROW EXECUTE FUNCTION end_subscriptions_of_former_member();

-- Ownership

CREATE FUNCTION add_owner_as_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    INSERT INTO project_members (project_id, user_id, role, joined_at)
    VALUES (NEW.id, NEW.owner_id, 'owner', NEW.created_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_owner_member_trigger
    AFTER INSERT ON projects FOR EACH ROW EXECUTE FUNCTION add_owner_as_member();

-- Makes a user the owner of a project and withdraws its pending transfer. The former owner stays as an admin or is
-- removed; this comes first, so that there are never two owners.
CREATE FUNCTION set_owner(project uuid, new_owner uuid, keep_former_owner boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    UPDATE ownership_transfers SET status = 'withdrawn', closed_at = now()
    WHERE project_id = project AND status = 'pending';
    IF keep_former_owner THEN
        UPDATE project_members SET role = 'admin' WHERE project_id = project AND role = 'owner';
    ELSE
        DELETE FROM project_members WHERE project_id = project AND role = 'owner';
    END IF;
    INSERT INTO project_members (project_id, user_id, role) VALUES (project, new_owner, 'owner')
    ON CONFLICT (project_id, user_id) DO UPDATE SET role = 'owner', permissions = '{}';
    UPDATE projects SET owner_id = new_owner WHERE id = project;
END
$$;

-- Locks what `set_owner` changes, in the order of all transactions: the project, its members by user, its transfer. For
-- the worker, which may not update these rows itself.
CREATE FUNCTION lock_ownership(project uuid, new_owner uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM projects p WHERE p.id = project FOR NO KEY UPDATE;
    PERFORM 1 FROM project_members m WHERE m.project_id = project AND (m.role = 'owner' OR m.user_id = new_owner)
    ORDER BY m.user_id FOR NO KEY UPDATE;
    PERFORM 1 FROM ownership_transfers t WHERE t.project_id = project AND t.status = 'pending' FOR NO KEY UPDATE;
END
$$;

-- Hands the project over when a transfer is accepted.
CREATE FUNCTION transfer_ownership() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    PERFORM set_owner(NEW.project_id, NEW.to_user_id, TRUE);
    RETURN NULL;
END
$$;
CREATE TRIGGER ownership_transfers_accept_trigger
    AFTER UPDATE OF status ON ownership_transfers
    FOR EACH ROW WHEN (OLD.status = 'pending' AND NEW.status = 'accepted')
    EXECUTE FUNCTION transfer_ownership();

-- Withdraws the transfer offered to a member who leaves. Otherwise it would be pending again if they came back.
CREATE FUNCTION withdraw_transfers_to_former_member() RETURNS trigger
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
    FOR EACH ROW EXECUTE FUNCTION withdraw_transfers_to_former_member();

-- Exactly one owner: the index idx_project_members_one_owner forbids a second one at any time; this trigger checks at
-- commit that `projects.owner_id` is a member with the role owner.
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

-- Invitations

-- How many invitation emails went to an address since a time, in all projects, at most: an invitation that was resent
-- counts with all its emails.
CREATE FUNCTION count_invitation_emails(address text, since timestamp with time zone) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
AS $$
    SELECT coalesce(sum(i.generation), 0) FROM invitations i
    WHERE i.email = address AND i.sent_at > since AND i.mail_id IS NOT NULL
$$;

-- Adds the member when an invitation is accepted.
CREATE FUNCTION add_invited_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    INSERT INTO project_members (project_id, user_id, role, permissions)
    VALUES (NEW.project_id, NEW.answered_by, NEW.role, NEW.permissions);
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_accept_trigger
    AFTER UPDATE OF status ON invitations
    FOR EACH ROW WHEN (OLD.status = 'pending' AND NEW.status = 'accepted')
    EXECUTE FUNCTION add_invited_member();

-- Queues the email of a pending invitation and deletes an earlier one, whose token is no longer valid.
CREATE FUNCTION queue_invitation_email() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    DELETE FROM mail_outbox WHERE entity_id = NEW.id;
    IF NEW.mail_id IS NOT NULL AND NEW.status = 'pending' THEN
        INSERT INTO mail_outbox (id, kind, recipient, entity_id, parameters, expires_at, next_attempt_at)
        SELECT NEW.mail_id, 'invitation', NEW.email, NEW.id,
            jsonb_build_object('generation', NEW.generation, 'project', p.name), NEW.expires_at, NEW.sent_at
        FROM projects p WHERE p.id = NEW.project_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_email_trigger
    AFTER INSERT OR UPDATE OF generation, status ON invitations
    FOR EACH ROW EXECUTE FUNCTION queue_invitation_email();

CREATE FUNCTION delete_invitation_email() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    DELETE FROM mail_outbox WHERE entity_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER invitations_delete_email_trigger
    AFTER DELETE ON invitations
    FOR EACH ROW EXECUTE FUNCTION delete_invitation_email();

-- Webhooks

-- The project of a webhook, for any caller: access to it is checked next.
CREATE FUNCTION project_of_webhook(webhook uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
RETURN (SELECT w.project_id FROM webhooks w WHERE w.id = webhook);

CREATE FUNCTION project_of_webhook_delivery(delivery uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = project, pg_temp
RETURN (SELECT w.project_id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE d.id = delivery);

CREATE FUNCTION add_webhook_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    INSERT INTO webhook_states (webhook_id, available_at) VALUES (NEW.id, '-infinity');
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_state_trigger
    AFTER INSERT ON webhooks
    FOR EACH ROW EXECUTE FUNCTION add_webhook_state();

-- A resumed webhook is tried at once, with what waits, and its failures are forgotten.
CREATE FUNCTION reset_webhook_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    UPDATE webhook_states
    SET available_at = '-infinity', failures = 0, failing_since = NULL, owner_notice = FALSE
    WHERE webhook_id = NEW.id;
    UPDATE webhook_deliveries SET next_attempt_at = created_at
    WHERE webhook_id = NEW.id AND status = 'pending';
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_resume_trigger
    AFTER UPDATE OF status ON webhooks
    FOR EACH ROW WHEN (OLD.status = 'paused' AND NEW.status = 'active')
    EXECUTE FUNCTION reset_webhook_state();

-- Overwrites the address in the invitations of a user whose account is erased, in the change log too, deletes the bodies of
-- webhooks with it, and withdraws those that are pending. Deletes the user's subscriptions and notifications.
CREATE FUNCTION erase_invitee(invitee uuid, address text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    answered uuid[] := ARRAY(
        SELECT i.id FROM invitations i WHERE i.answered_by = invitee OR i.email = address ORDER BY i.id FOR NO KEY UPDATE);
BEGIN
    UPDATE invitations SET
        email = 'erased-' || id || '@erased.invalid',
        status = CASE WHEN status = 'pending' THEN 'withdrawn' ELSE status END,
        closed_at = CASE WHEN status = 'pending' THEN now() ELSE closed_at END
    WHERE id = ANY (answered);
    DELETE FROM webhook_messages m WHERE m.resource_id = ANY (answered) AND m.event_type LIKE 'invitation.%';
    -- Several erasures may run at once, but none beside a trim.
    PERFORM FROM change_log_horizon FOR SHARE;
    UPDATE change_log SET
        old_values = jsonb_set(old_values, '{email}', to_jsonb('erased-' || entity_id || '@erased.invalid')),
        new_values = jsonb_set(new_values, '{email}', to_jsonb('erased-' || entity_id || '@erased.invalid'))
    WHERE entity = 'invitations' AND entity_id = ANY (answered);
    -- The inbox first: whoever adds to it locks it first.
    DELETE FROM inboxes WHERE user_id = invitee;
    DELETE FROM notifications WHERE user_id = invitee;
    DELETE FROM notification_preferences WHERE user_id = invitee;
    DELETE FROM subscriptions WHERE user_id = invitee;
END
$$;

-- Reads of single projects by many callers in one call, each as a transaction of its own would see it: before a row is read,
-- its caller is set, and the policies decide for that caller. Not SECURITY DEFINER: the policies are those of the role
-- that calls. Columns are in the order in which the service reads them.
CREATE FUNCTION gather_projects(callers uuid[], trace_ids text[], project_ids uuid[])
RETURNS TABLE (
    slot integer, id uuid, name varchar, description text, owner_id uuid, status project_status,
    visibility project_visibility, settings jsonb, created_at timestamptz, updated_at timestamptz,
    archived_at timestamptz, key varchar, version xid)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(callers) LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        RETURN QUERY
        SELECT i, p.id, p.name, p.description, p.owner_id, p.status, p.visibility, p.settings, p.created_at,
            p.updated_at, p.archived_at, p.key, p.xmin
        FROM project.projects p
        WHERE p.id = project_ids[i];
    END LOOP;
END
$$;

-- == Row-level security ==

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
-- No policy: only the owner sees them.
ALTER TABLE table_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY change_log_worker_policy ON change_log FOR SELECT TO project_worker USING (TRUE);
CREATE POLICY idempotency_access_policy ON idempotency_keys FOR ALL TO application_role
    USING (caller_id = current_user_id());
CREATE POLICY idempotency_worker_policy ON idempotency_keys FOR ALL TO project_worker USING (TRUE);

ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE ownership_transfers ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
-- Requests neither read nor write the outbox: triggers write it.
ALTER TABLE mail_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_states ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE inboxes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification_preferences ENABLE ROW LEVEL SECURITY;

CREATE POLICY project_access_policy ON projects
    FOR ALL TO application_role
    USING (
        owner_id = current_user_id()
        OR id IN (
            SELECT project_id FROM project_members
            WHERE user_id = current_user_id()
        )
    );
-- Signed-in users read internal projects, everybody reads public ones.
CREATE POLICY project_visibility_policy ON projects
    FOR SELECT TO application_role
    USING (
        current_user_id() IS NOT NULL
        AND (
            visibility = 'public'
            OR (visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
        )
    );
CREATE POLICY member_read_policy ON project_members FOR SELECT TO application_role
    USING (user_id = current_user_id() OR is_member(project_id));
CREATE POLICY member_insert_policy ON project_members FOR INSERT TO application_role
    WITH CHECK (is_member(project_id));
CREATE POLICY member_update_policy ON project_members FOR UPDATE TO application_role
    USING (is_member(project_id));
CREATE POLICY member_delete_policy ON project_members FOR DELETE TO application_role
    USING (is_member(project_id));
CREATE POLICY transfer_read_policy ON ownership_transfers FOR SELECT TO application_role
    USING (is_member(project_id));
CREATE POLICY transfer_insert_policy ON ownership_transfers FOR INSERT TO application_role
    WITH CHECK (from_user_id = current_user_id() AND is_member(project_id));
CREATE POLICY transfer_update_policy ON ownership_transfers FOR UPDATE TO application_role
    USING (current_user_id() IN (from_user_id, to_user_id) AND is_member(project_id));
CREATE POLICY invitation_read_policy ON invitations FOR SELECT TO application_role
    USING (is_member(project_id) OR inviter_id = current_user_id());
CREATE POLICY invitation_insert_policy ON invitations FOR INSERT TO application_role
    WITH CHECK (inviter_id = current_user_id() AND is_member(project_id));
CREATE POLICY invitation_update_policy ON invitations FOR UPDATE TO application_role
    USING (is_member(project_id));
-- What users are subscribed to and notified of is theirs alone, as long as they may read what it is about.
CREATE POLICY subscription_access_policy ON subscriptions FOR ALL TO application_role
    USING (user_id = current_user_id() AND may_read(project_id, target_type || '_read'));
CREATE POLICY inbox_read_policy ON inboxes FOR SELECT TO application_role USING (user_id = current_user_id());
CREATE POLICY inbox_update_policy ON inboxes FOR UPDATE TO application_role USING (user_id = current_user_id());
CREATE POLICY notification_read_policy ON notifications FOR SELECT TO application_role
    USING (
        user_id = current_user_id()
        AND may_read(project_id, CASE WHEN comment_id IS NULL THEN target_type ELSE 'comment' END || '_read')
    );
CREATE POLICY preference_access_policy ON notification_preferences FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY webhook_access_policy ON webhooks FOR ALL TO application_role USING (is_member(project_id));
CREATE POLICY webhook_message_access_policy ON webhook_messages FOR ALL TO application_role
    USING (is_member(project_id));
CREATE POLICY webhook_delivery_access_policy ON webhook_deliveries FOR ALL TO application_role
    USING (EXISTS (SELECT 1 FROM webhooks w WHERE w.id = webhook_deliveries.webhook_id));
-- Whoever sees a project reads its history; only members read that of its members, transfers and invitations.
CREATE POLICY change_log_access_policy ON change_log FOR SELECT TO application_role
    USING (
        (entity = 'projects' AND EXISTS (SELECT 1 FROM projects p WHERE p.id = change_log.project_id))
        OR (project_id IS NOT NULL AND is_member(project_id))
    );

CREATE POLICY project_worker_policy ON projects FOR ALL TO project_worker USING (TRUE);
CREATE POLICY member_worker_policy ON project_members FOR ALL TO project_worker USING (TRUE);
CREATE POLICY transfer_worker_policy ON ownership_transfers FOR ALL TO project_worker USING (TRUE);
CREATE POLICY invitation_worker_policy ON invitations FOR ALL TO project_worker USING (TRUE);
CREATE POLICY mail_outbox_worker_policy ON mail_outbox FOR ALL TO project_worker USING (TRUE);
CREATE POLICY subscription_worker_policy ON subscriptions FOR ALL TO project_worker USING (TRUE);
CREATE POLICY inbox_worker_policy ON inboxes FOR ALL TO project_worker USING (TRUE);
CREATE POLICY notification_worker_policy ON notifications FOR ALL TO project_worker USING (TRUE);
CREATE POLICY preference_worker_policy ON notification_preferences FOR SELECT TO project_worker USING (TRUE);
CREATE POLICY access_revision_worker_policy ON access_revisions FOR SELECT TO project_worker USING (TRUE);
CREATE POLICY webhook_worker_policy ON webhooks FOR ALL TO project_worker USING (TRUE);
CREATE POLICY webhook_state_worker_policy ON webhook_states FOR ALL TO project_worker USING (TRUE);
CREATE POLICY webhook_message_worker_policy ON webhook_messages FOR ALL TO project_worker USING (TRUE);
CREATE POLICY webhook_delivery_worker_policy ON webhook_deliveries FOR ALL TO project_worker USING (TRUE);

-- == Grants ==

-- By default PostgreSQL lets everybody execute a function.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA project FROM PUBLIC;
GRANT USAGE ON SCHEMA project TO project_service, project_worker;
GRANT EXECUTE ON FUNCTION current_user_id() TO project_service, project_worker;
GRANT SELECT, INSERT ON idempotency_keys TO project_service;
GRANT SELECT, INSERT, DELETE ON idempotency_keys TO project_worker;
GRANT SELECT ON change_log, change_log_horizon TO project_worker;
GRANT EXECUTE ON FUNCTION trim_change_log(interval, integer), maintenance_status() TO project_worker;

GRANT SELECT, INSERT, UPDATE, DELETE ON projects, project_members TO project_service;
GRANT SELECT, INSERT, UPDATE (status, closed_at) ON ownership_transfers TO project_service;
GRANT SELECT, INSERT, UPDATE (status, closed_at, mail_id, generation, sent_at, expires_at) ON invitations
    TO project_service;
GRANT SELECT, INSERT, UPDATE (reason), DELETE ON subscriptions TO project_service;
GRANT SELECT, UPDATE (read_position) ON inboxes TO project_service;
GRANT SELECT ON notifications TO project_service;
GRANT SELECT, INSERT, UPDATE (muted_kinds, unmuted_kinds, version) ON notification_preferences TO project_service;
GRANT SELECT, INSERT, DELETE,
    UPDATE (url, description, change_kinds, resource_types, status, pause_reason, maintainer_id, generation,
        former_secret_expires_at) ON webhooks TO project_service;
GRANT SELECT, INSERT ON webhook_messages, webhook_deliveries TO project_service;
GRANT SELECT ON change_log, change_log_horizon TO project_service;
GRANT EXECUTE ON FUNCTION is_member(uuid), may_read(uuid, text), count_chosen_subscriptions(), lock_access_revision(uuid),
    count_invitation_emails(text, timestamp with time zone), gather_projects(uuid[], text[], uuid[]),
    project_of_webhook(uuid), project_of_webhook_delivery(uuid) TO project_service;

-- The worker imports projects, sends emails, transfers projects for operators and answers invitations: the invited user
-- sees nothing of the project yet.
-- It updates `joined_at`, because the trigger that adds an imported owner does not know it.
GRANT SELECT, INSERT ON projects, project_members TO project_worker;
GRANT UPDATE (joined_at) ON project_members TO project_worker;
GRANT SELECT ON ownership_transfers, access_revisions TO project_worker;
GRANT SELECT, UPDATE (status, closed_at, answered_by) ON invitations TO project_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_outbox TO project_worker;
GRANT SELECT, UPDATE (status, pause_reason) ON webhooks TO project_worker;
GRANT SELECT, UPDATE ON webhook_states TO project_worker;
GRANT SELECT, INSERT, DELETE ON webhook_messages TO project_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO project_worker;
-- It subscribes users to what concerns them, and notifies them.
GRANT SELECT, INSERT, DELETE ON subscriptions, notifications TO project_worker;
GRANT SELECT, INSERT, UPDATE (last_position) ON inboxes TO project_worker;
GRANT SELECT ON notification_preferences TO project_worker;
GRANT SELECT, INSERT, UPDATE ON feed_positions TO project_worker;
GRANT EXECUTE ON FUNCTION lock_access_revision(uuid), lock_ownership(uuid, uuid), set_owner(uuid, uuid, boolean),
    project_keys_lock_key(), notifications_lock_key(), erase_invitee(uuid, text) TO project_worker;
