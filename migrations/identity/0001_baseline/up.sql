-- The identity service's schema: accounts, profiles, sessions, API tokens, second factors and codes sent by email.

-- == Roles ==

-- Roles belong to the cluster, so another schema or another database may have created them already.
-- Logins have no password here; the operator sets one (deploy/README.md).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['application_role', 'identity_service', 'identity_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT',
                wanted, CASE WHEN wanted = 'application_role' THEN 'NOLOGIN' ELSE 'LOGIN' END);
            IF wanted = 'identity_service' THEN
                -- The longest deadline of a call. Reads that are one statement have no transaction to set it in.
                ALTER ROLE identity_service SET statement_timeout = '30s';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT pg_has_role('identity_service', 'application_role', 'member') THEN
        GRANT application_role TO identity_service;
    END IF;
END
$$;

SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- == Enums ==

CREATE TYPE user_status AS ENUM ('active', 'inactive', 'suspended', 'deleted');

-- == Tables ==

CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email VARCHAR(255) UNIQUE NOT NULL,
    username VARCHAR(50) UNIQUE NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    -- The service encrypts names before it stores them. The ciphertext of 100 characters of 4 bytes, with a nonce of 24
    -- and a tag of 16 bytes, is at most 640 characters of base64 and key name.
    first_name VARCHAR(640),
    last_name VARCHAR(640),
    avatar_url TEXT,
    email_verified BOOLEAN DEFAULT FALSE NOT NULL,
    status user_status DEFAULT 'active' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    last_login_at TIMESTAMP WITH TIME ZONE,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    -- Counts password changes: a sign-in that began with an earlier password cannot be completed.
    password_generation INTEGER DEFAULT 0 NOT NULL,
    -- Top-level domains outside of ASCII are stored as DNS has them: `xn--p1ai`. The service checks more.
    CONSTRAINT chk_email_format
        CHECK (email ~* '^[A-Za-z0-9._%+''-]+@[A-Za-z0-9.-]+\.([A-Za-z]{2,}|xn--[A-Za-z0-9-]*[A-Za-z0-9])$'),
    CONSTRAINT chk_username_length CHECK (char_length(username) >= 3 AND char_length(username) <= 50)
);

CREATE TABLE user_profiles (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    -- UNIQUE: concurrent calls create one profile.
    user_id UUID NOT NULL UNIQUE CONSTRAINT fk_user_profiles_user_id REFERENCES users(id) ON DELETE CASCADE,
    bio TEXT,
    -- Encrypted, as the names in `users`; 255 characters of plaintext.
    location VARCHAR(1500),
    website_url TEXT,
    social_links JSONB DEFAULT '{}'::jsonb NOT NULL,
    preferences JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL
);

-- The token columns hold SHA-256 in hexadecimal, never a token.
CREATE TABLE user_sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    session_token VARCHAR(255) UNIQUE NOT NULL,
    refresh_token VARCHAR(255) UNIQUE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ip_address INET,
    user_agent TEXT,
    is_active BOOLEAN DEFAULT TRUE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    refresh_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Refresh tokens that have been exchanged. One that is presented again is either a race of two requests or a theft.
