-- Sessions by the service's clock, and when they were last used.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

ALTER TABLE user_sessions ADD COLUMN last_seen_at TIMESTAMP WITH TIME ZONE;
GRANT SELECT (last_seen_at) ON user_sessions TO identity_service;
GRANT SELECT (last_seen_at), UPDATE (last_seen_at) ON user_sessions TO identity_worker;

-- That somebody goes on using a session is no change to remember.
DROP TRIGGER user_sessions_change_trigger ON user_sessions;
CREATE TRIGGER user_sessions_change_trigger
    AFTER INSERT OR DELETE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'session_token', 'refresh_token');
CREATE TRIGGER user_sessions_update_trigger
    AFTER UPDATE ON user_sessions
    FOR EACH ROW WHEN (OLD.last_seen_at IS NOT DISTINCT FROM NEW.last_seen_at)
    EXECUTE FUNCTION record_change('', 'session_token', 'refresh_token');

-- As the functions of the same name without a time, which stay for processes of the version before.
CREATE FUNCTION find_session(token_hash text, at timestamptz)
RETURNS TABLE (id uuid, user_id uuid, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT s.id, s.user_id, s.expires_at FROM user_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.session_token = token_hash AND s.is_active AND s.expires_at > at AND u.status = 'active'
$$;

CREATE FUNCTION find_refresh(token_hash text, at timestamptz)
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

-- Ends the oldest living sessions of a user but the one just begun and so many others, and answers with the hashes
-- of their tokens. Called by a statement that has locked the user's row, it sees what sign-ins before it have begun.
CREATE FUNCTION end_oldest_sessions(of_user uuid, begun uuid, others integer, at timestamptz) RETURNS text[]
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
DECLARE
    ended text[];
BEGIN
    WITH crowded AS (
        SELECT s.id FROM user_sessions s
        WHERE s.user_id = of_user AND s.id <> begun AND s.is_active AND s.refresh_expires_at > at
        ORDER BY s.created_at DESC, s.id DESC OFFSET others
    ), gone AS (
        UPDATE user_sessions s SET is_active = FALSE FROM crowded WHERE s.id = crowded.id RETURNING s.session_token
    )
    SELECT array_agg(session_token) INTO ended FROM gone;
    IF ended IS NOT NULL THEN
        PERFORM append_security_events(jsonb_build_array(jsonb_build_object(
            'id', gen_random_uuid(), 'kind', 'session_limit_reached', 'user_id', of_user, 'actor_id', of_user,
            'count', 1, 'trace_id', coalesce(current_setting('app.trace_id', true), ''),
            'details', jsonb_build_object('count', cardinality(ended)::text))));
    END IF;
    RETURN coalesce(ended, '{}');
END
$$;

REVOKE EXECUTE ON FUNCTION find_session(text, timestamptz), find_refresh(text, timestamptz),
    end_oldest_sessions(uuid, uuid, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_session(text, timestamptz), find_refresh(text, timestamptz),
    end_oldest_sessions(uuid, uuid, integer, timestamptz) TO identity_service;
