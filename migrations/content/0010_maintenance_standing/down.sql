SET LOCAL ROLE dafnck_owner;
DROP FUNCTION content.maintenance_standing();