CREATE TABLE user_session_rotations (
    refresh_token VARCHAR(255) PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES user_sessions(id) ON DELETE CASCADE,
    rotated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Tokens for programs, which act as their user within their scopes.
CREATE TABLE api_tokens (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name VARCHAR(100) NOT NULL,
    -- SHA-256 in hexadecimal, never a token.
    token_hash VARCHAR(64) UNIQUE NOT NULL,
    scopes TEXT[] NOT NULL CONSTRAINT chk_api_token_scopes CHECK (cardinality(scopes) BETWEEN 1 AND 50),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE
);

-- Single-use codes that prove an address or replace a forgotten password. Only SHA-256 of a code is stored; the service
-- derives the code from its id under a secret key, so that it can be mailed later.
CREATE TABLE account_codes (
    id UUID PRIMARY KEY,
    -- NULL for an address without an account: the same work is done, so that the response time reveals nothing.
    user_id UUID REFERENCES users(id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CONSTRAINT chk_code_purpose
        CHECK (purpose IN ('verify_email', 'reset_password', 'change_email', 'sign_up')),
    code_hash VARCHAR(64) NOT NULL UNIQUE,
    -- The address that the code proves.
    email VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    -- The id of the request that used the code: a retry of that request gets the same answer. The nil UUID marks a code
    -- that no request may use any more.
    used_by_request_id UUID
);

CREATE TABLE user_second_factors (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL UNIQUE REFERENCES users(id) ON DELETE CASCADE,
    -- Encrypted by the service.
    totp_secret VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    -- NULL until the user has entered a first code: until then the factor is not required.
    confirmed_at TIMESTAMP WITH TIME ZONE,
    -- Time step of the last accepted code: no code of it or an earlier step is accepted again (RFC 6238, section 5.2).
    last_used_step BIGINT DEFAULT 0 NOT NULL
);

-- HMAC-SHA256 of each code, keyed with the TOTP secret: this table alone does not allow guessing codes.
CREATE TABLE user_recovery_codes (
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- Sign-ins between the password and the second factor. They are here and not in Redis, so that losing Redis interrupts
-- none. The token is stored as SHA-256 in hexadecimal.
CREATE TABLE second_factor_challenges (
    token_hash VARCHAR(64) PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL
);

-- Emails to send. They are queued in the transaction that causes them, and deleted once sent. A row names what an email
-- is about; no row holds a code. Rows live for minutes and are updated a few times, so dead rows come fast.
CREATE TABLE mail_outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient VARCHAR(255) NOT NULL,
    -- The user, or the code if there is no user.
    entity_id UUID NOT NULL,
    parameters JSONB NOT NULL DEFAULT '{}'::jsonb,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);

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
    position BIGINT NOT NULL DEFAULT 0
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

CREATE INDEX idx_users_email ON users(email);
CREATE INDEX idx_users_username ON users(username);
-- Usernames are unique and found without regard to case (RFC 8265, UsernameCaseMapped; they are ASCII).
CREATE UNIQUE INDEX idx_users_username_lower ON users (lower(username));
CREATE INDEX idx_users_status ON users(status);
CREATE INDEX idx_users_created_at ON users(created_at);
CREATE INDEX idx_users_created_at_id ON users (created_at, id);
CREATE INDEX idx_users_metadata_gin ON users USING GIN (metadata);
CREATE INDEX idx_user_preferences ON user_profiles USING GIN ((preferences));
CREATE INDEX idx_user_sessions_user_id ON user_sessions(user_id);
CREATE INDEX idx_user_sessions_token ON user_sessions(session_token);
CREATE INDEX idx_user_sessions_expires_at ON user_sessions(expires_at);
CREATE INDEX idx_user_sessions_user_active ON user_sessions(user_id, is_active);
CREATE INDEX idx_user_session_rotations_session_id ON user_session_rotations(session_id);
CREATE INDEX idx_api_tokens_user_id ON api_tokens (user_id, created_at DESC, id DESC);
CREATE INDEX idx_api_tokens_expires_at ON api_tokens (expires_at);
CREATE INDEX idx_account_codes_user_id ON account_codes (user_id);
CREATE INDEX idx_account_codes_expires_at ON account_codes (expires_at);
CREATE INDEX idx_second_factor_challenges_user_id ON second_factor_challenges (user_id);
CREATE INDEX idx_mail_outbox_next_attempt_at ON mail_outbox (next_attempt_at);
CREATE INDEX idx_mail_outbox_entity_id ON mail_outbox (entity_id);
CREATE INDEX idx_change_log_entity ON change_log (entity, entity_id);
CREATE INDEX idx_change_log_changed_at ON change_log USING brin (changed_at);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
-- The security events of one user, and of all.
CREATE INDEX idx_change_log_security_user ON change_log ((new_values ->> 'user_id'), changed_at DESC, entity_id DESC)
    WHERE entity = 'security_event';
CREATE INDEX idx_change_log_security ON change_log (changed_at DESC, entity_id DESC) WHERE entity = 'security_event';

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
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
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
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
BEGIN ATOMIC
    SELECT FROM change_log_horizon FOR UPDATE;
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - retention
        ORDER BY transaction_id, position LIMIT max_rows
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position
    ), moved AS (
        UPDATE change_log_horizon h SET transaction_id = last.transaction_id, position = last.position
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;

-- For each job of `dafnck maintain`, the seconds since its last run began and whether it failed, for the service's
-- metrics. Before the first run: one row for all jobs with the age of the schema.
CREATE FUNCTION maintenance_status() RETURNS TABLE (job TEXT, age DOUBLE PRECISION, failed BOOLEAN)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT r.job, extract(epoch FROM now() - r.started_at)::float8, r.error IS NOT NULL FROM maintenance_runs r
    UNION ALL
    SELECT 'all', extract(epoch FROM now() - min(m.applied_at))::float8, FALSE FROM schema_migrations m
    WHERE NOT EXISTS (SELECT 1 FROM maintenance_runs)
    HAVING count(*) > 0
$$;

CREATE TRIGGER users_updated_at_trigger
    BEFORE UPDATE ON users
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();
CREATE TRIGGER user_profiles_updated_at_trigger
    BEFORE UPDATE ON user_profiles
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

-- The log holds no encrypted column, so that erasing the tables erases everything, and a retired key is not needed to
-- read the log. An update of `last_seen_at` or `last_used_at` is not logged.
CREATE TRIGGER users_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'password_hash', 'first_name', 'last_name');
CREATE TRIGGER user_profiles_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_profiles
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'location');
CREATE TRIGGER user_sessions_change_trigger
    AFTER INSERT OR DELETE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'session_token', 'refresh_token');
