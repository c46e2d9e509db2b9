-- What operators do with accounts, as background work: through functions that do one thing each.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- Gives an account another state. One that is not active has no sessions and no codes. Answers with the hashes of the
-- session tokens that may still be taken for working; also when called again.
CREATE FUNCTION set_user_status(owner uuid, becomes user_status) RETURNS SETOF varchar
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
BEGIN
    UPDATE users SET status = becomes WHERE id = owner AND status <> becomes;
    IF becomes <> 'active' THEN
        UPDATE account_codes SET used_by = '00000000-0000-0000-0000-000000000000'
        WHERE user_id = owner AND used_by IS NULL;
        UPDATE user_sessions SET is_active = FALSE WHERE user_id = owner AND is_active;
        RETURN QUERY SELECT s.session_token FROM user_sessions s WHERE s.user_id = owner;
    END IF;
END
$$;

-- Overwrites what tells who a user is, also in the log. Answers as `set_user_status`.
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
    DELETE FROM mail_outbox WHERE about = owner;
    UPDATE change_log SET old_values = old_values - personal, new_values = new_values - personal
    WHERE (entity = 'users' AND entity_id = owner)
        OR (entity IN ('user_profiles', 'user_sessions', 'security_event')
            AND owner::text IN (old_values ->> 'user_id', new_values ->> 'user_id'));
END
$$;

-- What anyone signed in may know of users by id: history names them also when they are gone.
CREATE FUNCTION lookup_users(ids uuid[])
RETURNS TABLE (id uuid, username varchar, first_name varchar, last_name varchar, avatar_url text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.username, CASE WHEN u.status = 'active' THEN u.first_name END,
        CASE WHEN u.status = 'active' THEN u.last_name END, CASE WHEN u.status = 'active' THEN u.avatar_url END
    FROM users u WHERE u.id = ANY (ids) AND current_user_id() IS NOT NULL
$$;

REVOKE EXECUTE ON FUNCTION lookup_users(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lookup_users(uuid[]) TO identity_service;
REVOKE EXECUTE ON FUNCTION set_user_status(uuid, user_status), erase_user(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_user_status(uuid, user_status), erase_user(uuid) TO identity_worker;

-- Listing and exporting reads whole accounts, but for hashes.
GRANT SELECT (avatar_url, email_verified, updated_at, last_login_at, metadata, xmin) ON users TO identity_worker;
GRANT SELECT (id, bio, website_url, social_links, preferences, created_at, updated_at, xmin) ON user_profiles
    TO identity_worker;
GRANT SELECT (ip_address, user_agent, created_at) ON user_sessions TO identity_worker;
CREATE INDEX idx_users_created_at_id ON users (created_at, id);
