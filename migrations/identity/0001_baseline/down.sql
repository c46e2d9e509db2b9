SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP FUNCTION trim_change_log, append_security_events;
DROP TABLE maintenance_runs, table_sizes, idempotency_keys, change_log_horizon, change_log, mail_outbox,
    second_factor_challenges, user_recovery_codes, user_second_factors, account_codes, api_tokens,
    user_session_rotations, user_sessions, user_profiles, users;
DROP FUNCTION erase_user, set_user_status, lookup_users, lookup_user, forget_codes, use_sign_up_code,
    issue_sign_up_code, end_own_codes, use_code, make_code, revoke_api_tokens, end_oldest_sessions, find_refresh,
    find_bearer, take_challenge_attempt, forget_challenges, hold_password, replace_own_password_hash, count_password,
    find_own_password, find_password, refuse_taken_name, maintenance_standing, record_change, audit_trigger_function,
    current_user_id;
DROP TYPE user_status;
-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA identity FROM identity_service, identity_worker;
