-- What each role of a service may do, one line for each thing in the database that it has a privilege on:
-- schemas, tables (with the columns, where it is not all of them) and functions that not everybody may call.
WITH roles AS (
    SELECT oid, rolname FROM pg_roles WHERE rolname ~ '^(identity|project|task|content)_(service|worker)$'
), tables AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('identity', 'project', 'task', 'content', 'references', 'public') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), cells AS (
    SELECT r.rolname, t.oid, t.nspname, t.relname, a.attname, a.attnum, p.privilege, p.place,
           has_column_privilege(r.oid, t.oid, a.attnum, p.privilege) AS granted
    FROM roles r CROSS JOIN tables t
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN (VALUES ('SELECT', 1), ('INSERT', 2), ('UPDATE', 3), ('REFERENCES', 6)) p (privilege, place)
    WHERE t.relkind <> 'S'
), by_table AS (
    SELECT rolname, nspname, relname, place,
           lower(privilege) || CASE WHEN bool_and(granted) THEN ''
               ELSE ' (' || string_agg(attname, ', ' ORDER BY attnum) FILTER (WHERE granted) || ')' END AS what
    FROM cells GROUP BY rolname, nspname, relname, privilege, place HAVING bool_or(granted)
    UNION ALL
    SELECT r.rolname, t.nspname, t.relname, p.place, lower(p.privilege)
    FROM roles r CROSS JOIN tables t
    CROSS JOIN (VALUES ('DELETE', 4), ('TRUNCATE', 5), ('TRIGGER', 7)) p (privilege, place)
    WHERE t.relkind <> 'S' AND has_table_privilege(r.oid, t.oid, p.privilege)
    UNION ALL
    SELECT r.rolname, t.nspname, t.relname, p.place, lower(p.privilege)
    FROM roles r CROSS JOIN tables t
    CROSS JOIN (VALUES ('USAGE', 1), ('SELECT', 2), ('UPDATE', 3)) p (privilege, place)
    WHERE t.relkind = 'S' AND has_sequence_privilege(r.oid, t.oid, p.privilege)
)
SELECT rolname::text AS role, 1 AS kind, format('%I.%I', nspname, relname) AS thing,
       string_agg(what, ', ' ORDER BY place) AS what
FROM by_table GROUP BY rolname, nspname, relname
UNION ALL
SELECT r.rolname, 0, 'schema ' || n.nspname, concat_ws(', ',
       CASE WHEN has_schema_privilege(r.oid, n.oid, 'USAGE') THEN 'usage' END,
       CASE WHEN has_schema_privilege(r.oid, n.oid, 'CREATE') THEN 'create' END)
FROM roles r CROSS JOIN pg_namespace n
WHERE n.nspname IN ('identity', 'project', 'task', 'content', 'references')
  AND (has_schema_privilege(r.oid, n.oid, 'USAGE') OR has_schema_privilege(r.oid, n.oid, 'CREATE'))
UNION ALL
SELECT r.rolname, 2, p.oid::regprocedure::text, 'execute' || CASE WHEN p.prosecdef THEN ' as its owner' ELSE '' END
FROM roles r CROSS JOIN pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('identity', 'project', 'task', 'content') AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
  AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY role, kind, thing
