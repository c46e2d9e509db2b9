-- Security events: rows of the change log that no table has, for what changes no row (a failed sign-in) or says
-- too little in one (who ended whose session, from where).
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- Writes events, given as an array of objects with at least `id` and `kind`. Runs as the owner: no role may write
-- the log but through this and the triggers.
CREATE FUNCTION append_security_events(events jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
BEGIN ATOMIC
    INSERT INTO change_log (entity, entity_id, operation, new_values, actor_id, trace_id)
    SELECT 'security_event', (event ->> 'id')::uuid, 'insert', event, (event ->> 'actor_id')::uuid,
        nullif(event ->> 'trace_id', '')
    FROM jsonb_array_elements(events) event;
END;
REVOKE EXECUTE ON FUNCTION append_security_events(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_security_events(jsonb) TO identity_service, identity_worker;

-- A user reads the events of their own account, and nothing else of the log.
CREATE POLICY change_log_security_policy ON change_log FOR SELECT TO application_role
    USING (entity = 'security_event' AND new_values ->> 'user_id' = current_user_id()::text);
GRANT SELECT ON change_log TO identity_service;

CREATE INDEX idx_change_log_security_user ON change_log ((new_values ->> 'user_id'), changed_at DESC, entity_id DESC)
    WHERE entity = 'security_event';
CREATE INDEX idx_change_log_security ON change_log (changed_at DESC, entity_id DESC) WHERE entity = 'security_event';
