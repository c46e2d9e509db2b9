SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
CREATE OR REPLACE FUNCTION issue_code(code_id uuid, code_purpose text, hash text, wanted uuid, address text, letter text,
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
DROP FUNCTION make_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz);
