-- Roles stay: they belong to the cluster, and other databases may use them.
REVOKE ALL ON SCHEMA identity FROM identity_service, identity_worker;
