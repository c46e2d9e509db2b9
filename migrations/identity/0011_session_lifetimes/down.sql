SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP FUNCTION end_oldest_sessions(uuid, uuid, integer, timestamptz);
DROP FUNCTION find_refresh(text, timestamptz);
DROP FUNCTION find_session(text, timestamptz);
DROP TRIGGER user_sessions_update_trigger ON user_sessions;
DROP TRIGGER user_sessions_change_trigger ON user_sessions;
CREATE TRIGGER user_sessions_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'session_token', 'refresh_token');
ALTER TABLE user_sessions DROP COLUMN last_seen_at;
