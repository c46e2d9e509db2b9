-- Lists of tasks: filters, orders and the indexes behind them, in one project or in many.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- Each order of a project's tasks is one walk along an index, in either direction.
CREATE INDEX IF NOT EXISTS idx_tasks_project_updated ON tasks(project_id, updated_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS idx_tasks_project_urgency ON tasks(project_id, priority, id);
-- What has no due date comes after everything that has one.
CREATE INDEX IF NOT EXISTS idx_tasks_project_due ON tasks(project_id, coalesce(due_date, 'infinity'), id);
CREATE INDEX IF NOT EXISTS idx_tasks_project_title ON tasks(project_id, lower(title), id);
-- What filters ask for.
CREATE INDEX IF NOT EXISTS idx_tasks_tags_gin ON tasks USING GIN (tags);
CREATE INDEX IF NOT EXISTS idx_tasks_creator_id ON tasks(creator_id);
CREATE INDEX IF NOT EXISTS idx_tasks_project_completed ON tasks(project_id, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_project_access_open ON project_access(project_id) WHERE visibility <> 'private';

-- What a task must be to be found. What is NULL does not filter; all the rest must hold.
CREATE TYPE task_filter AS (
    project_ids uuid[],
    statuses task_status[],
    priorities task_priority[],
    -- One of these, or nobody.
    assignee_ids uuid[],
    unassigned boolean,
    creator_ids uuid[],
    -- All of these, one of these, none of these.
    tags text[],
    any_tags text[],
    no_tags text[],
    -- Right below this task; below none; anywhere below this task, itself left out.
    parent_task_id uuid,
    is_root boolean,
    ancestor_task_id uuid,
    -- The start of a period belongs to it, its end does not.
    due_from timestamptz,
    due_before timestamptz,
    created_from timestamptz,
    created_before timestamptz,
    updated_from timestamptz,
    updated_before timestamptz,
    completed_from timestamptz,
    completed_before timestamptz,
    estimated_hours_from integer,
    estimated_hours_to integer,
    actual_hours_from integer,
    actual_hours_to integer,
    -- Open, and due before now.
    is_overdue boolean,
    metadata jsonb,
    asked text
);

-- The one place that says what a filter means. It has neither rights nor settings of its own, so the planner takes it
-- apart into the query around it: each condition that is not asked for vanishes, each other may use its index.
CREATE FUNCTION tasks_like(f task_filter) RETURNS SETOF tasks
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.* FROM tasks t
    WHERE (f.statuses IS NULL OR t.status = ANY (f.statuses))
        AND (f.priorities IS NULL OR t.priority = ANY (f.priorities))
        AND (f.assignee_ids IS NULL AND f.unassigned IS NOT TRUE
            OR t.assignee_id = ANY (f.assignee_ids)
            OR f.unassigned AND t.assignee_id IS NULL)
        AND (f.creator_ids IS NULL OR t.creator_id = ANY (f.creator_ids))
        AND (f.tags IS NULL OR t.tags @> f.tags)
        AND (f.any_tags IS NULL OR t.tags && f.any_tags)
        AND (f.no_tags IS NULL OR NOT t.tags && f.no_tags)
        AND (f.parent_task_id IS NULL OR t.parent_task_id = f.parent_task_id)
        AND (f.is_root IS NOT TRUE OR t.parent_task_id IS NULL)
        AND (f.due_from IS NULL
            OR coalesce(t.due_date, 'infinity') >= f.due_from AND coalesce(t.due_date, 'infinity') < 'infinity')
        AND (f.due_before IS NULL OR coalesce(t.due_date, 'infinity') < f.due_before)
        AND (f.created_from IS NULL OR t.created_at >= f.created_from)
        AND (f.created_before IS NULL OR t.created_at < f.created_before)
        AND (f.updated_from IS NULL OR t.updated_at >= f.updated_from)
        AND (f.updated_before IS NULL OR t.updated_at < f.updated_before)
        AND (f.completed_from IS NULL OR t.completed_at >= f.completed_from)
        AND (f.completed_before IS NULL OR t.completed_at < f.completed_before)
        AND (f.estimated_hours_from IS NULL OR t.estimated_hours >= f.estimated_hours_from)
        AND (f.estimated_hours_to IS NULL OR t.estimated_hours <= f.estimated_hours_to)
        AND (f.actual_hours_from IS NULL OR t.actual_hours >= f.actual_hours_from)
        AND (f.actual_hours_to IS NULL OR t.actual_hours <= f.actual_hours_to)
        AND (f.is_overdue IS NOT TRUE
            OR coalesce(t.due_date, 'infinity') < now() AND t.status NOT IN ('done', 'cancelled'))
        AND (f.metadata IS NULL OR t.metadata @> f.metadata);
END;

-- Those of these projects, or of all, whose tasks the caller may read: what the policies ask, and the permission, which
-- a member may have lost.
CREATE FUNCTION readable_projects(wished uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(array_agg(a.project_id), '{}')
        FROM project_access a
        LEFT JOIN project_access_members m ON m.project_id = a.project_id AND m.user_id = current_user_id()
        WHERE a.project_id IN (
                SELECT unnest(wished)
                UNION ALL
                SELECT o.project_id FROM project_access o WHERE wished IS NULL AND o.visibility <> 'private'
                UNION ALL
                SELECT o.project_id FROM project_access_members o
                WHERE wished IS NULL AND o.user_id = current_user_id())
            AND NOT a.deleted
            AND current_user_id() IS NOT NULL
            AND (a.visibility = 'public'
                OR (a.visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
                OR m.user_id IS NOT NULL)
            AND (m.permissions -> 'task_read') IS DISTINCT FROM 'false'::jsonb);
END
$$;

-- All tasks below this one in these projects, at any depth; more than this many are refused.
CREATE FUNCTION tasks_below(ancestor uuid, projects uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    most CONSTANT integer := 10000;
    below uuid[] := '{}';
    frontier uuid[] := ARRAY[ancestor];
BEGIN
    LOOP
        frontier := ARRAY(
            SELECT t.id FROM tasks t
            WHERE t.parent_task_id = ANY (frontier) AND t.project_id = ANY (projects) LIMIT most + 1);
        EXIT WHEN cardinality(frontier) = 0;
        below := below || frontier;
        IF cardinality(below) > most THEN
            RAISE EXCEPTION 'more than % tasks are below this one', most
                USING ERRCODE = 'check_violation', CONSTRAINT = 'subtree_is_small';
        END IF;
    END LOOP;
    RETURN below;
END
$$;

-- The tasks that pass a filter and that the caller may read, at most so many, in an order: `created`, `updated`,
-- `rank`, `priority`, `due`, `title` or `number`, or none if NULL; after the task with this key in the order and this
-- id, if one is given. Under row-level security PostgreSQL does not use the index for a status, a priority, a tag, a
-- word or metadata, because their operators might tell on hidden rows. So this function looks as the owner, asks what
-- the policies ask once for each project, and answers ids alone: who reads the rows does so under the policies.
-- The pieces of SQL below are all there are; what is asked for goes in as parameters. Each call is planned for its
-- values, so that rare and frequent ones, small and large projects each get their own way.
CREATE FUNCTION find_tasks(
    filter jsonb, ordering text, descending boolean, after_key text, after_id uuid, most integer
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = task, pg_temp
AS $$
DECLARE
    f task_filter := jsonb_populate_record(NULL::task_filter, filter);
    projects uuid[] := readable_projects(f.project_ids);
    below uuid[] := CASE WHEN f.ancestor_task_id IS NOT NULL THEN tasks_below(f.ancestor_task_id, projects) END;
    is_plain boolean := NOT EXISTS (
        SELECT 1 FROM jsonb_each(filter) e WHERE e.key <> 'project_ids' AND e.value NOT IN ('null', 'false'));
    key text := CASE ordering
        WHEN 'created' THEN 't.created_at' WHEN 'updated' THEN 't.updated_at' WHEN 'rank' THEN 't.rank'
        WHEN 'priority' THEN 't.priority' WHEN 'due' THEN 'coalesce(t.due_date, ''infinity'')'
        WHEN 'title' THEN 'lower(t.title)' WHEN 'number' THEN 't.number' END;
    given text := CASE ordering
        WHEN 'rank' THEN '$5' WHEN 'priority' THEN '$5::task_priority' WHEN 'title' THEN 'lower($5)'
        WHEN 'number' THEN '$5::bigint' ELSE '$5::timestamptz' END;
    direction text := CASE WHEN descending THEN 'DESC' ELSE 'ASC' END;
    beyond text := CASE WHEN descending THEN '<' ELSE '>' END;
    source text := CASE WHEN is_plain THEN ' FROM tasks t' ELSE ' FROM tasks_like($1) t' END
        || CASE WHEN f.asked IS NULL THEN '' ELSE
            ' JOIN task_search s ON s.task_id = t.id AND s.words @@ asked_words($7)' END;
    place text := CASE WHEN cardinality(projects) = 1 THEN ' WHERE t.project_id = $2[1]'
        ELSE ' WHERE t.project_id = ANY ($2)' END;
    conditions text := CASE WHEN below IS NULL THEN '' ELSE ' AND t.id = ANY ($3)' END
        || CASE WHEN after_id IS NULL THEN '' ELSE format(' AND (%s, t.id) %s (%s, $6)', key, beyond, given) END;
    arrangement text := CASE WHEN key IS NULL THEN '' ELSE format(' ORDER BY %s %s, t.id %2$s', key, direction) END;
    query text := 'SELECT t.id' || source || place || conditions || arrangement;
BEGIN
    IF NOT is_plain AND key IS NOT NULL THEN
        -- Planned as if 1,000 were wanted, and read no further than wanted: of what is said to be rare, PostgreSQL
        -- only knows that it is not frequent, and would look for the first of a handful by a walk past everything.
        query := 'WITH found AS MATERIALIZED (' || query || ' LIMIT greatest($4, 1000)) SELECT id FROM found';
    ELSIF cardinality(projects) > 1 AND key IS NOT NULL THEN
        -- The first of each project, and of these the first.
        query := 'SELECT t.id FROM unnest($2) p(id) CROSS JOIN LATERAL (SELECT t.*' || source
            || ' WHERE t.project_id = p.id' || conditions || arrangement || ' LIMIT $4) t' || arrangement;
    END IF;
    RETURN QUERY EXECUTE query || ' LIMIT $4' USING f, projects, below, most, after_key, after_id, f.asked;
END
$$;

REVOKE EXECUTE ON FUNCTION tasks_like(task_filter), readable_projects(uuid[]), tasks_below(uuid, uuid[]),
    find_tasks(jsonb, text, boolean, text, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_tasks(jsonb, text, boolean, text, uuid, integer) TO task_service;
