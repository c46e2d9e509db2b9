-- Expands: processes of the release before neither read nor write the column.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
ALTER TABLE tasks ADD COLUMN effort INTEGER DEFAULT 1 NOT NULL;
