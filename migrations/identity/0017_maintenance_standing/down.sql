SET LOCAL ROLE dafnck_owner;
DROP FUNCTION identity.maintenance_standing();
