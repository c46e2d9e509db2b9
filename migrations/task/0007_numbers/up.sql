-- A number for people (`DAF-42`) and a place in the order of its project, for each task.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- The project's name, from which its key is made. It comes with the next state of each project: the copy starts
-- again from a snapshot.
ALTER TABLE project_access ADD COLUMN name TEXT DEFAULT '' NOT NULL;
DELETE FROM feed_positions WHERE feed = 'project_access';

-- A project's key, and the last number that was given. Creating a task locks the row from its last statement to its
-- commit; an undone one gives its number back, a deleted one does not.
CREATE TABLE project_numbers (
    project_id UUID PRIMARY KEY,
    key TEXT NOT NULL UNIQUE CONSTRAINT chk_project_key CHECK (key ~ '^[A-Z][A-Z0-9]{1,9}$'),
    last_number BIGINT DEFAULT 0 NOT NULL
);
ALTER TABLE project_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY project_number_access_policy ON project_numbers FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = project_numbers.project_id));
CREATE POLICY project_number_worker_policy ON project_numbers FOR ALL TO task_worker USING (TRUE);
GRANT SELECT ON project_numbers TO task_service;
GRANT SELECT, DELETE ON project_numbers TO task_worker;

ALTER TABLE tasks ADD COLUMN number BIGINT, ADD COLUMN key TEXT, ADD COLUMN rank TEXT COLLATE "C";