CREATE TRIGGER user_sessions_update_trigger
    AFTER UPDATE ON user_sessions
    FOR EACH ROW WHEN (OLD.last_seen_at IS NOT DISTINCT FROM NEW.last_seen_at)
    EXECUTE FUNCTION record_change('', 'session_token', 'refresh_token');
CREATE TRIGGER user_second_factors_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_second_factors
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'totp_secret');
CREATE TRIGGER api_tokens_change_trigger
    AFTER INSERT OR DELETE ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'token_hash', 'name');
CREATE TRIGGER api_tokens_update_trigger
    AFTER UPDATE ON api_tokens
    FOR EACH ROW WHEN (OLD.last_used_at IS NOT DISTINCT FROM NEW.last_used_at)
    EXECUTE FUNCTION record_change('', 'token_hash', 'name');

-- Logs security events, given as an array of objects with at least `id` and `kind`: failed sign-ins and other events
-- that change no row or whose row says too little. Runs as the owner, because no role may write the log directly.
CREATE FUNCTION append_security_events(events jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
BEGIN ATOMIC
    INSERT INTO change_log (entity, entity_id, operation, new_values, actor_id, trace_id)
    SELECT 'security_event', (event ->> 'id')::uuid, 'insert', event, (event ->> 'actor_id')::uuid,
        nullif(event ->> 'trace_id', '')
    FROM jsonb_array_elements(events) event;
END;

-- Rejects an email address or username that another account has before anything is written. With the unique index
-- alone, two users who swap their names would deadlock. Imports set no current user and skip what is taken.
CREATE FUNCTION check_login_available() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM users u WHERE u.email = NEW.email AND u.id <> NEW.id) THEN
        RAISE unique_violation USING CONSTRAINT = 'users_email_key', MESSAGE = 'the address is another''s';
    END IF;
    IF EXISTS (SELECT FROM users u WHERE lower(u.username) = lower(NEW.username) AND u.id <> NEW.id) THEN
        RAISE unique_violation USING CONSTRAINT = 'users_username_key', MESSAGE = 'the name is another''s';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_login_available_trigger
    BEFORE INSERT OR UPDATE OF email, username ON users
    FOR EACH ROW WHEN (current_setting('app.current_user_id', true) <> '')
    EXECUTE FUNCTION check_login_available();

-- Passwords. No role selects `password_hash`: these functions return the hash of one account.

