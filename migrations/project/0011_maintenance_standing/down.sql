SET LOCAL ROLE dafnck_owner;
DROP FUNCTION project.maintenance_standing();
