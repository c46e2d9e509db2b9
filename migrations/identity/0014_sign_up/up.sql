-- Codes that prove the address of an account to come.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

ALTER TABLE account_codes DROP CONSTRAINT chk_code_purpose;
ALTER TABLE account_codes ADD CONSTRAINT chk_code_purpose
    CHECK (purpose IN ('verify_email', 'reset_password', 'change_email', 'sign_up'));

-- Stores a code for an address and queues the letter with it, unless the code is returned (`letter` is NULL). Answers
-- with the account that has the address, if any, but only after the same work: its owner gets the letter
-- `address_taken`, and the code is used from the start and proves nothing.
CREATE FUNCTION issue_sign_up_code(code_id uuid, hash text, address text, letter text, at timestamptz, until timestamptz)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT u.id INTO owner FROM users u WHERE u.email = address;
    INSERT INTO account_codes (id, purpose, code_hash, email, created_at, expires_at, used_by)
    VALUES (code_id, 'sign_up', hash, CASE WHEN owner IS NULL THEN address ELSE '' END, at, until,
        CASE WHEN owner IS NOT NULL THEN '00000000-0000-0000-0000-000000000000'::uuid END);
    IF letter IS NOT NULL THEN
        INSERT INTO mail_outbox (id, kind, recipient, about, expires_at, next_attempt_at)
        VALUES (code_id, CASE WHEN owner IS NULL THEN letter ELSE 'address_taken' END, address,
            coalesce(owner, code_id), until, at);
    END IF;
    RETURN owner;
END
$$;

-- Uses a code up, and answers with its id, which becomes the account's, and the address that it proves, which is
-- forgotten here. A retry of the request that used it is answered again, as a replay.
CREATE FUNCTION use_sign_up_code(hash text, request uuid, at timestamptz)
RETURNS TABLE (id uuid, email varchar, is_replay boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    code account_codes;
BEGIN
    SELECT c.* INTO code FROM account_codes c
    WHERE c.code_hash = hash AND c.purpose = 'sign_up' AND c.expires_at > at
        AND (c.used_by IS NULL OR c.used_by = request) FOR UPDATE;
    IF code.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE account_codes c SET used_by = request, email = '' WHERE c.id = code.id;
    RETURN QUERY SELECT code.id, code.email, code.used_by IS NOT NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION issue_sign_up_code(uuid, text, text, text, timestamptz, timestamptz),
    use_sign_up_code(text, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION issue_sign_up_code(uuid, text, text, text, timestamptz, timestamptz),
    use_sign_up_code(text, uuid, timestamptz) TO identity_service;
