-- Codes that prove an address or stand in for a forgotten password: used once, for a while, stored as SHA-256.
-- A code follows from its id under a key of the suite, so that it can be mailed though it is stored nowhere.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

CREATE TABLE account_codes (
    id UUID PRIMARY KEY,
    -- NULL for an address that nobody has: it is worked on all the same, so that nobody can tell by the time.
    user_id UUID REFERENCES users(id) ON DELETE CASCADE,
    purpose TEXT NOT NULL
        CONSTRAINT chk_code_purpose CHECK (purpose IN ('verify_email', 'reset_password', 'change_email')),
    code_hash VARCHAR(64) NOT NULL UNIQUE,
    -- The address that the code proves.
    email VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    -- Under which request it was used, so that a retry of that one is answered like the first.
    used_by UUID
);
CREATE INDEX idx_account_codes_user_id ON account_codes (user_id);
CREATE INDEX idx_account_codes_expires_at ON account_codes (expires_at);

-- No role that serves requests reads codes: the functions below answer for one code each.
ALTER TABLE account_codes ENABLE ROW LEVEL SECURITY;
CREATE POLICY code_worker_policy ON account_codes FOR ALL TO identity_worker USING (TRUE);
GRANT SELECT (id, user_id, expires_at), DELETE ON account_codes TO identity_worker;

-- Stores a code for the active user with this id, or with this address if no id is given, and queues the letter
-- with it unless the code is returned (`letter` is NULL). `address` is what the code proves; the user's own if NULL.
-- Answers with the user; no row if there is none, but only after the same work. An address that is to become the
-- user's and is another's gets the letter `address_taken`, and a code that nobody learns.
CREATE FUNCTION issue_code(code_id uuid, code_purpose text, hash text, wanted uuid, address text, letter text,
    at timestamptz, until timestamptz)
RETURNS TABLE (user_id uuid, email varchar, username varchar)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    found users;
    is_taken boolean;
    target text;
BEGIN
    SELECT * INTO found FROM users u
    WHERE u.status = 'active' AND CASE WHEN wanted IS NULL THEN u.email = address ELSE u.id = wanted END;
    target := coalesce(address, found.email, '');
    is_taken := code_purpose = 'change_email' AND EXISTS (SELECT 1 FROM users u WHERE u.email = target);
    INSERT INTO account_codes (id, user_id, purpose, code_hash, email, created_at, expires_at)
    VALUES (code_id, CASE WHEN NOT is_taken THEN found.id END, code_purpose, hash, target, at, until);
    IF letter IS NOT NULL THEN
        INSERT INTO mail_outbox (id, kind, recipient, about, expires_at, next_attempt_at)
        VALUES (code_id,
            CASE WHEN found.id IS NULL THEN 'nothing' WHEN is_taken THEN 'address_taken' ELSE letter END,
            target, coalesce(found.id, code_id), until, at);
    END IF;
    IF found.id IS NOT NULL THEN
        RETURN QUERY SELECT found.id, found.email, found.username;
    END IF;
END
$$;

-- Uses a code up, with all others of its user and purpose, and answers whose it is and which address it proves.
-- A retry of the request that used it is answered again, as a replay. A new password or address ends every code:
-- whoever asked for one before may be the one who is to be kept out.
CREATE FUNCTION use_code(code_purpose text, hash text, request uuid, at timestamptz)
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

-- Ends every code of the calling user.
CREATE FUNCTION end_own_codes() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    UPDATE account_codes SET used_by = '00000000-0000-0000-0000-000000000000'
    WHERE user_id = current_user_id() AND used_by IS NULL
$$;

-- Puts a hash in the place of the one that was compared: not of one that has been set meanwhile.
CREATE FUNCTION replace_own_password_hash(compared text, hash text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    WITH replaced AS (UPDATE users SET password_hash = hash
        WHERE id = current_user_id() AND password_hash = compared RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM replaced)
$$;

REVOKE EXECUTE ON FUNCTION end_own_codes(), replace_own_password_hash(text, text), issue_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz),
    use_code(text, text, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION end_own_codes(), replace_own_password_hash(text, text), issue_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz),
    use_code(text, text, uuid, timestamptz) TO identity_service;
