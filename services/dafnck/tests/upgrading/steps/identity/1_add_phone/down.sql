SET LOCAL ROLE dafnck_owner;
ALTER TABLE identity.users DROP COLUMN phone;
