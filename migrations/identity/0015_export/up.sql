-- All that is known of a user is told also of their API tokens: background work reads these, but for the hashes.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
GRANT SELECT (user_id, name, scopes, created_at) ON api_tokens TO identity_worker;
