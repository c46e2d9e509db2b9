SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP INDEX idx_users_created_at_id;
DROP FUNCTION lookup_users(uuid[]);
DROP FUNCTION set_user_status(uuid, user_status), erase_user(uuid);
REVOKE SELECT (avatar_url, email_verified, updated_at, last_login_at, metadata, xmin) ON users FROM identity_worker;
REVOKE SELECT (id, bio, website_url, social_links, preferences, created_at, updated_at, xmin) ON user_profiles
    FROM identity_worker;
REVOKE SELECT (ip_address, user_agent, created_at) ON user_sessions FROM identity_worker;
