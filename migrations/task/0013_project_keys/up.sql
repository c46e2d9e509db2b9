-- The keys of projects that come from elsewhere, and how far their numbers have come.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- Stores keys, given as [{"line", "project_id", "key", "last_number"}], and says what became of each. A refused one stops
-- no other. Numbers only grow: those that were given since are not given again.
CREATE FUNCTION import_project_keys(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    item record;
    had text;
BEGIN
    -- As make_project_key does: of two who look for a free key, one waits.
    PERFORM pg_advisory_xact_lock(7236277130242);
    FOR item IN
        SELECT i.* FROM jsonb_to_recordset(items) AS i(line bigint, project_id uuid, key text, last_number bigint)
        ORDER BY i.project_id, i.line
    LOOP
        line := item.line;
        reason := '';
        SELECT n.key INTO had FROM project_numbers n WHERE n.project_id = item.project_id;
        IF NOT EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = item.project_id AND NOT a.deleted) THEN
            outcome := 'refused';
            reason := 'project_id names no project';
        ELSIF had = item.key THEN
            outcome := 'unchanged';
            UPDATE project_numbers n SET last_number = item.last_number
            WHERE n.project_id = item.project_id AND n.last_number < item.last_number;
        ELSIF had IS NOT NULL THEN
            outcome := 'refused';
            reason := 'the project has the key ' || had;
        ELSIF EXISTS (SELECT 1 FROM project_numbers n WHERE n.key = item.key) THEN
            outcome := 'refused';
            reason := 'key is taken';
        ELSE
            outcome := 'created';
            INSERT INTO project_numbers (project_id, key, last_number)
            VALUES (item.project_id, item.key, item.last_number);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION import_project_keys(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION import_project_keys(jsonb) TO task_worker;
