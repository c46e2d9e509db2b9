SET LOCAL ROLE dafnck_owner;
ALTER TABLE task.tasks DROP CONSTRAINT chk_effort;
