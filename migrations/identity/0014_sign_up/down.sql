SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP FUNCTION use_sign_up_code(text, uuid, timestamptz);
DROP FUNCTION issue_sign_up_code(uuid, text, text, text, timestamptz, timestamptz);
DELETE FROM account_codes WHERE purpose = 'sign_up';
-- The version before cannot write letters with such codes.
DELETE FROM mail_outbox WHERE kind = 'sign_up';
ALTER TABLE account_codes DROP CONSTRAINT chk_code_purpose;
ALTER TABLE account_codes ADD CONSTRAINT chk_code_purpose
    CHECK (purpose IN ('verify_email', 'reset_password', 'change_email'));
