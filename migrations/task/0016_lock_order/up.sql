-- One order of locks for everybody who writes tasks: the order of a project's tasks, the graph, the numbers of a
-- project, the rows of tasks by their ids. So nobody waits in a circle.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- Ranks are unique, but nobody refers to them. PostgreSQL takes the columns of a plain unique index for a key that a
-- foreign key may name, and locks a row whose key changes against those who only make sure that it is there: a move
-- would wait for whoever links the task, who waits for the move. An index with a condition is no key; this condition
-- always holds, so the planner uses the index as one without.
CREATE UNIQUE INDEX IF NOT EXISTS idx_tasks_project_rank ON tasks(project_id, rank) WHERE TRUE;
ALTER TABLE tasks DROP CONSTRAINT tasks_project_rank_key;

-- Spreads the fractions behind the same twelve digits evenly, when one has become too long: four digits and a last
-- one that is not 0. First each gets its place with its own id behind it, and is in nobody's way.
CREATE OR REPLACE FUNCTION spread_ranks(project uuid, digits text, moving uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    length_of_place CONSTANT integer := 17;
    crowd uuid[];
BEGIN
    SELECT array_agg(t.id ORDER BY t.rank) INTO crowd FROM tasks t
    WHERE t.project_id = project AND t.rank > digits AND t.rank < digits || '~' AND t.id IS DISTINCT FROM moving;
    PERFORM 1 FROM tasks t WHERE t.id = ANY (crowd) ORDER BY t.id FOR NO KEY UPDATE;
    UPDATE tasks t
    SET rank = digits || (
        SELECT string_agg(substr(rank_digits(), (c.place / power(62, exponent)::bigint % 62)::integer + 1, 1), ''
            ORDER BY exponent DESC) FROM generate_series(0, 3) exponent) || 'V' || replace(t.id::text, '-', '') || 'V'
    FROM (SELECT u.id, u.place * 14776336 / (1 + cardinality(crowd)) AS place
          FROM unnest(crowd) WITH ORDINALITY u(id, place)) c
    WHERE c.id = t.id;
    UPDATE tasks t SET rank = left(t.rank, length_of_place) WHERE t.id = ANY (crowd);
END
$$;

-- The middle between a task and its neighbour; the task that moves is no neighbour.
CREATE FUNCTION middle_rank(moving uuid, anchor uuid, behind boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    beside tasks;
    low text;
    high text;
BEGIN
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
    RETURN left(low, 12) || fraction_between(substr(low, 13),
        CASE WHEN left(high, 12) = left(low, 12) THEN substr(high, 13) END);
END
$$;

-- Longest rank, in characters.
CREATE FUNCTION longest_rank() RETURNS integer
LANGUAGE sql IMMUTABLE RETURN 64;

-- Makes sure that there is a rank beside a task before any row is locked. Who spreads ranks locks many, and so enters
-- the graph alone.
CREATE FUNCTION make_room(moving uuid, anchor uuid, behind boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    project uuid;
    found text;
BEGIN
    SELECT a.project_id INTO project FROM tasks a JOIN tasks m USING (project_id) WHERE a.id = anchor AND m.id = moving;
    IF project IS NULL THEN
        RETURN;
    END IF;
    PERFORM enter_order(anchor);
    found := middle_rank(moving, anchor, behind);
    IF length(found) > longest_rank() THEN
        PERFORM pg_advisory_xact_lock(graph_lock_key());
        PERFORM spread_ranks(project, left(found, 12), NULL);
    END IF;
END
$$;

-- The rank that puts a task right behind another of its project, or right before it. Who has made room finds it; who
-- has not, as the release before, makes it now.
CREATE OR REPLACE FUNCTION rank_beside(moving uuid, anchor uuid, behind boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    found text;
BEGIN
    PERFORM enter_order(anchor);
    found := middle_rank(moving, anchor, behind);
    IF length(found) > longest_rank() THEN
        PERFORM spread_ranks((SELECT t.project_id FROM tasks t WHERE t.id = anchor), left(found, 12), moving);
        found := middle_rank(moving, anchor, behind);
    END IF;
    RETURN found;
END
$$;

-- As before, in the order of locks: alone in the graph, the numbers, the tasks by their ids.
CREATE OR REPLACE FUNCTION set_project_key(project uuid, wished text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    most CONSTANT bigint := 10000;
BEGIN
    PERFORM pg_advisory_xact_lock(graph_lock_key());
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
    PERFORM 1 FROM tasks t WHERE t.project_id = project ORDER BY t.id FOR UPDATE;
    UPDATE tasks t SET key = wished || '-' || t.number WHERE t.project_id = project;
END
$$;

-- Row by row in the order of their ids. Creates wait for the numbers, so no task comes meanwhile.
CREATE FUNCTION delete_project_tasks(project uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    DELETE FROM project_numbers n WHERE n.project_id = project;
    PERFORM 1 FROM tasks t WHERE t.project_id = project ORDER BY t.id FOR UPDATE;
    DELETE FROM tasks t WHERE t.project_id = project;
END
$$;

-- As before, in the order of locks: the tasks of a project that goes take their dependencies with them.
CREATE OR REPLACE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    IF states @> '[{"deleted": true}]' THEN
        PERFORM pg_advisory_xact_lock(graph_lock_key());
    END IF;
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
            PERFORM delete_project_tasks((state ->> 'project_id')::uuid);
        END IF;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION middle_rank(uuid, uuid, boolean), longest_rank(), make_room(uuid, uuid, boolean),
    delete_project_tasks(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_room(uuid, uuid, boolean) TO task_service;
GRANT EXECUTE ON FUNCTION delete_project_tasks(uuid) TO task_worker;
