SET LOCAL ROLE dafnck_owner;
DROP FUNCTION task.maintenance_standing();
