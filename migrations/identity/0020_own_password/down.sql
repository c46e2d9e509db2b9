SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = identity;
DROP FUNCTION find_own_password();
