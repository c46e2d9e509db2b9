SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP FUNCTION gather_callers, gather_users, trim_change_log, append_security_events;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, mail_outbox,
    second_factor_challenges, user_recovery_codes, user_second_factors, account_codes, api_tokens,
    user_session_rotations, user_sessions, user_profiles, users;
DROP FUNCTION erase_user, set_user_status, lookup_users, lookup_user, delete_expired_codes, redeem_sign_up_code,
    issue_sign_up_code, revoke_own_codes, redeem_code, issue_code, revoked_tokens, revoke_api_tokens, end_oldest_sessions,
    find_refresh_token, find_bearer_token, count_challenge_attempt, delete_challenges, lock_password_generation,
    replace_own_password_hash, increment_password_generation, find_own_credentials, find_credentials,
    check_login_available, maintenance_status, record_change, audit_trigger_function, current_user_id;
DROP TYPE user_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA identity FROM identity_service, identity_worker;
