SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
ALTER TABLE users ADD COLUMN phone VARCHAR(32);
