-- Who acts, the log of changes, and the memory of requests: what every service's schema stands on.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- The user on whose behalf this transaction runs. NULL when nobody said: then policies show nothing.
-- The nil UUID stands for somebody without a session.
CREATE FUNCTION current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.current_user_id', true), '')::uuid;

-- One row per change of any row, written in the transaction of the change. Readers order by
-- (transaction_id, position) and stop below their snapshot's xmin: a serial alone is handed out before
-- its transaction commits, so a reader would pass over rows that commit late.
CREATE TABLE change_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    entity TEXT NOT NULL,
    entity_id UUID NOT NULL,
    project_id UUID,
    operation TEXT NOT NULL CONSTRAINT chk_change_operation CHECK (operation IN ('insert', 'update', 'delete')),
    old_values JSONB,
    new_values JSONB,
    actor_id UUID,
    trace_id TEXT,
    PRIMARY KEY (transaction_id, position)
);
CREATE INDEX idx_change_log_entity ON change_log (entity, entity_id);
CREATE INDEX idx_change_log_changed_at ON change_log USING brin (changed_at);

-- Up to where the log has been trimmed: a reader whose position is older has missed something.
CREATE TABLE change_log_horizon (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT chk_only_row CHECK (only_row),
    transaction_id xid8 NOT NULL DEFAULT '0',
    position BIGINT NOT NULL DEFAULT 0
);
INSERT INTO change_log_horizon DEFAULT VALUES;

-- Writes the log. Arguments: the column that holds the project's id ('' for none), then the columns that
-- are left out because they are secret or large. Runs as the owner: a role that may change a row may not
-- write, read or skip its log.
CREATE FUNCTION record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    left_out text[] := TG_ARGV[1:];
    was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - left_out END;
    becomes jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - left_out END;
    subject jsonb := coalesce(becomes, was);
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES (
        TG_TABLE_NAME,
        (subject ->> 'id')::uuid,
        (subject ->> TG_ARGV[0])::uuid,
        lower(TG_OP),
        was,
        becomes,
        current_user_id(),
        nullif(current_setting('app.trace_id', true), '')
    );
    RETURN NULL;
END
$$;

-- Forgets changes older than the given age, at most so many at once, and moves the horizon.
CREATE FUNCTION trim_change_log(keep interval, at_most integer) RETURNS bigint
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

-- Which request made which resource, so that a retry finds it instead of making another (AIP-155).
CREATE TABLE idempotency_keys (
    caller_id UUID NOT NULL,
    method TEXT NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    resource_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (caller_id, request_id, method)
);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY idempotency_access_policy ON idempotency_keys FOR ALL TO application_role
    USING (caller_id = current_user_id());
CREATE POLICY idempotency_worker_policy ON idempotency_keys FOR ALL TO identity_worker USING (TRUE);

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY change_log_worker_policy ON change_log FOR SELECT TO identity_worker USING (TRUE);

REVOKE EXECUTE ON FUNCTION record_change(), trim_change_log(interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trim_change_log(interval, integer) TO identity_worker;
GRANT SELECT ON change_log, change_log_horizon TO identity_worker;
GRANT SELECT, INSERT ON idempotency_keys TO identity_service;
GRANT SELECT, DELETE ON idempotency_keys TO identity_worker;
