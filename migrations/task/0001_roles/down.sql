-- Roles stay: they belong to the cluster, and other databases may use them.
REVOKE ALL ON SCHEMA task FROM task_service, task_worker;
