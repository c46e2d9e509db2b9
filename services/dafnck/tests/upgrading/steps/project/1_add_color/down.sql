SET LOCAL ROLE dafnck_owner;
ALTER TABLE project.projects DROP COLUMN color;