-- The account with this email address or username.
CREATE FUNCTION find_credentials(login text)
RETURNS TABLE (id uuid, password_hash varchar, status user_status, password_generation integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.password_hash, u.status, u.password_generation FROM users u
    WHERE u.email = lower(login) OR lower(u.username) = lower(login) LIMIT 1
$$;

-- The current user's account.
CREATE FUNCTION find_own_credentials()
RETURNS TABLE (id uuid, password_hash varchar, status user_status, password_generation integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.password_hash, u.status, u.password_generation FROM users u WHERE u.id = current_user_id()
$$;

-- Another hash is another password, unless `app.same_password` says that the same password was hashed again.
CREATE FUNCTION increment_password_generation() RETURNS trigger
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
BEGIN
    IF current_setting('app.same_password', true) IS DISTINCT FROM 'on' THEN
        NEW.password_generation = OLD.password_generation + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_password_trigger
    BEFORE UPDATE OF password_hash ON users
    FOR EACH ROW WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash)
    EXECUTE FUNCTION increment_password_generation();

-- Stores a new hash of the same password, unless the password has changed since it was compared.
CREATE FUNCTION replace_own_password_hash(compared_hash text, hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    is_replaced boolean;
BEGIN
    PERFORM set_config('app.same_password', 'on', true);
    UPDATE users SET password_hash = hash WHERE id = current_user_id() AND password_hash = compared_hash;
    is_replaced := FOUND;
    PERFORM set_config('app.same_password', '', true);
    RETURN is_replaced;
END
$$;

-- Locks an account that still has this password until the transaction ends; returns no row if the password has changed.
-- A password change waits for the lock and then ends the sessions that were begun under it.
CREATE FUNCTION lock_password_generation(owner uuid, generation integer) RETURNS TABLE (has_second_factor boolean)
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
BEGIN
    PERFORM FROM users u WHERE u.id = owner AND u.password_generation = generation FOR NO KEY UPDATE;
    IF FOUND THEN
        RETURN QUERY SELECT EXISTS (
            SELECT 1 FROM user_second_factors f WHERE f.user_id = owner AND f.confirmed_at IS NOT NULL);
    END IF;
END
$$;

-- A password change ends the sign-ins that were begun with the old one. The hash `!` matches no password: an account
-- without a password, such as an erased one, keeps no second factor.
CREATE FUNCTION delete_challenges() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    DELETE FROM second_factor_challenges WHERE user_id = NEW.id;
    IF NEW.password_hash = '!' THEN
        DELETE FROM user_recovery_codes WHERE user_id = NEW.id;
        DELETE FROM user_second_factors WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_challenges_trigger
    AFTER UPDATE OF password_hash ON users
    FOR EACH ROW WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash)
    EXECUTE FUNCTION delete_challenges();

-- Counts an attempt at a challenge and returns its user; no row if the challenge has expired or has no attempt left.
CREATE FUNCTION count_challenge_attempt(token text, at timestamptz, max_attempts integer) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE second_factor_challenges SET attempts = attempts + 1
    WHERE token_hash = token AND expires_at > at AND attempts < max_attempts
    RETURNING user_id
$$;

-- Sessions and API tokens. The caller passes the time: expiry follows the service's clock.

-- The valid session or API token with this hash. `scopes` is NULL for a session.
CREATE FUNCTION find_bearer_token(hash text, at timestamptz)
RETURNS TABLE (id uuid, user_id uuid, expires_at timestamptz, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT s.id, s.user_id, s.expires_at, NULL::text[] FROM user_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.session_token = hash AND s.is_active AND s.expires_at > at AND u.status = 'active'
    UNION ALL
    SELECT t.id, t.user_id, t.expires_at, t.scopes FROM api_tokens t JOIN users u ON u.id = t.user_id
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > at AND u.status = 'active'
$$;

-- The valid session of a refresh token's hash, locked. `rotated_at` is when the token was exchanged before, NULL if
-- never.
CREATE FUNCTION find_refresh_token(token_hash text, at timestamptz)
RETURNS TABLE (id uuid, user_id uuid, created_at timestamptz, rotated_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT s.id, s.user_id, s.created_at, NULL::timestamptz FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE s.refresh_token = token_hash AND s.is_active AND s.refresh_expires_at > at AND u.status = 'active'
        FOR NO KEY UPDATE OF s;
    IF NOT FOUND THEN
        RETURN QUERY
            SELECT s.id, s.user_id, s.created_at, r.rotated_at
            FROM user_session_rotations r JOIN user_sessions s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
            WHERE r.refresh_token = token_hash AND s.is_active AND s.refresh_expires_at > at AND u.status = 'active'
            FOR NO KEY UPDATE OF s;
    END IF;
END
$$;

-- Ends a user's oldest valid sessions, except `new_session` and the newest `max_others`, and returns the hashes of
-- their tokens. Called by a statement that has locked the user's row, so it sees the sessions of all earlier sign-ins.
CREATE FUNCTION end_oldest_sessions(owner uuid, new_session uuid, max_others integer, at timestamptz) RETURNS text[]
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
DECLARE
    ended text[];
BEGIN
    WITH surplus AS (
        SELECT s.id FROM user_sessions s
        WHERE s.user_id = owner AND s.id <> new_session AND s.is_active AND s.refresh_expires_at > at
        ORDER BY s.created_at DESC, s.id DESC OFFSET max_others
    ), updated AS (
        UPDATE user_sessions s SET is_active = FALSE FROM surplus WHERE s.id = surplus.id RETURNING s.session_token
    )
    SELECT array_agg(session_token) INTO ended FROM updated;
    IF ended IS NOT NULL THEN
        PERFORM append_security_events(jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'kind', 'session_limit_reached', 'user_id', owner, 'actor_id', owner,
            'count', 1, 'trace_id', coalesce(current_setting('app.trace_id', true), ''),
            'details', jsonb_build_object('count', cardinality(ended)::text))));
    END IF;
    RETURN coalesce(ended, '{}');
END
$$;

-- Revokes a user's API tokens and returns the hashes of all of them, which caches may still hold. Idempotent.
CREATE FUNCTION revoke_api_tokens(owner uuid) RETURNS SETOF varchar
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()), name = 'revoked' WHERE user_id = owner
    RETURNING token_hash
$$;

-- The hashes of tokens of which copies may outlive them: sessions that were ended before they expired, and API tokens that
-- were revoked after `since`.
CREATE FUNCTION revoked_tokens(at timestamptz, since timestamptz) RETURNS SETOF varchar
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT session_token FROM user_sessions WHERE NOT is_active AND expires_at > at
    UNION ALL
    SELECT token_hash FROM api_tokens WHERE revoked_at > since
