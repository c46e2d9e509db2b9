SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- The database cannot open what is sealed, and the columns as they were cannot hold it.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM users WHERE first_name ~ '^sealed:' OR last_name ~ '^sealed:')
        OR EXISTS (SELECT 1 FROM user_profiles WHERE location ~ '^sealed:') THEN
        RAISE EXCEPTION 'names and locations are sealed, and only the identity service can open them'
            USING HINT = 'Set users.first_name, users.last_name and user_profiles.location to NULL to go back without them.';
    END IF;
END
$$;

REVOKE UPDATE (first_name, last_name) ON users FROM identity_worker;
REVOKE SELECT (user_id, location), UPDATE (location) ON user_profiles FROM identity_worker;

DROP TRIGGER users_change_trigger ON users;
CREATE TRIGGER users_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'password_hash');
DROP TRIGGER user_profiles_change_trigger ON user_profiles;
CREATE TRIGGER user_profiles_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_profiles
    FOR EACH ROW EXECUTE FUNCTION record_change('');

SET LOCAL app.keep_dates = 'on';
UPDATE users SET first_name = substr(first_name, 7) WHERE first_name ~ '^clear:';
UPDATE users SET last_name = substr(last_name, 7) WHERE last_name ~ '^clear:';
UPDATE user_profiles SET location = substr(location, 7) WHERE location ~ '^clear:';
ALTER TABLE users ALTER COLUMN first_name TYPE VARCHAR(100), ALTER COLUMN last_name TYPE VARCHAR(100);
ALTER TABLE user_profiles ALTER COLUMN location TYPE VARCHAR(255);
