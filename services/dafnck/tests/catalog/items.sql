-- Every item of the schema that the search path names first, and its definition, without schema names.
WITH here AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = current_schema())
SELECT item, regexp_replace(regexp_replace(definition, '\y(seed|identity|project|task|content)\.', '', 'g'), '\s+', ' ', 'g') AS definition
FROM (
    SELECT 'column ' || c.relname || '.' || a.attname AS item,
        format_type(a.atttypid, a.atttypmod)
            || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
            || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END AS definition
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN here ON here.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'enum ' || t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid JOIN here ON here.oid = t.typnamespace GROUP BY t.typname
    UNION ALL
    SELECT 'index ' || i.indexname, i.indexdef FROM pg_indexes i JOIN here ON here.nspname = i.schemaname
    UNION ALL
    SELECT 'constraint ' || c.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN here ON here.oid = c.relnamespace
    WHERE k.contype <> 'n'
    UNION ALL
    SELECT 'trigger ' || c.relname || '.' || t.tgname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN here ON here.oid = c.relnamespace
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
        pg_get_function_result(p.oid) || ' ' || l.lanname || ' ' || p.prosrc
    FROM pg_proc p JOIN here ON here.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    UNION ALL
    SELECT 'policy ' || p.tablename || '.' || p.policyname, p.cmd || ' to ' || array_to_string(p.roles, ', ') || ' using ' || coalesce(p.qual, '')
    FROM pg_policies p JOIN here ON here.nspname = p.schemaname
    UNION ALL
    SELECT 'row security ' || c.relname, c.relrowsecurity::text
    FROM pg_class c JOIN here ON here.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relrowsecurity
    UNION ALL
    SELECT 'storage ' || c.relname, (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) AS o)
    FROM pg_class c JOIN here ON here.oid = c.relnamespace WHERE c.relkind = 'r' AND c.reloptions IS NOT NULL
    UNION ALL
    SELECT 'grant ' || g.table_name || ' to ' || g.grantee || ' ' || g.privilege_type, ''
    FROM information_schema.role_table_grants g JOIN here ON here.nspname = g.table_schema
) items
WHERE item NOT LIKE '%schema_migrations%'
ORDER BY 1
