-- Which of its passwords an account has: what was checked against one opens nothing once there is another.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

ALTER TABLE users ADD COLUMN password_generation INTEGER DEFAULT 0 NOT NULL;
GRANT SELECT (password_generation) ON users TO identity_service;

-- Another hash is another password, whoever sets it, unless it is said to be of the same one.
CREATE FUNCTION count_password() RETURNS trigger
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
BEGIN
    IF current_setting('app.same_password', true) IS DISTINCT FROM 'on' THEN
        NEW.password_generation = OLD.password_generation + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_password_trigger
    BEFORE UPDATE OF password_hash ON users
    FOR EACH ROW WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash)
    EXECUTE FUNCTION count_password();

-- Puts a hash in the place of the one that was compared: not of one that has been set meanwhile.
CREATE OR REPLACE FUNCTION replace_own_password_hash(compared text, hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
DECLARE
    is_replaced boolean;
BEGIN
    PERFORM set_config('app.same_password', 'on', true);
    UPDATE users SET password_hash = hash WHERE id = current_user_id() AND password_hash = compared;
    is_replaced := FOUND;
    PERFORM set_config('app.same_password', '', true);
    RETURN is_replaced;
END
$$;

-- As `find_credentials`, which stays for processes of the version before, and which of the passwords it is.
CREATE FUNCTION find_password(login text)
RETURNS TABLE (id uuid, password_hash varchar, status user_status, password_generation integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = identity, pg_temp
AS $$
    SELECT u.id, u.password_hash, u.status, u.password_generation FROM users u
    WHERE u.email = lower(login) OR u.username = login LIMIT 1
$$;

-- Holds an account at one of its passwords until the transaction ends, and answers whether it has a second factor; no
-- row if another password holds by now. Who changes the password waits for the end, and then ends what was begun.
CREATE FUNCTION hold_password(owner uuid, generation integer) RETURNS TABLE (has_second_factor boolean)
LANGUAGE plpgsql SET search_path = identity, pg_temp
AS $$
BEGIN
    PERFORM FROM users u WHERE u.id = owner AND u.password_generation = generation FOR NO KEY UPDATE;
    IF FOUND THEN
        RETURN QUERY SELECT EXISTS (SELECT 1 FROM user_second_factors f WHERE f.user_id = owner AND f.confirmed_at IS NOT NULL);
    END IF;
END
$$;

REVOKE EXECUTE ON FUNCTION count_password(), find_password(text), hold_password(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_password(text), hold_password(uuid, integer) TO identity_service;
