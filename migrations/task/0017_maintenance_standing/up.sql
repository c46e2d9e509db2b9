-- How `dafnck maintain` stands, for the measurements of the service, whose roles do not see the table.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- The age of each job's last run in seconds, and whether that failed. Where none ever ran, one line for all of them with the
-- age of the schema.
CREATE FUNCTION maintenance_standing() RETURNS TABLE (work TEXT, age DOUBLE PRECISION, failed BOOLEAN)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp AS $$
    SELECT r.job, extract(epoch FROM now() - r.begun_at)::float8, r.failure IS NOT NULL FROM maintenance_runs r
    UNION ALL
    SELECT 'all', extract(epoch FROM now() - min(m.applied_at))::float8, FALSE FROM schema_migrations m
    WHERE NOT EXISTS (SELECT 1 FROM maintenance_runs)
    HAVING count(*) > 0
$$;
REVOKE ALL ON FUNCTION maintenance_standing() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maintenance_standing() TO task_worker;
