-- The roles that work in this schema. Roles belong to the whole cluster, so they may exist already:
-- another database of the cluster, or a sibling's schema in this one, may have made them.
-- Logins have no password here; the operator sets one (deploy/README.md).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['application_role', 'project_service', 'project_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT',
                wanted, CASE WHEN wanted = 'application_role' THEN 'NOLOGIN' ELSE 'LOGIN' END);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT pg_has_role('project_service', 'application_role', 'member') THEN
        GRANT application_role TO project_service;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA project TO project_service, project_worker;
