-- Second factors: the secret of an authenticator app, recovery codes, and the challenges between a password and
-- a session. They are here and not in Redis: losing Redis loses no sign-in that is under way.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- The secret is sealed by the service. Until it is confirmed with a code, it does nothing.
CREATE TABLE user_second_factors (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL UNIQUE REFERENCES users(id) ON DELETE CASCADE,
    totp_secret VARCHAR(255) NOT NULL,
    begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    -- Time step of the last code that was accepted (RFC 6238, section 5.2): no code of it or before works again.
    last_used_step BIGINT DEFAULT 0 NOT NULL
);

-- HMAC-SHA256 of each code under the sealed secret: whoever has this table alone cannot try codes.
CREATE TABLE user_recovery_codes (
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- SHA-256 of the token in hexadecimal.
CREATE TABLE second_factor_challenges (
    token_hash VARCHAR(64) PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL
);
CREATE INDEX idx_second_factor_challenges_user_id ON second_factor_challenges (user_id);

CREATE TRIGGER user_second_factors_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_second_factors
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'totp_secret');

ALTER TABLE user_second_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_recovery_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE second_factor_challenges ENABLE ROW LEVEL SECURITY;
CREATE POLICY second_factor_access_policy ON user_second_factors FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY recovery_code_access_policy ON user_recovery_codes FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY challenge_access_policy ON second_factor_challenges FOR ALL TO application_role
    USING (user_id = current_user_id());
CREATE POLICY second_factor_worker_policy ON user_second_factors FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY recovery_code_worker_policy ON user_recovery_codes FOR ALL TO identity_worker USING (TRUE);
CREATE POLICY challenge_worker_policy ON second_factor_challenges FOR ALL TO identity_worker USING (TRUE);

-- Takes one of the attempts that a challenge has, and answers whose it is; nothing when none is left.
CREATE FUNCTION take_challenge_attempt(token text, now_is timestamptz, at_most integer) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE second_factor_challenges SET attempts = attempts + 1
    WHERE token_hash = token AND expires_at > now_is AND attempts < at_most
    RETURNING user_id
$$;

-- What was begun with a password ends with it; an account that is left without one (`!`, as one that is erased) has no
-- second factor any more.
CREATE FUNCTION forget_challenges() RETURNS trigger
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
    EXECUTE FUNCTION forget_challenges();

REVOKE EXECUTE ON FUNCTION take_challenge_attempt(text, timestamptz, integer),
    forget_challenges() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_challenge_attempt(text, timestamptz, integer)
    TO identity_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_second_factors TO identity_service;
GRANT SELECT, INSERT, DELETE ON user_recovery_codes TO identity_service;
GRANT SELECT, INSERT, DELETE ON second_factor_challenges TO identity_service;
-- Sealing under another key, and operators who remove a factor.
GRANT SELECT (user_id, totp_secret, confirmed_at), UPDATE (totp_secret), DELETE ON user_second_factors TO identity_worker;
GRANT SELECT (user_id), DELETE ON user_recovery_codes, second_factor_challenges TO identity_worker;
