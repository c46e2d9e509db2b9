-- A backend that has codes returned is told when an address is somebody's, rather than given a code that never works.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- Stores a code for the active user with this id, or with this address if no id is given, and queues the letter
-- with it unless the code is returned (`letter` is NULL). `address` is what the code proves; the user's own if NULL.
-- Answers with the user; no row if there is none, but only after the same work. An address that is to become the
-- user's and is somebody's gets the letter `address_taken`, and a code that nobody learns and that never works.
CREATE FUNCTION make_code(code_id uuid, code_purpose text, hash text, wanted uuid, address text, letter text,
    at timestamptz, until timestamptz)
RETURNS TABLE (user_id uuid, email varchar, is_taken boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    found users;
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
        RETURN QUERY SELECT found.id, found.email, is_taken;
    END IF;
END
$$;

-- For processes of the version before.
CREATE OR REPLACE FUNCTION issue_code(code_id uuid, code_purpose text, hash text, wanted uuid, address text, letter text,
    at timestamptz, until timestamptz)
RETURNS TABLE (user_id uuid, email varchar, username varchar)
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT made.user_id, made.email, u.username
    FROM make_code(code_id, code_purpose, hash, wanted, address, letter, at, until) made
    JOIN users u ON u.id = made.user_id
$$;

REVOKE EXECUTE ON FUNCTION make_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz) TO identity_service;
