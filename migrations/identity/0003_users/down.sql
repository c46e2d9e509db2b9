SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP TABLE user_session_rotations, user_sessions, user_profiles, users;
DROP FUNCTION audit_trigger_function();
DROP TYPE user_status;
