-- Roles stay: they belong to the cluster, and other databases may use them.
REVOKE ALL ON SCHEMA content FROM content_service, content_worker;
