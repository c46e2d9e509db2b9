-- Room for sealed personal data: the service seals names and locations before they get here.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- 100 characters of at most 4 bytes, a nonce of 24 and a tag of 16 bytes, in base64 behind the key's name; and
-- the same for 255. How long the text itself may be, the service checks.
ALTER TABLE users ALTER COLUMN first_name TYPE VARCHAR(640), ALTER COLUMN last_name TYPE VARCHAR(640);
ALTER TABLE user_profiles ALTER COLUMN location TYPE VARCHAR(1500);

-- What is here already is in clear until the service has sealed it. A sealed text begins with 'sealed:'; so
-- that no text in clear does, 'clear:' goes before those that would.
SET LOCAL app.keep_dates = 'on';
UPDATE users SET first_name = 'clear:' || first_name WHERE first_name ~ '^(sealed|clear):';
UPDATE users SET last_name = 'clear:' || last_name WHERE last_name ~ '^(sealed|clear):';
UPDATE user_profiles SET location = 'clear:' || location WHERE location ~ '^(sealed|clear):';

-- The log holds none of it, neither in clear nor sealed: what is erased from the tables is then erased, and a
-- former key that no table needs is needed nowhere.
DROP TRIGGER users_change_trigger ON users;
CREATE TRIGGER users_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'password_hash', 'first_name', 'last_name');
DROP TRIGGER user_profiles_change_trigger ON user_profiles;
CREATE TRIGGER user_profiles_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_profiles
    FOR EACH ROW EXECUTE FUNCTION record_change('', 'location');
UPDATE change_log SET
    old_values = old_values - ARRAY['first_name', 'last_name', 'location'],
    new_values = new_values - ARRAY['first_name', 'last_name', 'location']
WHERE entity IN ('users', 'user_profiles');

-- Sealing what is in clear, and sealing again under another key, is background work.
GRANT UPDATE (first_name, last_name) ON users TO identity_worker;
GRANT SELECT (user_id, location), UPDATE (location) ON user_profiles TO identity_worker;
