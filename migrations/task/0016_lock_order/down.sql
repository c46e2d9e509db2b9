SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

ALTER TABLE tasks ADD CONSTRAINT tasks_project_rank_key UNIQUE (project_id, rank) DEFERRABLE INITIALLY IMMEDIATE;
DROP INDEX idx_tasks_project_rank;

CREATE OR REPLACE FUNCTION spread_ranks(project uuid, digits text, moving uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
BEGIN ATOMIC
    WITH crowd AS (
        SELECT id, row_number() OVER (ORDER BY rank) * 14776336 / (1 + count(*) OVER ()) AS place
        FROM tasks
        WHERE project_id = project AND rank > digits AND rank < digits || '~' AND id <> moving
    )
    UPDATE tasks t
    SET rank = digits || (
        SELECT string_agg(substr(rank_digits(), (c.place / power(62, exponent)::bigint % 62)::integer + 1, 1), ''
            ORDER BY exponent DESC) FROM generate_series(0, 3) exponent) || 'V'
    FROM crowd c WHERE c.id = t.id;
END;

CREATE OR REPLACE FUNCTION rank_beside(moving uuid, anchor uuid, behind boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    longest CONSTANT integer := 64;
    beside tasks;
    low text;
    high text;
    found text;
BEGIN
    PERFORM enter_order(anchor);
    FOR attempt IN 1 .. 2 LOOP
        SELECT * INTO STRICT beside FROM tasks t WHERE t.id = anchor;
        IF behind THEN
            low := beside.rank;
            SELECT min(t.rank) INTO high FROM tasks t
            WHERE t.project_id = beside.project_id AND t.rank > low AND t.id <> moving;
        ELSE
            high := beside.rank;
            SELECT coalesce(max(t.rank), first_rank(0)) INTO low FROM tasks t
            WHERE t.project_id = beside.project_id AND t.rank < high AND t.id <> moving;
        END IF;
        found := left(low, 12) || fraction_between(substr(low, 13),
            CASE WHEN left(high, 12) = left(low, 12) THEN substr(high, 13) END);
        EXIT WHEN length(found) <= longest;
        PERFORM spread_ranks(beside.project_id, left(low, 12), moving);
    END LOOP;
    RETURN found;
END
$$;

CREATE OR REPLACE FUNCTION set_project_key(project uuid, wished text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    most CONSTANT bigint := 10000;
BEGIN
    PERFORM make_project_key(project, wished);
    IF EXISTS (SELECT 1 FROM project_numbers n WHERE n.project_id = project AND n.key = wished) THEN
        RETURN;
    END IF;
    -- Creates wait for this row, so no task gets the old key meanwhile.
    UPDATE project_numbers n SET key = wished WHERE n.project_id = project;
    IF (SELECT count(*) FROM (SELECT 1 FROM tasks t WHERE t.project_id = project LIMIT most + 1) t) > most THEN
        RAISE EXCEPTION 'the project has more than % tasks', most
            USING ERRCODE = 'check_violation', CONSTRAINT = 'project_key_stays';
    END IF;
    -- The tasks are named anew; nobody worked on them.
    PERFORM set_config('app.keep_dates', 'on', true);
    UPDATE tasks t SET key = wished || '-' || t.number WHERE t.project_id = project;
END
$$;

CREATE OR REPLACE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    FOR state IN SELECT value FROM jsonb_array_elements(states) ORDER BY value ->> 'project_id' LOOP
        INSERT INTO project_access AS a (project_id, revision, deleted, visibility, status, name)
        VALUES (
            (state ->> 'project_id')::uuid, (state ->> 'revision')::bigint, (state ->> 'deleted')::boolean,
            state ->> 'visibility', state ->> 'status', coalesce(state ->> 'name', '')
        )
        ON CONFLICT (project_id) DO UPDATE
            SET revision = excluded.revision, deleted = excluded.deleted, visibility = excluded.visibility,
                status = excluded.status, name = excluded.name
            WHERE a.revision < excluded.revision;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM project_access_members WHERE project_id = (state ->> 'project_id')::uuid;
        INSERT INTO project_access_members (project_id, user_id, role, permissions)
        SELECT (state ->> 'project_id')::uuid, (m ->> 'user_id')::uuid, m ->> 'role', m -> 'permissions'
        FROM jsonb_array_elements(state -> 'members') m;
        IF (state ->> 'deleted')::boolean THEN
            -- Their dependencies go with them: nobody else changes the graph meanwhile.
            PERFORM pg_advisory_xact_lock(graph_lock_key());
            DELETE FROM tasks WHERE project_id = (state ->> 'project_id')::uuid;
            DELETE FROM project_numbers WHERE project_id = (state ->> 'project_id')::uuid;
        END IF;
    END LOOP;
END
$$;

DROP FUNCTION delete_project_tasks(uuid), make_room(uuid, uuid, boolean), longest_rank(),
    middle_rank(uuid, uuid, boolean);
