-- Tokens for programs, which act as their user within their scopes.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

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
CREATE INDEX idx_api_tokens_user_id ON api_tokens (user_id, created_at DESC, id DESC);
CREATE INDEX idx_api_tokens_expires_at ON api_tokens (expires_at);

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY api_token_access_policy ON api_tokens FOR ALL TO application_role USING (user_id = current_user_id());
CREATE POLICY api_token_worker_policy ON api_tokens FOR ALL TO identity_worker USING (TRUE);

CREATE TRIGGER api_tokens_change_trigger
    AFTER INSERT OR DELETE ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'token_hash', 'name');
CREATE TRIGGER api_tokens_update_trigger
    AFTER UPDATE ON api_tokens
    FOR EACH ROW WHEN (OLD.last_used_at IS NOT DISTINCT FROM NEW.last_used_at)
    EXECUTE FUNCTION record_change('', 'token_hash', 'name');

-- The working session or API token of a token's hash; `scopes` tells one from the other.
CREATE FUNCTION find_bearer(hash text, at timestamptz)
RETURNS TABLE (id uuid, user_id uuid, expires_at timestamptz, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT s.id, s.user_id, s.expires_at, NULL::text[] FROM find_session(hash, at) s
    UNION ALL
    SELECT t.id, t.user_id, t.expires_at, t.scopes FROM api_tokens t JOIN users u ON u.id = t.user_id
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > at AND u.status = 'active'
$$;
REVOKE EXECUTE ON FUNCTION find_bearer(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_bearer(text, timestamptz) TO identity_service;

-- Ends all tokens of a user, as background work, and answers with the hashes of those that may still be taken for
-- working; also when called again.
CREATE FUNCTION revoke_api_tokens(owner uuid) RETURNS SETOF varchar
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()), name = 'revoked' WHERE user_id = owner
    RETURNING token_hash
$$;
REVOKE EXECUTE ON FUNCTION revoke_api_tokens(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION revoke_api_tokens(uuid) TO identity_worker;

GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_tokens TO identity_service;
GRANT SELECT (id, expires_at, revoked_at, last_used_at), UPDATE (last_used_at), DELETE ON api_tokens TO identity_worker;
