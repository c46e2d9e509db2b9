-- Who sees and changes what. A user sees their own rows; signing in happens before there is a user, so it
-- reads through functions that answer one question each.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_session_rotations ENABLE ROW LEVEL SECURITY;

CREATE POLICY user_access_policy ON users FOR ALL TO application_role USING (id = current_user_id());
CREATE POLICY profile_access_policy ON user_profiles FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY session_access_policy ON user_sessions FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY rotation_access_policy ON user_session_rotations FOR ALL TO application_role
    USING (EXISTS (SELECT 1 FROM user_sessions s WHERE s.id = session_id));
CREATE POLICY user_worker_policy ON users FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY profile_worker_policy ON user_profiles FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY session_worker_policy ON user_sessions FOR ALL TO identity_worker USING (TRUE);

-- The account that a login names: e-mail address or username.
CREATE FUNCTION find_credentials(login text)
RETURNS TABLE (id uuid, password_hash varchar, status user_status)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.password_hash, u.status FROM users u WHERE u.email = lower(login) OR u.username = login LIMIT 1
$$;

-- The working session of a session token's hash.
CREATE FUNCTION find_session(token_hash text)
RETURNS TABLE (id uuid, user_id uuid, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT s.id, s.user_id, s.expires_at FROM user_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.session_token = token_hash AND s.is_active AND s.expires_at > now() AND u.status = 'active'
$$;

-- The working session of a refresh token's hash, locked, and when that token was exchanged before (NULL: never).
CREATE FUNCTION find_refresh(token_hash text)
RETURNS TABLE (id uuid, user_id uuid, rotated_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT s.id, s.user_id, NULL::timestamptz FROM user_sessions s JOIN users u ON u.id = s.user_id
        WHERE s.refresh_token = token_hash AND s.is_active AND s.refresh_expires_at > now() AND u.status = 'active'
        FOR NO KEY UPDATE OF s;
    IF NOT FOUND THEN
        RETURN QUERY
            SELECT s.id, s.user_id, r.rotated_at
            FROM user_session_rotations r JOIN user_sessions s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
            WHERE r.refresh_token = token_hash AND s.is_active AND s.refresh_expires_at > now() AND u.status = 'active'
            FOR NO KEY UPDATE OF s;
    END IF;
END
$$;

-- What anyone signed in may know of an active user.
CREATE FUNCTION lookup_user(name text)
RETURNS TABLE (id uuid, username varchar, first_name varchar, last_name varchar, avatar_url text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.username, u.first_name, u.last_name, u.avatar_url FROM users u
    WHERE u.username = name AND u.status = 'active' AND current_user_id() IS NOT NULL
$$;

REVOKE EXECUTE ON FUNCTION find_credentials(text), find_session(text), find_refresh(text), lookup_user(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_credentials(text), find_session(text), find_refresh(text), lookup_user(text)
    TO identity_service;

-- No role selects a password hash or a refresh token: the functions above answer for one account or one token.
GRANT SELECT (id, email, username, first_name, last_name, avatar_url, email_verified, status, created_at, updated_at,
    last_login_at, metadata, xmin), INSERT, UPDATE ON users TO identity_service;
GRANT SELECT, INSERT, UPDATE ON user_profiles TO identity_service;
GRANT SELECT (id, user_id, session_token, expires_at, ip_address, user_agent, is_active, created_at, refresh_expires_at),
    INSERT, UPDATE ON user_sessions TO identity_service;
GRANT INSERT, SELECT ON user_session_rotations TO identity_service;
GRANT SELECT (id, email, username, first_name, last_name, status, created_at), INSERT ON users TO identity_worker;
GRANT INSERT ON user_profiles TO identity_worker;
GRANT SELECT (id, user_id, expires_at, is_active, refresh_expires_at), DELETE ON user_sessions TO identity_worker;
