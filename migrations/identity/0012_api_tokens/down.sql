SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

DROP FUNCTION revoke_api_tokens(uuid);
DROP FUNCTION find_bearer(text, timestamptz);
DROP TABLE api_tokens;
