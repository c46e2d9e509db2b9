SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP TRIGGER users_names_trigger ON users;
DROP FUNCTION refuse_taken_name();
DROP FUNCTION forget_codes(timestamptz, integer);
CREATE OR REPLACE FUNCTION use_code(code_purpose text, hash text, request uuid, at timestamptz)
RETURNS TABLE (user_id uuid, email varchar, is_replay boolean, former_email varchar, username varchar)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    code account_codes;
    owner users;
BEGIN
    SELECT c.* INTO code FROM account_codes c
    WHERE c.code_hash = hash AND c.purpose = code_purpose AND c.expires_at > at
        AND (c.used_by IS NULL OR c.used_by = request) FOR UPDATE;
    IF code.id IS NULL THEN
        RETURN;
    END IF;
    SELECT u.* INTO owner FROM users u WHERE u.id = code.user_id AND u.status = 'active' FOR NO KEY UPDATE;
    IF owner.id IS NULL THEN
        RETURN;
    END IF;
    IF code.used_by IS NULL THEN
        -- The nil UUID: used, and no request may have it again.
        UPDATE account_codes c SET used_by = CASE WHEN c.id = code.id THEN request ELSE '00000000-0000-0000-0000-000000000000' END
        WHERE c.user_id = code.user_id AND c.used_by IS NULL
            AND (c.purpose = code_purpose OR code_purpose <> 'verify_email');
    END IF;
    RETURN QUERY SELECT owner.id, code.email, code.used_by IS NOT NULL, owner.email, owner.username;
END
$$;
CREATE OR REPLACE FUNCTION erase_user(owner uuid) RETURNS SETOF varchar
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
CREATE OR REPLACE FUNCTION trim_change_log(keep interval, at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
BEGIN ATOMIC
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - keep
        ORDER BY transaction_id, position LIMIT at_most
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
