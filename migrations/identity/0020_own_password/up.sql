-- What a signed-in user's own password is compared with, found in the round trip that finds their account.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

CREATE FUNCTION find_own_password()
RETURNS TABLE (id uuid, password_hash varchar, status user_status, password_generation integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.password_hash, u.status, u.password_generation FROM users u WHERE u.id = current_user_id()
$$;

REVOKE EXECUTE ON FUNCTION find_own_password() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_own_password() TO identity_service;
