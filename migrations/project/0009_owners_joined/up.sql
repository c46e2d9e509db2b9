-- An import knows since when an owner has been a member, which the trigger that makes them one does not.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

GRANT UPDATE (joined_at) ON project_members TO project_worker;
