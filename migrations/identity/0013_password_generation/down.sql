SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP FUNCTION hold_password(uuid, integer);
DROP FUNCTION find_password(text);
CREATE OR REPLACE FUNCTION replace_own_password_hash(compared text, hash text) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    WITH replaced AS (UPDATE users SET password_hash = hash
        WHERE id = current_user_id() AND password_hash = compared RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM replaced)
$$;
DROP TRIGGER users_password_trigger ON users;
DROP FUNCTION count_password();
ALTER TABLE users DROP COLUMN password_generation;
