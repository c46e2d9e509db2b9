SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP FUNCTION end_own_codes();
DROP FUNCTION replace_own_password_hash(text, text);
DROP FUNCTION use_code(text, text, uuid, timestamptz);
DROP FUNCTION issue_code(uuid, text, text, uuid, text, text, timestamptz, timestamptz);
DROP TABLE account_codes;