$$;

-- Codes. Each function handles one code: no role that serves requests reads the table. The account is locked before its
-- codes, in the same order as by a password change.

-- Stores a code for the active user with the id `account`, or with the address if no id is given, and queues an email
-- of the kind `email_kind`, unless the code is returned to the caller (`email_kind` is NULL). `address` is what the
-- code proves; the user's own if NULL. Returns no row if there is no such user, but does the same work. If the new
-- address of a user belongs to an account, that account gets the email `address_taken` and the code never works.
CREATE FUNCTION issue_code(code_id uuid, code_purpose text, hash text, account uuid, address text, email_kind text,
    at timestamptz, until timestamptz)
RETURNS TABLE (user_id uuid, email varchar, is_taken boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    found users;
    target text;
BEGIN
    SELECT * INTO found FROM users u
    WHERE u.status = 'active' AND CASE WHEN account IS NULL THEN u.email = address ELSE u.id = account END;
    target := coalesce(address, found.email, '');
    is_taken := code_purpose = 'change_email' AND EXISTS (SELECT 1 FROM users u WHERE u.email = target);
    INSERT INTO account_codes (id, user_id, purpose, code_hash, email, created_at, expires_at)
    VALUES (code_id, CASE WHEN NOT is_taken THEN found.id END, code_purpose, hash, target, at, until);
    IF email_kind IS NOT NULL THEN
        INSERT INTO mail_outbox (id, kind, recipient, entity_id, expires_at, next_attempt_at)
        VALUES (code_id,
            CASE WHEN found.id IS NULL THEN 'nothing' WHEN is_taken THEN 'address_taken' ELSE email_kind END,
            target, coalesce(found.id, code_id), until, at);
    END IF;
    IF found.id IS NOT NULL THEN
        RETURN QUERY SELECT found.id, found.email, is_taken;
    END IF;
END
$$;

-- Uses a code up, with all others of its user and purpose, and returns its user and the address that it proves. A retry
-- of the request that used it gets the same answer, marked as a replay. A new password or address ends all codes of the
-- user, because the person who asked for them may be the one to keep out.
CREATE FUNCTION redeem_code(code_purpose text, hash text, request uuid, at timestamptz)
RETURNS TABLE (user_id uuid, email varchar, is_replay boolean, former_email varchar, username varchar)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    code account_codes;
    owner users;
BEGIN
    SELECT u.* INTO owner FROM users u
    WHERE u.id = (SELECT c.user_id FROM account_codes c WHERE c.code_hash = hash AND c.purpose = code_purpose)
        AND u.status = 'active' FOR NO KEY UPDATE;
    IF owner.id IS NULL THEN
        RETURN;
    END IF;
    SELECT c.* INTO code FROM account_codes c
    WHERE c.code_hash = hash AND c.purpose = code_purpose AND c.expires_at > at
        AND (c.used_by_request_id IS NULL OR c.used_by_request_id = request) FOR UPDATE;
    IF code.id IS NULL THEN
        RETURN;
    END IF;
    IF code.used_by_request_id IS NULL THEN
        UPDATE account_codes c
        SET used_by_request_id = CASE WHEN c.id = code.id THEN request ELSE '00000000-0000-0000-0000-000000000000' END
        WHERE c.user_id = code.user_id AND c.used_by_request_id IS NULL
            AND (c.purpose = code_purpose OR code_purpose <> 'verify_email');
    END IF;
    RETURN QUERY SELECT owner.id, code.email, code.used_by_request_id IS NOT NULL, owner.email, owner.username;
END
$$;

-- Ends all codes of the current user.
CREATE FUNCTION revoke_own_codes() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE account_codes SET used_by_request_id = '00000000-0000-0000-0000-000000000000'
    WHERE user_id = current_user_id() AND used_by_request_id IS NULL
$$;

-- Stores a code for an account that is still to be created, and queues an email as `issue_code` does. Returns the
-- account that has the address already, if any, but does the same work: its owner gets the email `address_taken`, and
-- the code never works.
CREATE FUNCTION issue_sign_up_code(
    code_id uuid, hash text, address text, email_kind text, at timestamptz, until timestamptz
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT u.id INTO owner FROM users u WHERE u.email = address;
    INSERT INTO account_codes (id, purpose, code_hash, email, created_at, expires_at, used_by_request_id)
    VALUES (code_id, 'sign_up', hash, CASE WHEN owner IS NULL THEN address ELSE '' END, at, until,
        CASE WHEN owner IS NOT NULL THEN '00000000-0000-0000-0000-000000000000'::uuid END);
    IF email_kind IS NOT NULL THEN
        INSERT INTO mail_outbox (id, kind, recipient, entity_id, expires_at, next_attempt_at)
        VALUES (code_id, CASE WHEN owner IS NULL THEN email_kind ELSE 'address_taken' END, address,
            coalesce(owner, code_id), until, at);
    END IF;
    RETURN owner;
END
$$;

-- Uses a sign-up code and returns its id, which becomes the account's, and the address, which is deleted here. A retry
-- of the request that used it gets the same id, marked as a replay.
CREATE FUNCTION redeem_sign_up_code(hash text, request uuid, at timestamptz)
RETURNS TABLE (id uuid, email varchar, is_replay boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    code account_codes;
BEGIN
    SELECT c.* INTO code FROM account_codes c
    WHERE c.code_hash = hash AND c.purpose = 'sign_up' AND c.expires_at > at
        AND (c.used_by_request_id IS NULL OR c.used_by_request_id = request) FOR UPDATE;
    IF code.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE account_codes c SET used_by_request_id = request, email = '' WHERE c.id = code.id;
    RETURN QUERY SELECT code.id, code.email, code.used_by_request_id IS NOT NULL;
END
$$;

-- Deletes up to `max_rows` expired codes and returns how many. Rows that a request has locked are skipped.
CREATE FUNCTION delete_expired_codes(expired_before timestamptz, max_rows integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM account_codes WHERE id = ANY (ARRAY(
            SELECT c.id FROM account_codes c WHERE c.expires_at < expired_before LIMIT max_rows FOR UPDATE SKIP LOCKED))
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

-- User lookup: what any signed-in user may know of others.

CREATE FUNCTION lookup_user(name text)
RETURNS TABLE (id uuid, username varchar, first_name varchar, last_name varchar, avatar_url text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.username, u.first_name, u.last_name, u.avatar_url FROM users u
    WHERE lower(u.username) = lower(name) AND u.status = 'active' AND current_user_id() IS NOT NULL
$$;

-- By id, users who are no longer active are found too, because history names them; only their usernames are returned.
CREATE FUNCTION lookup_users(ids uuid[])
RETURNS TABLE (id uuid, username varchar, first_name varchar, last_name varchar, avatar_url text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.username, CASE WHEN u.status = 'active' THEN u.first_name END,
        CASE WHEN u.status = 'active' THEN u.last_name END, CASE WHEN u.status = 'active' THEN u.avatar_url END
    FROM users u WHERE u.id = ANY (ids) AND current_user_id() IS NOT NULL
$$;

-- User administration

-- Sets an account's status. An account that is not active has no sessions and no codes. Returns the hashes of all its
-- session tokens, which caches may still hold. Idempotent.
CREATE FUNCTION set_user_status(owner uuid, new_status user_status) RETURNS SETOF varchar
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    UPDATE users SET status = new_status WHERE id = owner AND status <> new_status;
    IF new_status <> 'active' THEN
        UPDATE account_codes SET used_by_request_id = '00000000-0000-0000-0000-000000000000'
        WHERE user_id = owner AND used_by_request_id IS NULL;
        UPDATE user_sessions SET is_active = FALSE WHERE user_id = owner AND is_active;
        RETURN QUERY SELECT s.session_token FROM user_sessions s WHERE s.user_id = owner;
    END IF;
END
$$;

-- Overwrites a user's personal data, in the change log too. Returns what `set_user_status` returns.
CREATE FUNCTION erase_user(owner uuid) RETURNS SETOF varchar
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    personal CONSTANT text[] := ARRAY['email', 'username', 'avatar_url', 'metadata', 'last_login_at', 'bio',
        'website_url', 'social_links', 'preferences', 'ip_address', 'user_agent', 'address', 'addresses', 'details'];
BEGIN
    PERFORM FROM users WHERE id = owner FOR UPDATE;
    RETURN QUERY SELECT s.session_token FROM user_sessions s WHERE s.user_id = owner;
    UPDATE users SET
        email = 'erased-' || owner || '@erased.invalid', username = 'erased-' || replace(owner::text, '-', ''),
        password_hash = '!', first_name = NULL, last_name = NULL, avatar_url = NULL, email_verified = FALSE,
        status = 'deleted', last_login_at = NULL, metadata = '{}'
    WHERE id = owner;
    UPDATE user_profiles SET bio = NULL, location = NULL, website_url = NULL, social_links = '{}', preferences = '{}'
    WHERE user_id = owner;
    DELETE FROM user_sessions WHERE user_id = owner;
    DELETE FROM account_codes WHERE user_id = owner;
    -- In the order in which the worker locks them.
    PERFORM FROM mail_outbox WHERE entity_id = owner ORDER BY id FOR UPDATE;
    DELETE FROM mail_outbox WHERE entity_id = owner;
    -- Several erasures may run at once, but none beside a trim.
    PERFORM FROM change_log_horizon FOR SHARE;
    UPDATE change_log SET old_values = old_values - personal, new_values = new_values - personal
    WHERE (entity = 'users' AND entity_id = owner)
        OR (entity IN ('user_profiles', 'user_sessions', 'security_event')
            AND owner::text IN (old_values ->> 'user_id', new_values ->> 'user_id'));
END
$$;

-- Reads of single accounts by many callers in one call, each as a transaction of its own would see it: before a row is read,
-- its caller is set, and the policies decide for that caller. Not SECURITY DEFINER: the policies are those of the role
-- that calls. Columns are in the order in which the service reads them.
CREATE FUNCTION gather_users(callers uuid[], trace_ids text[], user_ids uuid[])
RETURNS TABLE (
    slot integer, id uuid, email varchar, username varchar, first_name varchar, last_name varchar, avatar_url text,
    email_verified boolean, status user_status, created_at timestamptz, updated_at timestamptz,
    last_login_at timestamptz, metadata jsonb, version xid)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(callers) LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        RETURN QUERY
        SELECT i, u.id, u.email, u.username, u.first_name, u.last_name, u.avatar_url, u.email_verified, u.status,
            u.created_at, u.updated_at, u.last_login_at, u.metadata, u.xmin
        FROM identity.users u
        WHERE u.id = user_ids[i];
    END LOOP;
END
$$;

-- The same for the accounts of the callers themselves, each with the session or the API token that has this id.
CREATE FUNCTION gather_callers(callers uuid[], trace_ids text[], credential_ids uuid[])
RETURNS TABLE (
    slot integer, id uuid, email varchar, username varchar, first_name varchar, last_name varchar, avatar_url text,
    email_verified boolean, status user_status, created_at timestamptz, updated_at timestamptz,
    last_login_at timestamptz, metadata jsonb, version xid,
    session_id uuid, session_user_id uuid, ip_address inet, user_agent text, is_active boolean,
    session_created_at timestamptz, session_expires_at timestamptz, refresh_expires_at timestamptz,
    last_seen_at timestamptz,
    api_token_id uuid, name varchar, scopes text[], api_token_created_at timestamptz,
    api_token_expires_at timestamptz, last_used_at timestamptz, revoked_at timestamptz)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(callers) LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        RETURN QUERY
        SELECT i, u.id, u.email, u.username, u.first_name, u.last_name, u.avatar_url, u.email_verified, u.status,
            u.created_at, u.updated_at, u.last_login_at, u.metadata, u.xmin,
            s.id, s.user_id, s.ip_address, s.user_agent, s.is_active, s.created_at, s.expires_at,
            s.refresh_expires_at, s.last_seen_at,
            k.id, k.name, k.scopes, k.created_at, k.expires_at, k.last_used_at, k.revoked_at
        FROM identity.users u
        LEFT JOIN identity.user_sessions s ON s.id = credential_ids[i]
        LEFT JOIN identity.api_tokens k ON k.id = credential_ids[i]
        WHERE u.id = callers[i];
    END LOOP;
END
$$;

-- == Row-level security ==

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
-- No policy: only the owner sees them.
ALTER TABLE table_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY change_log_worker_policy ON change_log FOR SELECT TO identity_worker USING (TRUE);
CREATE POLICY idempotency_access_policy ON idempotency_keys FOR ALL TO application_role
    USING (caller_id = current_user_id());
CREATE POLICY idempotency_worker_policy ON idempotency_keys FOR ALL TO identity_worker USING (TRUE);

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session_rotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_second_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE second_factor_challenges ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_outbox ENABLE ROW LEVEL SECURITY;

-- Users access their own rows. Requests add emails to the outbox and read none; they neither read nor write codes.
CREATE POLICY user_access_policy ON users FOR ALL TO application_role USING (id = current_user_id());
CREATE POLICY profile_access_policy ON user_profiles FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY session_access_policy ON user_sessions FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY rotation_access_policy ON user_session_rotations FOR ALL TO application_role
    USING (EXISTS (SELECT 1 FROM user_sessions s WHERE s.id = session_id));
CREATE POLICY api_token_access_policy ON api_tokens FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY second_factor_access_policy ON user_second_factors FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY recovery_code_access_policy ON user_recovery_codes FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY challenge_access_policy ON second_factor_challenges FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY mail_outbox_queue_policy ON mail_outbox FOR INSERT TO application_role WITH CHECK (TRUE);
-- Users read the security events of their own account, and nothing else of the log.
CREATE POLICY change_log_security_policy ON change_log FOR SELECT TO application_role
    USING (entity = 'security_event' AND new_values ->> 'user_id' = current_user_id()::text);

CREATE POLICY user_worker_policy ON users FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY profile_worker_policy ON user_profiles FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY session_worker_policy ON user_sessions FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY api_token_worker_policy ON api_tokens FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY code_worker_policy ON account_codes FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY second_factor_worker_policy ON user_second_factors FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY recovery_code_worker_policy ON user_recovery_codes FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY challenge_worker_policy ON second_factor_challenges FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY mail_outbox_worker_policy ON mail_outbox FOR ALL TO identity_worker USING (TRUE);

-- == Grants ==

-- By default PostgreSQL lets everybody execute a function.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA identity FROM PUBLIC;
GRANT USAGE ON SCHEMA identity TO identity_service, identity_worker;
GRANT EXECUTE ON FUNCTION current_user_id() TO identity_service, identity_worker;
GRANT SELECT, INSERT ON idempotency_keys TO identity_service;
GRANT SELECT, DELETE ON idempotency_keys TO identity_worker;
GRANT SELECT ON change_log, change_log_horizon TO identity_worker;
GRANT EXECUTE ON FUNCTION trim_change_log(interval, integer), maintenance_status() TO identity_worker;

-- No role reads `password_hash` or `refresh_token`: the functions above compare them.
GRANT SELECT (id, email, username, first_name, last_name, avatar_url, email_verified, status, created_at, updated_at,
        last_login_at, metadata, password_generation, xmin), INSERT, UPDATE ON users TO identity_service;
GRANT SELECT, INSERT, UPDATE ON user_profiles TO identity_service;
GRANT SELECT (id, user_id, session_token, expires_at, ip_address, user_agent, is_active, created_at,
        refresh_expires_at, last_seen_at), INSERT, UPDATE ON user_sessions TO identity_service;
GRANT SELECT, INSERT ON user_session_rotations TO identity_service;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_tokens TO identity_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_second_factors TO identity_service;
GRANT SELECT, INSERT, DELETE ON user_recovery_codes, second_factor_challenges TO identity_service;
GRANT INSERT ON mail_outbox TO identity_service;
GRANT SELECT ON change_log TO identity_service;
GRANT EXECUTE ON FUNCTION append_security_events(jsonb), find_credentials(text), find_own_credentials(),
    replace_own_password_hash(text, text), lock_password_generation(uuid, integer),
    count_challenge_attempt(text, timestamptz, integer), find_bearer_token(text, timestamptz),
    find_refresh_token(text, timestamptz), end_oldest_sessions(uuid, uuid, integer, timestamptz),
    issue_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz),
    redeem_code(text, text, uuid, timestamptz), revoke_own_codes(),
    issue_sign_up_code(uuid, text, text, text, timestamptz, timestamptz),
    redeem_sign_up_code(text, uuid, timestamptz), lookup_user(text), lookup_users(uuid[]),
    gather_users(uuid[], text[], uuid[]), gather_callers(uuid[], text[], uuid[]) TO identity_service;

-- The worker lists, imports and exports accounts, encrypts columns again under a new key, deletes what has expired and
-- sends emails.
GRANT SELECT (id, email, username, first_name, last_name, avatar_url, email_verified, status, created_at, updated_at,
        last_login_at, metadata, xmin), INSERT, UPDATE (first_name, last_name) ON users TO identity_worker;
GRANT SELECT (id, user_id, bio, location, website_url, social_links, preferences, created_at, updated_at, xmin),
    INSERT, UPDATE (location) ON user_profiles TO identity_worker;
GRANT SELECT (id, user_id, expires_at, ip_address, user_agent, is_active, created_at, refresh_expires_at, last_seen_at),
    UPDATE (last_seen_at), DELETE ON user_sessions TO identity_worker;
GRANT SELECT (id, user_id, name, scopes, created_at, expires_at, last_used_at, revoked_at),
    UPDATE (last_used_at), DELETE ON api_tokens TO identity_worker;
GRANT SELECT (id, user_id, expires_at), DELETE ON account_codes TO identity_worker;
GRANT SELECT (user_id, totp_secret, confirmed_at), UPDATE (totp_secret), DELETE ON user_second_factors
    TO identity_worker;
GRANT SELECT (user_id), DELETE ON user_recovery_codes, second_factor_challenges TO identity_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_outbox TO identity_worker;
GRANT EXECUTE ON FUNCTION append_security_events(jsonb), revoke_api_tokens(uuid), revoked_tokens(timestamptz, timestamptz),
    delete_expired_codes(timestamptz, integer), set_user_status(uuid, user_status), erase_user(uuid) TO identity_worker;
