SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;
ALTER TABLE projects ADD COLUMN color TEXT DEFAULT 'grey' NOT NULL;
