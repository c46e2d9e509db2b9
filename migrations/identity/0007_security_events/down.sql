SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP INDEX idx_change_log_security;
DROP INDEX idx_change_log_security_user;
REVOKE SELECT ON change_log FROM identity_service;
DROP POLICY change_log_security_policy ON change_log;
DROP FUNCTION append_security_events(jsonb);
