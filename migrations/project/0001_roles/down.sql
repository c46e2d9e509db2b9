-- Roles stay: they belong to the cluster, and other databases may use them.
REVOKE ALL ON SCHEMA project FROM project_service, project_worker;
