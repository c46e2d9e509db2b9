SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;

-- Refused while somebody has an address below such a domain.
ALTER TABLE users DROP CONSTRAINT chk_email_format;
ALTER TABLE users ADD CONSTRAINT chk_email_format
    CHECK (email ~* '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$');
