SET LOCAL ROLE dafnck_owner;
ALTER TABLE content.documents DROP COLUMN language;
