SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = content;
ALTER TABLE documents ADD COLUMN language TEXT DEFAULT 'en' NOT NULL;