-- The first three letters or digits of a name, from the first letter on, in capitals; TSK if there are none.
CREATE FUNCTION project_key_stem(name text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN coalesce(substring(upper(regexp_replace(name, '[^A-Za-z0-9]', '', 'g')) FROM '[A-Z][A-Z0-9]{1,2}'), 'TSK');

-- Gives a project a key that is free, made from the wished one or from its name, unless it has one. One at a time:
-- this happens once in a project's life.
CREATE FUNCTION make_project_key(project uuid, wished text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    stem text := coalesce(wished, project_key_stem((SELECT a.name FROM project_access a WHERE a.project_id = project)));
    candidate text := stem;
    attempt integer := 1;
    suffix text;
BEGIN
    PERFORM pg_advisory_xact_lock(7236277130242);
    IF EXISTS (SELECT 1 FROM project_numbers n WHERE n.project_id = project) THEN
        RETURN;
    END IF;
    WHILE EXISTS (SELECT 1 FROM project_numbers n WHERE n.key = candidate) LOOP
        attempt := attempt + 1;
        -- After nine tries at random, so that the thousandth project of a name does not try a thousand.
        suffix := CASE WHEN attempt < 10 THEN attempt ELSE 10 + floor(random() * 1000000)::integer END::text;
        candidate := left(stem, 10 - length(suffix)) || suffix;
    END LOOP;
    INSERT INTO project_numbers (project_id, key) VALUES (project, candidate);
END
$$;

-- Numbers for a batch of tasks, one for each place in the arrays: the given one, or the next. A project without a
-- key takes the first given one. Locks the projects in one order, so that two batches never wait for each other.
CREATE FUNCTION take_task_numbers(projects uuid[], keys text[], given bigint[])
RETURNS TABLE (place bigint, number bigint, key text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    batch record;
    counter project_numbers;
BEGIN
    FOR batch IN
        SELECT w.project, (array_agg(w.key ORDER BY w.place) FILTER (WHERE w.key IS NOT NULL))[1] AS wished
        FROM unnest(projects, keys) WITH ORDINALITY w(project, key, place)
        WHERE NOT EXISTS (SELECT 1 FROM project_numbers n WHERE n.project_id = w.project)
        GROUP BY w.project ORDER BY w.project
    LOOP
        PERFORM make_project_key(batch.project, batch.wished);
    END LOOP;
    FOR batch IN
        SELECT w.project, count(*) FILTER (WHERE w.number IS NULL) AS missing, coalesce(max(w.number), 0) AS highest
        FROM unnest(projects, given) w(project, number) GROUP BY w.project ORDER BY w.project
    LOOP
        UPDATE project_numbers n SET last_number = greatest(n.last_number, batch.highest) + batch.missing
        WHERE n.project_id = batch.project RETURNING * INTO counter;
        RETURN QUERY
            SELECT w.place, w.number, counter.key || '-' || w.number
            FROM (SELECT u.place, coalesce(u.number, counter.last_number - batch.missing
                      + row_number() OVER (PARTITION BY u.number IS NULL ORDER BY u.place)) AS number
                  FROM unnest(projects, given) WITH ORDINALITY u(project, number, place)
                  WHERE u.project = batch.project) w;
    END LOOP;
END
$$;

-- The order of a project's tasks. A new task's rank is its number in twelve digits, so it comes last without a look
-- at the others; one that is moved gets the digits of the task before it and a fraction behind them, in the digits
-- 0-9, A-Z, a-z, which never ends in 0: so there is room before each.
CREATE FUNCTION first_rank(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE RETURN lpad(number::text, 12, '0');

CREATE FUNCTION place_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    -- A batch brings its numbers.
    IF NEW.number IS NULL THEN
        PERFORM 1 FROM project_numbers n WHERE n.project_id = NEW.project_id;
        IF NOT FOUND THEN
            PERFORM make_project_key(NEW.project_id, NULL);
        END IF;
        UPDATE project_numbers n SET last_number = n.last_number + 1 WHERE n.project_id = NEW.project_id
        RETURNING n.last_number, n.key || '-' || n.last_number INTO NEW.number, NEW.key;
    END IF;
    NEW.rank := coalesce(NEW.rank, first_rank(NEW.number));
    RETURN NEW;
END
$$;
-- Its name puts it behind the check of the parent.
CREATE TRIGGER tasks_place_trigger BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION place_task();

-- The tasks that are here get numbers by age. Nobody changed them: nothing is logged or stamped.
ALTER TABLE tasks DISABLE TRIGGER USER;
SELECT make_project_key(project_id, NULL) FROM (SELECT DISTINCT project_id FROM tasks) p;
UPDATE tasks t SET number = o.number, key = n.key || '-' || o.number, rank = first_rank(o.number)
FROM (SELECT id, row_number() OVER (PARTITION BY project_id ORDER BY created_at, id) AS number FROM tasks) o,
    project_numbers n
WHERE o.id = t.id AND n.project_id = t.project_id;
UPDATE project_numbers n SET last_number = (SELECT count(*) FROM tasks t WHERE t.project_id = n.project_id);
ALTER TABLE tasks ENABLE TRIGGER USER;

ALTER TABLE tasks
    ALTER COLUMN number SET NOT NULL, ALTER COLUMN key SET NOT NULL, ALTER COLUMN rank SET NOT NULL,
    ADD CONSTRAINT tasks_key_key UNIQUE (key),
    ADD CONSTRAINT tasks_project_number_key UNIQUE (project_id, number),
    ADD CONSTRAINT chk_task_number CHECK (number BETWEEN 1 AND 999999999999),
    ADD CONSTRAINT chk_task_key CHECK (key ~ ('^[A-Z][A-Z0-9]{1,9}-' || number || '$')),
    -- Without a fraction it is the task's own number: so a rank that comes from elsewhere is in no new task's way.
    ADD CONSTRAINT chk_task_rank CHECK (rank ~ '^[0-9]{12}([0-9A-Za-z]{0,51}[1-9A-Za-z])?$'
        AND (length(rank) > 12 OR rank = first_rank(number))),
    -- Checked at the end of a statement: spreading ranks anew passes over ranks that others still have.
    ADD CONSTRAINT tasks_project_rank_key UNIQUE (project_id, rank) DEFERRABLE INITIALLY IMMEDIATE;

-- The digits of fractions, in the order in which texts are compared.
CREATE FUNCTION rank_digits() RETURNS text
LANGUAGE sql IMMUTABLE RETURN '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

-- The middle between two fractions, read as digits behind the point; '' is zero, NULL is one.
CREATE FUNCTION fraction_between(low text, high text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = task, pg_temp
AS $$
DECLARE
    middle text := '';
    ceiling text := high;
    below integer;
    above integer;
BEGIN
    FOR place IN 1 .. 1 + greatest(length(low), length(high)) LOOP
        below := CASE WHEN place > length(low) THEN 0 ELSE strpos(rank_digits(), substr(low, place, 1)) - 1 END;
        above := CASE WHEN ceiling IS NULL THEN 62 ELSE strpos(rank_digits(), substr(ceiling, place, 1)) - 1 END;
        IF above - below > 1 THEN
            RETURN middle || substr(rank_digits(), (below + above) / 2 + 1, 1);
        END IF;
        middle := middle || substr(rank_digits(), below + 1, 1);
        IF above > below THEN
            ceiling := NULL;
        END IF;
    END LOOP;
    RETURN middle || 'V';
END
$$;

-- Spreads the fractions behind the same twelve digits evenly, when one has become too long; the task that moves
-- stays out. Four digits and a last one that is not 0.
CREATE FUNCTION spread_ranks(project uuid, digits text, moving uuid) RETURNS void
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

-- Moves of one project's tasks come one after the other: each sees the neighbours that the one before it left.
CREATE FUNCTION enter_order(task_uuid uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock(hashtextextended('order ' || project_id, 0)) FROM tasks WHERE id = task_uuid;
END;

-- The rank that puts a task right behind another of its project, or right before it.
CREATE FUNCTION rank_beside(moving uuid, anchor uuid, behind boolean) RETURNS text
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

-- Gives a project another key, and its tasks with it; one with more tasks than this keeps the key that people know.
CREATE FUNCTION set_project_key(project uuid, wished text) RETURNS void
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

-- The project of the task with a key, whoever asks.
CREATE FUNCTION project_of_task_key(task_key text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT t.project_id FROM tasks t WHERE t.key = task_key
$$;

-- Takes over states as before, now with the name; a deleted project's key is free again.
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

REVOKE EXECUTE ON FUNCTION make_project_key(uuid, text), take_task_numbers(uuid[], text[], bigint[]),
    spread_ranks(uuid, text, uuid), enter_order(uuid), rank_beside(uuid, uuid, boolean),
    set_project_key(uuid, text), project_of_task_key(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_task_numbers(uuid[], text[], bigint[]) TO task_service, task_worker;
GRANT EXECUTE ON FUNCTION enter_order(uuid), rank_beside(uuid, uuid, boolean), set_project_key(uuid, text),
    project_of_task_key(text) TO task_service;
GRANT EXECUTE ON FUNCTION project_of_task_key(text) TO task_worker;
