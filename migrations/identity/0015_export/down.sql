SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
REVOKE SELECT (user_id, name, scopes, created_at) ON api_tokens FROM identity_worker;
