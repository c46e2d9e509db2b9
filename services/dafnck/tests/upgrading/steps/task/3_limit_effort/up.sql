-- Contracts: refuses what the release before may write.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;
ALTER TABLE tasks ADD CONSTRAINT chk_effort CHECK (effort BETWEEN 1 AND 100);
