-- The task service's schema: tasks, their dependencies, numbers, order and search, and a copy of who may access which
-- project.
--
-- All writers of tasks take locks in one order, which prevents deadlocks: the order of a project's tasks, the
-- graph, `project_access`, the numbers of a project, rows of `tasks` by id.

-- == Roles ==

-- Roles belong to the cluster, so another schema or another database may have created them already.
-- Logins have no password here; the operator sets one (deploy/README.md).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['application_role', 'task_service', 'task_worker'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS INHERIT',
                wanted, CASE WHEN wanted = 'application_role' THEN 'NOLOGIN' ELSE 'LOGIN' END);
            IF wanted = 'task_service' THEN
                -- The longest deadline of a call. Reads that are one statement have no transaction to set it in.
                ALTER ROLE task_service SET statement_timeout = '30s';
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
    IF NOT pg_has_role('task_service', 'application_role', 'member') THEN
        GRANT application_role TO task_service;
    END IF;
END
$$;

SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- == Enums ==

CREATE TYPE task_status AS ENUM ('pending', 'in_progress', 'review', 'done', 'cancelled', 'blocked');
CREATE TYPE task_priority AS ENUM ('low', 'medium', 'high', 'urgent');
CREATE TYPE dependency_type AS ENUM ('blocks', 'relates_to', 'duplicates', 'subtask_of');

-- A filter of tasks. A condition that is NULL does not filter; all others must hold.
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
    -- Children of this task; tasks without a parent; descendants of this task.
    parent_task_id uuid,
    is_root boolean,
    ancestor_task_id uuid,
    -- The start of a period is included, its end is not.
    milestone_ids uuid[],
    start_from timestamptz,
    start_before timestamptz,
    due_from timestamptz,
    due_before timestamptz,
    created_from timestamptz,
    created_before timestamptz,
    updated_from timestamptz,
    updated_before timestamptz,
    completed_from timestamptz,
    completed_before timestamptz,
    estimated_minutes_from integer,
    estimated_minutes_to integer,
    actual_minutes_from integer,
    actual_minutes_to integer,
    -- Open, and due before now.
    is_overdue boolean,
    metadata jsonb,
    -- As the user typed it.
    search_text text
);

-- == Tables ==

-- The rank of a new task: its number in twelve digits, so that it comes last without a look at the others. A task that
-- is moved gets the digits of the task before it and a fraction in the digits 0-9, A-Z, a-z. A fraction never ends in
-- 0, so there is always room before it.
CREATE FUNCTION initial_rank(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE RETURN lpad(number::text, 12, '0');

-- States of a project that its tasks lead to. `project_id` refers to a row of another service.
CREATE TABLE milestones (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    due_date TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    -- For the foreign key of tasks.
    CONSTRAINT milestones_id_project_id_key UNIQUE (id, project_id)
);

-- `project_id`, `assignee_id` and `creator_id` refer to rows of other services; see migrations/references.
-- Tasks are updated often, and lists depend on the planner's statistics. The CHECK constraints are those of the seed:
-- PostgreSQL parses them again for each statement, so `validate_task` checks the rest.
CREATE TABLE tasks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL,
    parent_task_id UUID REFERENCES tasks(id),
    title VARCHAR(255) NOT NULL,
    description TEXT,
    status task_status DEFAULT 'pending' NOT NULL,
    priority task_priority DEFAULT 'medium' NOT NULL,
    assignee_id UUID,
    creator_id UUID NOT NULL,
    due_date TIMESTAMP WITH TIME ZONE,
    estimated_hours INTEGER,
    actual_hours INTEGER,
    tags TEXT[] DEFAULT '{}' NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    -- The number within the project and the position in the project's order. The key (`DAF-42`) is made of the
    -- project's key and the number when it is read.
    number BIGINT NOT NULL,
    rank TEXT COLLATE "C" NOT NULL,
    -- Whether a user set the status `blocked`: then no dependency lifts it.
    manually_blocked BOOLEAN DEFAULT FALSE NOT NULL,
    -- Estimated and actual work. The columns in hours are these, rounded up.
    estimated_minutes INTEGER,
    actual_minutes INTEGER,
    -- When work may start at the earliest; not after the due date.
    start_date TIMESTAMP WITH TIME ZONE,
    -- The time entries that have ended, summed up; NULL without any. It is part of the actual work.
    tracked_minutes INTEGER,
    milestone_id UUID,
    CONSTRAINT chk_estimated_hours_positive CHECK (estimated_hours IS NULL OR estimated_hours > 0),
    CONSTRAINT chk_actual_hours_positive CHECK (actual_hours IS NULL OR actual_hours > 0),
    CONSTRAINT chk_due_date_future CHECK (due_date IS NULL OR due_date > created_at),
    CONSTRAINT tasks_project_number_key UNIQUE (project_id, number),
    -- A milestone of the same project. When it is deleted, the task has none.
    CONSTRAINT tasks_milestone_id_fkey FOREIGN KEY (milestone_id, project_id) REFERENCES milestones(id, project_id)
        ON DELETE SET NULL (milestone_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE task_dependencies (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    depends_on_task_id UUID NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    dependency_type dependency_type DEFAULT 'blocks' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    UNIQUE(task_id, depends_on_task_id),
    CONSTRAINT chk_no_self_dependency CHECK (task_id != depends_on_task_id)
);

-- Time that users spend on tasks. `user_id` refers to a row of another service.
CREATE TABLE time_entries (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    -- That of the task, for row-level security.
    project_id UUID NOT NULL,
    user_id UUID NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    -- NULL while it is running.
    ended_at TIMESTAMP WITH TIME ZONE,
    note TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    CONSTRAINT chk_time_entry_span CHECK (ended_at > started_at)
);

-- The search vectors of tasks. In a table of their own, so that a change of status or rank does not index the text
-- again and reading tasks does not load them. Triggers of `tasks` keep both alike, at less cost than a foreign key.
CREATE TABLE task_search (
    task_id UUID PRIMARY KEY,
    project_id UUID NOT NULL,
    search_vector TSVECTOR NOT NULL
);

-- The highest number of each project that no task has any more: of a deleted task, or imported. Creating a task only
-- reads it; see `next_task_number`.
CREATE TABLE task_counters (
    project_id UUID PRIMARY KEY,
    last_number BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 100);

-- The copy of who may access which project, fed by the project service. A higher revision replaces a lower one. A
-- deleted project keeps its row, so that an older state that arrives late does not restore it. A new snapshot begins by
-- setting all revisions to 0, so that it replaces everything, and ends by marking the projects that it does not contain
-- as deleted.
CREATE TABLE project_access (
    project_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    visibility TEXT NOT NULL CONSTRAINT chk_visibility CHECK (visibility IN ('private', 'internal', 'public')),
    status TEXT NOT NULL CONSTRAINT chk_status CHECK (status IN ('active', 'completed', 'archived', 'cancelled')),
    -- The first part of the keys of the project's tasks. Unique in the project service, but not here: when a key passes
    -- from one project to another, their states may arrive in either order.
    key TEXT NOT NULL
);

-- Deleted projects whose tasks are still there.
CREATE TABLE projects_to_purge (
    project_id UUID PRIMARY KEY
);

CREATE TABLE project_access_members (
    project_id UUID NOT NULL REFERENCES project_access(project_id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    role TEXT NOT NULL CONSTRAINT chk_role CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    permissions JSONB NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (project_id, user_id)
);

-- The position in each feed of another service; updated in the transaction that applies its changes. Few rows, written
-- many times a second.
CREATE TABLE feed_positions (
    feed TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);

-- Every change of a row, written in the transaction of the change. Readers order by (transaction_id, position) and stop
-- below their snapshot's xmin: `position` alone is assigned before commit, so a reader would miss rows that commit
-- late. Rows are deleted from the old end. Frequent vacuums keep pages all-visible, so that feeds scan only the index.
CREATE TABLE change_log (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    entity TEXT NOT NULL,
    entity_id UUID NOT NULL,
    project_id UUID,
    -- `insert`, `update` or `delete`; only triggers write it.
    operation TEXT NOT NULL,
    old_values JSONB,
    new_values JSONB,
    actor_id UUID,
    trace_id TEXT,
    PRIMARY KEY (transaction_id, position)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05);

-- The last change that was trimmed: a reader whose position is older has missed changes. One row, updated at each trim.
CREATE TABLE change_log_horizon (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT chk_only_row CHECK (only_row),
    transaction_id xid8 NOT NULL DEFAULT '0',
    position BIGINT NOT NULL DEFAULT 0,
    -- When the newest trimmed change was made: a later point in time can be read. NULL while nothing has been trimmed.
    changed_at TIMESTAMP WITH TIME ZONE
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
INSERT INTO change_log_horizon DEFAULT VALUES;

-- Which request created which resource, so that a retry finds it (AIP-155). Rows live for a day.
CREATE TABLE idempotency_keys (
    caller_id UUID NOT NULL,
    method TEXT NOT NULL,
    request_id UUID NOT NULL,
    request_hash BYTEA NOT NULL,
    resource_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (caller_id, request_id, method)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.1);

-- The size of each table by day, with its indexes and TOAST. Written by `dafnck maintain`.
CREATE TABLE table_sizes (
    day DATE NOT NULL,
    table_name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (day, table_name)
);

-- The last run of each job of `dafnck maintain`. `error` is NULL if it succeeded or is still running.
CREATE TABLE maintenance_runs (
    job TEXT PRIMARY KEY,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    error TEXT
);

-- == Indexes ==

CREATE INDEX idx_tasks_project_id ON tasks(project_id);
CREATE INDEX idx_tasks_assignee_id ON tasks(assignee_id);
CREATE INDEX idx_tasks_status ON tasks(status);
CREATE INDEX idx_tasks_priority ON tasks(priority);
CREATE INDEX idx_tasks_due_date ON tasks(due_date);
CREATE INDEX idx_tasks_parent_task_id ON tasks(parent_task_id);
CREATE INDEX idx_tasks_project_status ON tasks(project_id, status);
CREATE INDEX idx_tasks_assignee_status ON tasks(assignee_id, status);
CREATE INDEX idx_tasks_project_priority ON tasks(project_id, priority);
CREATE INDEX idx_tasks_metadata_gin ON tasks USING GIN (metadata);
-- Sort orders of lists: a page is one index scan, in either direction.
CREATE INDEX idx_tasks_project_newest ON tasks(project_id, created_at DESC, id DESC);
CREATE INDEX idx_tasks_project_updated ON tasks(project_id, updated_at DESC, id DESC);
CREATE INDEX idx_tasks_project_urgency ON tasks(project_id, priority, id);
-- Tasks without a date come last.
CREATE INDEX idx_tasks_project_start ON tasks(project_id, coalesce(start_date, 'infinity'), id);
CREATE INDEX idx_tasks_project_due ON tasks(project_id, coalesce(due_date, 'infinity'), id);
CREATE INDEX idx_tasks_project_title ON tasks(project_id, lower(title), id);
-- Ranks are unique, but the index is partial with a condition that always holds. PostgreSQL takes the columns of a
-- plain unique index for a key that foreign keys may refer to, and an update of a key conflicts with the locks of
-- foreign key checks: moving a task and linking it would deadlock. The planner uses this index for every list, as these
-- have a condition on the project. (A plain TRUE would not be stored as a condition.)
CREATE UNIQUE INDEX idx_tasks_project_rank ON tasks(project_id, rank) WHERE project_id IS NOT NULL;
-- Filters.
CREATE INDEX idx_tasks_tags_gin ON tasks USING GIN (tags);
CREATE INDEX idx_tasks_creator_id ON tasks(creator_id);
CREATE INDEX idx_tasks_project_completed ON tasks(project_id, completed_at) WHERE completed_at IS NOT NULL;
-- Also serves the cascade from tasks.
CREATE INDEX idx_task_dependencies_depends_on ON task_dependencies(depends_on_task_id);
-- `relates_to` has no direction, so a pair of tasks has it once.
CREATE UNIQUE INDEX idx_task_dependencies_related ON task_dependencies
    (least(task_id, depends_on_task_id), greatest(task_id, depends_on_task_id)) WHERE dependency_type = 'relates_to';
CREATE INDEX idx_tasks_milestone_id ON tasks(milestone_id) WHERE milestone_id IS NOT NULL;
CREATE INDEX idx_milestones_project ON milestones(project_id, created_at, id);
CREATE INDEX idx_time_entries_task_id ON time_entries(task_id);
CREATE INDEX idx_time_entries_project ON time_entries(project_id, started_at DESC, id DESC);
CREATE INDEX idx_time_entries_user ON time_entries(user_id, started_at DESC, id DESC);
-- A user has one running time entry.
CREATE UNIQUE INDEX idx_time_entries_running ON time_entries(user_id) WHERE ended_at IS NULL;
CREATE INDEX idx_task_search_vector ON task_search USING GIN (search_vector);
CREATE INDEX idx_task_search_project_id ON task_search (project_id);
CREATE INDEX idx_project_access_members_user_id ON project_access_members (user_id);
CREATE INDEX idx_project_access_key ON project_access(key) WHERE NOT deleted;
CREATE INDEX idx_project_access_open ON project_access(project_id) WHERE visibility <> 'private';
CREATE INDEX idx_change_log_entity ON change_log (entity, entity_id);
CREATE INDEX idx_change_log_changed_at ON change_log USING brin (changed_at);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE INDEX idx_change_log_project ON change_log (project_id, transaction_id, position);

-- == Functions and triggers ==

-- The user on whose behalf this transaction runs; the nil UUID is an anonymous caller. NULL if the setting is absent:
-- then the policies show nothing.
CREATE FUNCTION current_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.current_user_id', true), '')::uuid;

-- The project that the statements of this transaction are about, if the service says so. Policies check it once for each
-- statement, and any other project once for each row.
CREATE FUNCTION current_project_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.project_id', true), '')::uuid;

-- Sets `updated_at`. Its triggers are skipped while `app.keep_dates` is on, so that imports keep the given dates.
CREATE FUNCTION audit_trigger_function() RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at = NOW();
        RETURN NEW;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;

-- Deletes up to `max_rows` changes older than `retention` and moves the horizon. It locks the horizon first, so that
-- concurrent calls run one after the other and do not deadlock on rows of the log.
CREATE FUNCTION trim_change_log(retention interval, max_rows integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = task, pg_temp
BEGIN ATOMIC
    SELECT FROM change_log_horizon FOR UPDATE;
    WITH old AS (
        SELECT transaction_id, position FROM change_log
        WHERE changed_at < now() - retention
        ORDER BY transaction_id, position LIMIT max_rows
    ), gone AS (
        DELETE FROM change_log l USING old
        WHERE l.transaction_id = old.transaction_id AND l.position = old.position
        RETURNING l.transaction_id, l.position, l.changed_at
    ), moved AS (
        UPDATE change_log_horizon h
        SET transaction_id = last.transaction_id, position = last.position,
            changed_at = greatest(h.changed_at, (SELECT max(changed_at) FROM gone))
        FROM (SELECT transaction_id, position FROM gone ORDER BY 1 DESC, 2 DESC LIMIT 1) last
        RETURNING 1
    )
    SELECT count(*) FROM gone;
END;

-- For each job of `dafnck maintain`, the seconds since its last run began and whether it failed, for the service's
-- metrics. Before the first run: one row for all jobs with the age of the schema.
CREATE FUNCTION maintenance_status() RETURNS TABLE (job TEXT, age DOUBLE PRECISION, failed BOOLEAN)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT r.job, extract(epoch FROM now() - r.started_at)::float8, r.error IS NOT NULL FROM maintenance_runs r
    UNION ALL
    SELECT 'all', extract(epoch FROM now() - min(m.applied_at))::float8, FALSE FROM schema_migrations m
    WHERE NOT EXISTS (SELECT 1 FROM maintenance_runs)
    HAVING count(*) > 0
$$;

CREATE TRIGGER tasks_updated_at_trigger
    BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

-- Locks of the dependency graph. A transaction locks the graph before any row, so that it never waits for a row while
-- others wait for the graph: exclusively if it changes edges or the status of a task that has some, shared if it
-- changes the status of a task that has none.

CREATE FUNCTION dependency_graph_lock_key() RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN 7236277130241;

CREATE FUNCTION has_blocking_dependencies(task_uuid uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM task_dependencies d
                   WHERE (d.task_id = task_uuid OR d.depends_on_task_id = task_uuid) AND d.dependency_type = 'blocks');
$$;

-- Does nothing for a caller who is no member of the task's project: so nobody without rights there can hold up others.
--
-- A task may get edges while this waits for the shared lock. Upgrading the lock could deadlock with another shared
-- holder, so the end of a subtransaction releases it, and the exclusive lock is taken. No edge is added while the
-- shared lock is held.
CREATE FUNCTION lock_dependency_graph(task_uuid uuid, exclusive boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF current_user_id() IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
        WHERE t.id = task_uuid AND m.user_id = current_user_id()) THEN
        RETURN;
    END IF;
    IF NOT exclusive AND NOT has_blocking_dependencies(task_uuid) THEN
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(dependency_graph_lock_key());
            IF NOT has_blocking_dependencies(task_uuid) THEN
                RETURN;
            END IF;
            RAISE SQLSTATE 'TG001';
        EXCEPTION WHEN SQLSTATE 'TG001' THEN
            NULL;
        END;
    END IF;
    PERFORM pg_advisory_xact_lock(dependency_graph_lock_key());
END
$$;

-- No cycles

-- There are two graphs without cycles. Which task waits for which: a task for the one that blocks it, a parent for its
-- subtasks, be they so by `parent_task_id` or by `subtask_of`. And which task is a duplicate of which. These functions
-- are inlined, and name the task in each branch, so that a search looks up only the edges of the tasks that it reaches.

CREATE FUNCTION awaited_tasks(task_uuid uuid, along_duplicates boolean) RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$
    SELECT d.depends_on_task_id FROM task.task_dependencies d
    WHERE d.task_id = task_uuid AND d.dependency_type = 'blocks' AND NOT along_duplicates
    UNION ALL
    SELECT d.task_id FROM task.task_dependencies d
    WHERE d.depends_on_task_id = task_uuid AND d.dependency_type = 'subtask_of' AND NOT along_duplicates
    UNION ALL
    SELECT t.id FROM task.tasks t WHERE t.parent_task_id = task_uuid AND NOT along_duplicates
    UNION ALL
    SELECT d.depends_on_task_id FROM task.task_dependencies d
    WHERE d.task_id = task_uuid AND d.dependency_type = 'duplicates' AND along_duplicates
$$;

CREATE FUNCTION waiting_tasks(task_uuid uuid, along_duplicates boolean) RETURNS SETOF uuid
LANGUAGE sql STABLE
AS $$
    SELECT d.task_id FROM task.task_dependencies d
    WHERE d.depends_on_task_id = task_uuid AND d.dependency_type = 'blocks' AND NOT along_duplicates
    UNION ALL
    SELECT d.depends_on_task_id FROM task.task_dependencies d
    WHERE d.task_id = task_uuid AND d.dependency_type = 'subtask_of' AND NOT along_duplicates
    UNION ALL
    SELECT t.parent_task_id FROM task.tasks t
    WHERE t.id = task_uuid AND t.parent_task_id IS NOT NULL AND NOT along_duplicates
    UNION ALL
    SELECT d.task_id FROM task.task_dependencies d
    WHERE d.depends_on_task_id = task_uuid AND d.dependency_type = 'duplicates' AND along_duplicates
$$;

-- A path in one graph from a task to one that it waits for, both ends included: a shortest one from the first end, or
-- else from the second. NULL if it is not among the first 2,000 edges from either end: this runs under the lock of the
-- graph.
CREATE FUNCTION find_dependency_path(origin uuid, target uuid, along_duplicates boolean) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp SET jit = off
AS $$
DECLARE
    max_edges CONSTANT integer := 2000;
    reached uuid[];
    sources uuid[];
    path uuid[] := ARRAY[target];
BEGIN
    -- The rows come level by level, so the first with a task is on a shortest path to it.
    SELECT array_agg(l.id), array_agg(l.source) INTO reached, sources FROM (
        WITH RECURSIVE found(id, source) AS (
            SELECT origin, NULL::uuid
            UNION
            SELECT w.id, f.id FROM found f CROSS JOIN LATERAL awaited_tasks(f.id, along_duplicates) w(id))
        SELECT id, source FROM found LIMIT max_edges) l;
    IF target = ANY (reached) THEN
        WHILE path[1] <> origin LOOP
            path := sources[array_position(reached, path[1])] || path;
        END LOOP;
        RETURN path;
    END IF;
    path := ARRAY[origin];
    SELECT array_agg(l.id), array_agg(l.source) INTO reached, sources FROM (
        WITH RECURSIVE found(id, source) AS (
            SELECT target, NULL::uuid
            UNION
            SELECT w.id, f.id FROM found f CROSS JOIN LATERAL waiting_tasks(f.id, along_duplicates) w(id))
        SELECT id, source FROM found LIMIT max_edges) l;
    IF NOT origin = ANY (reached) THEN
        RETURN NULL;
    END IF;
    WHILE path[cardinality(path)] <> target LOOP
        path := path || sources[array_position(reached, path[cardinality(path)])];
    END LOOP;
    RETURN path;
END
$$;

-- Up to `max_tasks` of the tasks that one task waits for, directly or not, or of those that wait for it, itself
-- included: how many they are, and whether `wanted` is among them. UNION drops a task that was reached before, so the
-- work is proportional to the edges of the tasks that are returned.
CREATE FUNCTION reach_tasks(
    origin uuid, wanted uuid, towards_awaited boolean, along_duplicates boolean, max_tasks integer,
    OUT reached bigint, OUT is_found boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp SET jit = off
AS $$
BEGIN
    IF towards_awaited THEN
        SELECT count(*), coalesce(bool_or(l.id = wanted), FALSE) INTO reached, is_found FROM (
            WITH RECURSIVE found(id) AS (
                SELECT origin
                UNION
                SELECT w.id FROM found f CROSS JOIN LATERAL awaited_tasks(f.id, along_duplicates) w(id))
            SELECT id FROM found LIMIT max_tasks) l;
    ELSE
        SELECT count(*), coalesce(bool_or(l.id = wanted), FALSE) INTO reached, is_found FROM (
            WITH RECURSIVE found(id) AS (
                SELECT origin
                UNION
                SELECT w.id FROM found f CROSS JOIN LATERAL waiting_tasks(f.id, along_duplicates) w(id))
            SELECT id FROM found LIMIT max_tasks) l;
    END IF;
END
$$;

-- Whether one task waits for another, directly or not, or is its duplicate. Asked before each new edge under the lock
-- of the graph. It searches from both ends, each time four times as far, and ends with the first end that has no
-- further tasks: at once for a task that nothing waits for, and for one that waits for nothing. So it costs a few times
-- what the smaller end has. An edge whose ends both have `max_tasks` or more is rejected.
CREATE FUNCTION is_dependent_on(origin uuid, target uuid, along_duplicates boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    max_tasks CONSTANT integer := 65536;
    tasks_to_reach integer := 64;
    forwards record;
    backwards record;
BEGIN
    WHILE tasks_to_reach <= max_tasks LOOP
        forwards := reach_tasks(origin, target, TRUE, along_duplicates, tasks_to_reach);
        IF forwards.is_found OR forwards.reached < tasks_to_reach THEN
            RETURN forwards.is_found;
        END IF;
        backwards := reach_tasks(target, origin, FALSE, along_duplicates, tasks_to_reach);
        IF backwards.is_found OR backwards.reached < tasks_to_reach THEN
            RETURN backwards.is_found;
        END IF;
        tasks_to_reach := 4 * tasks_to_reach;
    END LOOP;
    RAISE EXCEPTION 'each of the two tasks is connected with % tasks or more', max_tasks
        USING ERRCODE = 'check_violation', CONSTRAINT = 'dependency_search_limit';
END
$$;

-- Rejects an edge that would close a cycle; the detail names the tasks of the cycle.
CREATE FUNCTION reject_cycle(waiting uuid, awaited uuid, along_duplicates boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF is_dependent_on(awaited, waiting, along_duplicates) THEN
        RAISE EXCEPTION 'the dependency would close a cycle'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'no_dependency_cycle', DETAIL = coalesce(
                array_to_string(find_dependency_path(awaited, waiting, along_duplicates), ','), '');
    END IF;
END
$$;

CREATE FUNCTION check_dependency_cycle() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(dependency_graph_lock_key());
    IF NEW.dependency_type = 'subtask_of' THEN
        PERFORM reject_cycle(NEW.depends_on_task_id, NEW.task_id, FALSE);
    ELSE
        PERFORM reject_cycle(NEW.task_id, NEW.depends_on_task_id, NEW.dependency_type = 'duplicates');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER task_dependencies_cycle_trigger
    BEFORE INSERT OR UPDATE ON task_dependencies
    FOR EACH ROW WHEN (NEW.dependency_type <> 'relates_to' AND NEW.task_id <> NEW.depends_on_task_id)
    EXECUTE FUNCTION check_dependency_cycle();

-- A new task has no subtasks and nothing waits for it, so its parent closes no cycle if it existed before: creating a
-- subtask does not lock the graph.
CREATE FUNCTION check_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    parent_project uuid;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM lock_dependency_graph(NEW.id, TRUE);
    END IF;
    SELECT p.project_id INTO parent_project FROM tasks p WHERE p.id = NEW.parent_task_id;
    IF parent_project IS NULL THEN
        RAISE EXCEPTION 'the parent is not there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_parent_task_id_fkey';
    ELSIF parent_project <> NEW.project_id THEN
        RAISE EXCEPTION 'a subtask belongs to the project of its parent'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'parent_in_same_project';
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM reject_cycle(NEW.parent_task_id, NEW.id, FALSE);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_check_parent_trigger
    BEFORE INSERT OR UPDATE OF parent_task_id ON tasks
    FOR EACH ROW WHEN (NEW.parent_task_id IS NOT NULL)
    EXECUTE FUNCTION check_parent();

-- Status. `blocked` is a derived form of `pending`: not started because a blocking task is still open, or because a
-- user said so (`manually_blocked`).

-- The tasks that must be done or cancelled before this one can be completed. A batch is judged by the state after it
-- (`announce_status_changes`).
CREATE FUNCTION open_blockers(task_uuid uuid) RETURNS uuid[]
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT array_agg(b.id ORDER BY b.id)
    FROM task_dependencies d JOIN tasks b ON b.id = d.depends_on_task_id
    WHERE d.task_id = task_uuid AND d.dependency_type = 'blocks'
        AND CASE
            WHEN b.id = ANY (nullif(current_setting('app.closed_blockers', true), '')::uuid[]) THEN FALSE
            WHEN b.id = ANY (nullif(current_setting('app.opened_blockers', true), '')::uuid[]) THEN TRUE
            ELSE b.status NOT IN ('done', 'cancelled') END
$$;

-- Says before a batch which of its tasks it closes and which it leaves open or reopens. The settings hold only those
-- that block another task of the batch: usually none.
CREATE FUNCTION announce_status_changes(closed uuid[], opened uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    blockers uuid[] := ARRAY(
        SELECT d.depends_on_task_id FROM task_dependencies d
        WHERE d.task_id = ANY (closed || opened) AND d.depends_on_task_id = ANY (closed || opened)
            AND d.dependency_type = 'blocks');
BEGIN
    PERFORM set_config('app.closed_blockers', ARRAY(
        SELECT unnest(blockers) INTERSECT SELECT unnest(closed))::text, true);
    PERFORM set_config('app.opened_blockers', ARRAY(
        SELECT unnest(blockers) INTERSECT SELECT unnest(opened))::text, true);
END
$$;

CREATE FUNCTION is_status_transition_allowed(old_status task_status, new_status task_status) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN old_status = new_status OR CASE old_status
    WHEN 'pending' THEN new_status IN ('blocked', 'in_progress', 'done', 'cancelled')
    WHEN 'blocked' THEN new_status IN ('pending', 'in_progress', 'done', 'cancelled')
    WHEN 'in_progress' THEN new_status IN ('pending', 'blocked', 'review', 'done', 'cancelled')
    WHEN 'review' THEN new_status IN ('pending', 'blocked', 'in_progress', 'done', 'cancelled')
    WHEN 'done' THEN new_status IN ('pending', 'blocked', 'in_progress')
    WHEN 'cancelled' THEN new_status IN ('pending', 'blocked')
END;

CREATE FUNCTION check_status_transition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    blockers uuid[];
BEGIN
    IF NOT is_status_transition_allowed(OLD.status, NEW.status) THEN
        RAISE EXCEPTION 'a task that is % does not become %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'valid_status_transition', DETAIL = OLD.status;
    END IF;
    PERFORM lock_dependency_graph(NEW.id, FALSE);
    blockers := open_blockers(NEW.id);
    IF NEW.status IN ('pending', 'blocked') THEN
        NEW.manually_blocked := NEW.status = 'blocked' AND blockers IS NULL;
        NEW.status := CASE WHEN NEW.manually_blocked OR blockers IS NOT NULL THEN 'blocked' ELSE 'pending' END;
    ELSE
        NEW.manually_blocked := FALSE;
        -- Open blockers stop a task from moving forward. Going back from review to work and cancelling stay possible.
        IF blockers IS NOT NULL AND OLD.status <> NEW.status AND NEW.status <> 'cancelled'
            AND (OLD.status, NEW.status) <> ('review', 'in_progress') THEN
            RAISE EXCEPTION 'tasks that block this one are open'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'no_open_blockers',
                      DETAIL = array_to_string(blockers, ',');
        END IF;
    END IF;
    NEW.completed_at := CASE WHEN NEW.status = 'done' THEN coalesce(NEW.completed_at, NOW()) END;
    RETURN NEW;
END
$$;
CREATE TRIGGER tasks_status_trigger BEFORE UPDATE OF status ON tasks
    FOR EACH ROW EXECUTE FUNCTION check_status_transition();

-- Derives the status of these tasks again. It locks the rows before it reads, so that of two blockers that close at the
-- same time the second sees the first.
CREATE FUNCTION refresh_blocked_status(task_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM 1 FROM tasks WHERE id = ANY (task_ids) AND status IN ('pending', 'blocked') AND NOT manually_blocked
    ORDER BY id FOR NO KEY UPDATE;
    UPDATE tasks SET status = CASE status WHEN 'pending' THEN 'blocked' ELSE 'pending' END::task_status
    WHERE id = ANY (task_ids) AND status IN ('pending', 'blocked') AND NOT manually_blocked
        AND (status = 'pending') = (open_blockers(id) IS NOT NULL);
END
$$;

CREATE FUNCTION refresh_dependents_of_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    PERFORM refresh_blocked_status(array_agg(d.task_id)) FROM task_dependencies d
    WHERE d.depends_on_task_id = NEW.id AND d.dependency_type = 'blocks';
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_refresh_dependents_trigger AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN ((OLD.status IN ('done', 'cancelled')) <> (NEW.status IN ('done', 'cancelled')))
    EXECUTE FUNCTION refresh_dependents_of_task();

CREATE FUNCTION refresh_task_of_dependency() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF OLD.dependency_type = 'blocks' OR NEW.dependency_type = 'blocks' THEN
        PERFORM refresh_blocked_status(array_remove(ARRAY[OLD.task_id, NEW.task_id], NULL));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_dependencies_refresh_trigger AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION refresh_task_of_dependency();

-- The seed's function to complete a task. Whether the task may be completed, the status trigger decides.
CREATE FUNCTION complete_task(task_uuid UUID)
RETURNS VOID AS $$
BEGIN
    UPDATE tasks
    SET status = 'done',
        completed_at = NOW(),
        updated_at = NOW()
    WHERE id = task_uuid;
END;
$$ LANGUAGE plpgsql SET search_path = task, pg_temp;

-- Numbers and keys

-- For each project, the highest number that a task of it has or had.
CREATE VIEW last_task_numbers AS
    SELECT a.project_id, greatest(0,
        (SELECT t.number FROM tasks t WHERE t.project_id = a.project_id ORDER BY t.number DESC LIMIT 1),
        (SELECT c.last_number FROM task_counters c WHERE c.project_id = a.project_id)) AS last_number
    FROM project_access a WHERE NOT a.deleted;

-- The last number of a project, which must exist. Without sorts, the index on the number is walked also in a project
-- that has been filled since its tables were analyzed; the callers of this function set that.
CREATE FUNCTION last_task_number(project uuid) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    last bigint;
BEGIN
    SELECT n.last_number INTO last FROM task.last_task_numbers n WHERE n.project_id = project;
    IF last IS NULL THEN
        RAISE EXCEPTION 'the project does not exist'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'tasks_project_id_fkey';
    END IF;
    RETURN last;
END
$$;

-- The key of the lock of a number in a project; 0 stands for all its numbers, which those who create single tasks lock
-- together, and those alone who must find no task being created.
CREATE FUNCTION task_number_lock_key(project uuid, number bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE RETURN uuid_hash_extended(project, number);

-- The first number of a project behind its last one, and behind `lowest`, that no open transaction has taken. Locks
-- only that number until the transaction ends, so nobody waits for the commit of another: who finds it locked takes the
-- one after it. A rollback returns the number if no higher one has been committed.
CREATE FUNCTION next_task_number(project uuid, lowest bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    oldest_writer xid8 := pg_snapshot_xmin(pg_current_snapshot());
    candidate bigint := lowest;
    last bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(task.task_number_lock_key(project, 0));
    last := task.last_task_number(project);
    LOOP
        candidate := greatest(candidate, last) + 1;
        WHILE NOT pg_try_advisory_xact_lock(task.task_number_lock_key(project, candidate)) LOOP
            candidate := candidate + 1;
        END LOOP;
        last := task.last_task_number(project);
        -- Between the look at the last number and the lock, another task may have got the candidate, and even have been
        -- deleted since: then the log has it.
        EXIT WHEN candidate > last OR NOT EXISTS (
            SELECT 1 FROM task.tasks t WHERE t.project_id = project AND t.number = candidate
            UNION ALL
            SELECT 1 FROM task.change_log l
            WHERE l.project_id = project AND l.transaction_id >= oldest_writer AND l.entity = 'tasks'
                AND (l.new_values ->> 'number')::bigint = candidate);
    END LOOP;
    RETURN candidate;
END
$$;

-- Numbers for a batch of tasks: for each place in the arrays the given number, or the next one. Projects are locked in
-- the order of their ids, so that two batches do not deadlock. A large batch, and one with given numbers, has the numbers
-- for itself: a lock for each would fill the table of locks.
CREATE FUNCTION allocate_task_numbers(projects uuid[], given_numbers bigint[])
RETURNS TABLE (place bigint, number bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = task, pg_temp SET enable_sort = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    max_locks CONSTANT integer := 32;
    batch record;
    last bigint;
BEGIN
    FOR batch IN
        SELECT w.project, coalesce(max(w.number), 0) AS highest, count(*) > max_locks OR count(w.number) > 0 AS is_alone
        FROM unnest(projects, given_numbers) w(project, number) GROUP BY w.project ORDER BY w.project
    LOOP
        last := 0;
        IF batch.is_alone THEN
            PERFORM pg_advisory_xact_lock(task_number_lock_key(batch.project, 0));
            last := greatest(last_task_number(batch.project), batch.highest);
        END IF;
        FOR place, number IN
            SELECT u.place, u.number FROM unnest(projects, given_numbers) WITH ORDINALITY u(project, number, place)
            WHERE u.project = batch.project ORDER BY u.place
        LOOP
            IF number IS NULL THEN
                last := CASE WHEN batch.is_alone THEN last + 1 ELSE next_task_number(batch.project, last) END;
                number := last;
            END IF;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

-- Fills in what the writer of a task leaves out, keeps the columns in minutes and the seed's columns in hours alike
-- (minutes win if both change), and rejects values that no task may have.
CREATE FUNCTION validate_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = task, pg_temp SET enable_sort = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    broken_rule text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- A new task has no dependencies, so only a user can have set `blocked`.
        NEW.manually_blocked := NEW.status = 'blocked';
        -- A batch has its numbers already.
        NEW.number := coalesce(NEW.number, next_task_number(NEW.project_id, 0));
        NEW.rank := coalesce(NEW.rank, initial_rank(NEW.number));
        NEW.estimated_minutes := coalesce(NEW.estimated_minutes, NEW.estimated_hours * 60);
        NEW.actual_minutes := coalesce(NEW.actual_minutes, NEW.actual_hours * 60);
    ELSE
        IF NEW.estimated_minutes IS NOT DISTINCT FROM OLD.estimated_minutes
            AND NEW.estimated_hours IS DISTINCT FROM OLD.estimated_hours THEN
            NEW.estimated_minutes := NEW.estimated_hours * 60;
        END IF;
        IF NEW.actual_minutes IS NOT DISTINCT FROM OLD.actual_minutes
            AND NEW.actual_hours IS DISTINCT FROM OLD.actual_hours THEN
            NEW.actual_minutes := NEW.actual_hours * 60;
        END IF;
    END IF;
    NEW.estimated_hours := (NEW.estimated_minutes + 59) / 60;
    NEW.actual_hours := (NEW.actual_minutes + 59) / 60;
    broken_rule := CASE
        WHEN NEW.number NOT BETWEEN 1 AND 999999999999 THEN 'chk_task_number'
        -- A rank without a fraction is the task's own number: so an imported rank never collides with that of a new task.
        WHEN NEW.rank <> initial_rank(NEW.number)
            AND NEW.rank !~ '^[0-9]{12}[0-9A-Za-z]{0,51}[1-9A-Za-z]$' THEN 'chk_task_rank'
        WHEN NEW.estimated_minutes NOT BETWEEN 1 AND 60000000 THEN 'chk_estimated_minutes'
        WHEN NEW.actual_minutes NOT BETWEEN 1 AND 60000000 THEN 'chk_actual_minutes'
        WHEN NEW.manually_blocked AND NEW.status <> 'blocked' THEN 'chk_manually_blocked'
        WHEN NEW.start_date > NEW.due_date THEN 'chk_start_date'
    END;
    IF broken_rule IS NOT NULL THEN
        RAISE EXCEPTION 'a task must not have these values' USING ERRCODE = 'check_violation', CONSTRAINT = broken_rule;
    END IF;
    RETURN NEW;
END
$$;
-- Triggers fire by name: these after those that check the parent and the status.
CREATE TRIGGER tasks_validate_new_trigger BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION validate_task();
CREATE TRIGGER tasks_validate_trigger
    BEFORE UPDATE OF number, rank, manually_blocked, estimated_hours, actual_hours, estimated_minutes, actual_minutes,
        start_date, due_date
    ON tasks FOR EACH ROW EXECUTE FUNCTION validate_task();

-- The key of a project, for any caller; the caller has been shown a task of it.
CREATE FUNCTION project_key(project uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    RETURN (SELECT a.key FROM project_access a WHERE a.project_id = project);
END
$$;

-- The project of a task's key, like `DAF-42`, for any caller. If two projects have the same key, one of them has another
-- by now; the newer state is more likely right.
CREATE FUNCTION project_of_task_key(task_key text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT a.project_id FROM project_access a WHERE a.key = split_part(task_key, '-', 1) AND NOT a.deleted
    ORDER BY a.revision DESC, a.project_id LIMIT 1
$$;

-- The task with this key, like `daf-42`, for any caller. NULL for a text that is no key.
CREATE FUNCTION task_of_key(task_key text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT t.id FROM regexp_match(upper(task_key), '^\s*([A-Z][A-Z0-9]{1,9})-([1-9][0-9]{0,11})\s*$') AS k(part)
    JOIN tasks t ON t.project_id = project_of_task_key(k.part[1]) AND t.number = k.part[2]::bigint
$$;

-- Order

-- The digits of fractions, in the order of the "C" collation.
CREATE FUNCTION rank_digits() RETURNS text
LANGUAGE sql IMMUTABLE RETURN '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

-- The longest rank, in characters.
CREATE FUNCTION max_rank_length() RETURNS integer
LANGUAGE sql IMMUTABLE RETURN 64;

-- A fraction between two fractions, read as digits behind the point; '' is zero, NULL is one.
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

-- Locks the order of the task's project until the transaction ends, so that a move sees the neighbours that the move
-- before it left.
CREATE FUNCTION lock_task_order(task_uuid uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock(hashtextextended('order ' || project_id, 0)) FROM tasks WHERE id = task_uuid;
END;

-- Spreads the fractions behind the same twelve digits evenly once one is too long: four digits and a last one that is
-- not 0. Ranks are unique at all times, so each task first gets its new rank with its own id behind it.
CREATE FUNCTION rebalance_ranks(project uuid, digits text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    rank_length CONSTANT integer := 17;
    task_ids uuid[];
BEGIN
    SELECT array_agg(t.id ORDER BY t.rank) INTO task_ids FROM tasks t
    WHERE t.project_id = project AND t.rank > digits AND t.rank < digits || '~';
    PERFORM 1 FROM tasks t WHERE t.id = ANY (task_ids) ORDER BY t.id FOR NO KEY UPDATE;
    UPDATE tasks t
    SET rank = digits || (
        SELECT string_agg(substr(rank_digits(), (c.place / power(62, exponent)::bigint % 62)::integer + 1, 1), ''
            ORDER BY exponent DESC) FROM generate_series(0, 3) exponent) || 'V' || replace(t.id::text, '-', '') || 'V'
    FROM (SELECT u.id, u.place * 14776336 / (1 + cardinality(task_ids)) AS place
          FROM unnest(task_ids) WITH ORDINALITY u(id, place)) c
    WHERE c.id = t.id;
    UPDATE tasks t SET rank = left(t.rank, rank_length) WHERE t.id = ANY (task_ids);
END
$$;

-- The rank right behind a task of the same project, or right before it. Call `ensure_rank_space` first in the
-- transaction: it locks the order and makes sure that the rank is not too long.
CREATE FUNCTION rank_beside(moving uuid, anchor uuid, behind boolean) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    beside_project uuid;
    beside_rank text;
    low text;
    high text;
BEGIN
    SELECT t.project_id, t.rank INTO STRICT beside_project, beside_rank FROM tasks t WHERE t.id = anchor;
    IF behind THEN
        low := beside_rank;
        SELECT min(t.rank) INTO high FROM tasks t
        WHERE t.project_id = beside_project AND t.rank > low AND t.id <> moving;
    ELSE
        high := beside_rank;
        SELECT coalesce(max(t.rank), initial_rank(0)) INTO low FROM tasks t
        WHERE t.project_id = beside_project AND t.rank < high AND t.id <> moving;
    END IF;
    RETURN left(low, 12) || fraction_between(substr(low, 13),
        CASE WHEN left(high, 12) = left(low, 12) THEN substr(high, 13) END);
END
$$;

-- Locks the order and spreads the ranks around a task if there is no room beside it, before any row is locked.
-- Spreading locks many tasks, so it locks the graph first.
CREATE FUNCTION ensure_rank_space(moving uuid, anchor uuid, behind boolean) RETURNS void
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
    PERFORM lock_task_order(anchor);
    found := rank_beside(moving, anchor, behind);
    IF length(found) > max_rank_length() THEN
        PERFORM pg_advisory_xact_lock(dependency_graph_lock_key());
        PERFORM rebalance_ranks(project, left(found, 12));
    END IF;
END
$$;

-- Change log

-- The projects of tasks, for any caller: the service needs them to find out whether its copy of that project's access
-- is recent enough.
CREATE FUNCTION project_of_task(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT t.project_id FROM tasks t WHERE t.id = task_uuid
$$;
-- Also of a deleted task, as long as the log holds it.
CREATE FUNCTION project_of_logged_task(task_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT coalesce(
        (SELECT t.project_id FROM tasks t WHERE t.id = task_uuid),
        (SELECT l.project_id FROM change_log l WHERE l.entity = 'tasks' AND l.entity_id = task_uuid
         ORDER BY l.position DESC LIMIT 1))
$$;

-- Writes the change log and the words for the search. Runs as the owner: a role that may change a row may not write,
-- read or skip the log.
CREATE FUNCTION record_task_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO change_log (entity, entity_id, project_id, operation, new_values, actor_id, trace_id)
        VALUES ('tasks', NEW.id, NEW.project_id, 'insert', to_jsonb(NEW), current_user_id(),
            nullif(current_setting('app.trace_id', true), ''));
        INSERT INTO task_search (task_id, project_id, search_vector)
        VALUES (NEW.id, NEW.project_id, task_search_vector(NEW.id, NEW.title, NEW.description));
        RETURN NULL;
    END IF;
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES ('tasks', NEW.id, NEW.project_id, 'update', to_jsonb(OLD), to_jsonb(NEW), current_user_id(),
        nullif(current_setting('app.trace_id', true), ''));
    IF NEW.title <> OLD.title OR NEW.description IS DISTINCT FROM OLD.description THEN
        UPDATE task_search SET search_vector = task_search_vector(NEW.id, NEW.title, NEW.description)
        WHERE task_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tasks_change_trigger
    AFTER INSERT OR UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_task_change();

-- A deletion is logged before it cascades to the dependencies, because their log looks up the project here. The highest
-- number of a project is kept, so that no other task gets it.
CREATE FUNCTION record_task_deletion() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp SET enable_sort = off
AS $$
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, actor_id, trace_id)
    VALUES ('tasks', OLD.id, OLD.project_id, 'delete', to_jsonb(OLD), current_user_id(),
        nullif(current_setting('app.trace_id', true), ''));
    DELETE FROM task_search WHERE task_id = OLD.id;
    INSERT INTO task_counters AS c (project_id, last_number)
    SELECT n.project_id, n.last_number FROM last_task_numbers n
    WHERE n.project_id = OLD.project_id AND n.last_number = OLD.number
    ON CONFLICT (project_id) DO UPDATE SET last_number = greatest(c.last_number, excluded.last_number);
    RETURN OLD;
END
$$;
CREATE TRIGGER tasks_deletion_trigger
    BEFORE DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_task_deletion();

-- A dependency is logged under the project of its task. One between two projects is logged under both, each naming the
-- other project: only callers who see both may read it.
CREATE FUNCTION record_dependency_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    changed_row jsonb := coalesce(new_row, old_row);
    task_project uuid := project_of_logged_task((changed_row ->> 'task_id')::uuid);
    depends_on_project uuid := project_of_logged_task((changed_row ->> 'depends_on_task_id')::uuid);
    entry record;
BEGIN
    FOR entry IN
        SELECT task_project AS project_id, depends_on_project AS other UNION SELECT depends_on_project, task_project
    LOOP
        INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
        SELECT 'task_dependencies', (changed_row ->> 'id')::uuid, entry.project_id, lower(TG_OP),
            old_row || named.other, new_row || named.other, current_user_id(),
            nullif(current_setting('app.trace_id', true), '')
        FROM (SELECT CASE WHEN entry.other <> entry.project_id
            THEN jsonb_build_object('other_project_id', entry.other) ELSE '{}' END AS other) named;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_dependencies_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION record_dependency_change();

-- Milestones

CREATE TRIGGER milestones_updated_at_trigger BEFORE UPDATE ON milestones
    FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();

CREATE FUNCTION record_milestone_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES ('milestones', coalesce(NEW.id, OLD.id), coalesce(NEW.project_id, OLD.project_id), lower(TG_OP),
        to_jsonb(OLD), to_jsonb(NEW), current_user_id(), nullif(current_setting('app.trace_id', true), ''));
    RETURN NULL;
END
$$;
CREATE TRIGGER milestones_change_trigger AFTER INSERT OR UPDATE OR DELETE ON milestones
    FOR EACH ROW EXECUTE FUNCTION record_milestone_change();

-- The project of a milestone, for any caller; see `project_of_task`.
CREATE FUNCTION project_of_milestone(milestone_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT m.project_id FROM milestones m WHERE m.id = milestone_uuid
$$;

-- Time entries

-- Takes the project of the task, and locks the task before the new row, as all who change time entries do.
CREATE FUNCTION prepare_time_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    SELECT t.project_id INTO NEW.project_id FROM tasks t WHERE t.id = NEW.task_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the task is not there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'time_entries_task_id_fkey';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER time_entries_prepare_trigger BEFORE INSERT ON time_entries
    FOR EACH ROW EXECUTE FUNCTION prepare_time_entry();
CREATE TRIGGER time_entries_updated_at_trigger BEFORE UPDATE ON time_entries
    FOR EACH ROW EXECUTE FUNCTION audit_trigger_function();

-- Writes the change log, and adds what the task's time entries have become longer to its actual work. So work that was
-- set by hand stays. While `app.keep_dates` is on, the actual work of imported tasks includes their time already.
CREATE FUNCTION record_time_entry_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    max_minutes CONSTANT integer := 60000000;
    entry_task uuid := coalesce(NEW.task_id, OLD.task_id);
    is_import boolean := current_setting('app.keep_dates', true) IS NOT DISTINCT FROM 'on';
    tracked integer;
BEGIN
    INSERT INTO change_log (entity, entity_id, project_id, operation, old_values, new_values, actor_id, trace_id)
    VALUES ('time_entries', coalesce(NEW.id, OLD.id), coalesce(NEW.project_id, OLD.project_id), lower(TG_OP),
        to_jsonb(OLD), to_jsonb(NEW), current_user_id(), nullif(current_setting('app.trace_id', true), ''));
    PERFORM FROM tasks t WHERE t.id = entry_task FOR NO KEY UPDATE;
    SELECT CASE WHEN count(*) > 0 THEN
        least(ceil(sum(extract(epoch FROM e.ended_at - e.started_at)) / 60), max_minutes) END INTO tracked
    FROM time_entries e WHERE e.task_id = entry_task AND e.ended_at IS NOT NULL;
    UPDATE tasks t
    SET tracked_minutes = tracked, actual_minutes = CASE WHEN is_import THEN t.actual_minutes ELSE nullif(least(
        greatest(coalesce(t.actual_minutes, 0) + coalesce(tracked, 0) - coalesce(t.tracked_minutes, 0), 0),
        max_minutes), 0) END
    WHERE t.id = entry_task AND t.tracked_minutes IS DISTINCT FROM tracked;
    RETURN NULL;
END
$$;
CREATE TRIGGER time_entries_change_trigger AFTER INSERT OR UPDATE OR DELETE ON time_entries
    FOR EACH ROW EXECUTE FUNCTION record_time_entry_change();

-- The project of a time entry, for any caller; see `project_of_task`.
CREATE FUNCTION project_of_time_entry(entry_uuid uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT e.project_id FROM time_entries e WHERE e.id = entry_uuid
$$;

-- Ends the running time entries of users who are no members of a project any more: they could not, and could start no
-- other one.
CREATE FUNCTION stop_time_entries_of_others(project uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    running uuid[] := ARRAY(
        SELECT e.id FROM time_entries e
        WHERE e.project_id = project AND e.ended_at IS NULL AND NOT is_member(project, e.user_id));
BEGIN
    IF cardinality(running) = 0 THEN
        RETURN;
    END IF;
    PERFORM FROM tasks t WHERE t.id IN (SELECT e.task_id FROM time_entries e WHERE e.id = ANY (running))
    ORDER BY t.id FOR NO KEY UPDATE;
    UPDATE time_entries e SET ended_at = greatest(now(), e.started_at + interval '1 microsecond')
    WHERE e.id = ANY (running) AND e.ended_at IS NULL;
END
$$;

-- Plans and diagrams

-- The edges from these tasks to what they wait for, for any caller, and whether that is open. A parent waits for its
-- subtasks; `relates_to` and `duplicates` point like `blocks`.
CREATE FUNCTION outgoing_edges(task_ids uuid[])
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type, is_open boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT e.waiting, e.awaited, e.kind, t.status NOT IN ('done', 'cancelled')
    FROM (
        SELECT d.task_id AS waiting, d.depends_on_task_id AS awaited, d.dependency_type AS kind
        FROM task_dependencies d WHERE d.task_id = ANY (task_ids) AND d.dependency_type <> 'subtask_of'
        UNION
        SELECT d.depends_on_task_id, d.task_id, d.dependency_type
        FROM task_dependencies d WHERE d.depends_on_task_id = ANY (task_ids) AND d.dependency_type = 'subtask_of'
        UNION
        SELECT c.parent_task_id, c.id, 'subtask_of' FROM tasks c WHERE c.parent_task_id = ANY (task_ids)
    ) e JOIN tasks t ON t.id = e.awaited
$$;

-- The edges to these tasks from what waits for them.
CREATE FUNCTION incoming_edges(task_ids uuid[])
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT d.task_id, d.depends_on_task_id, d.dependency_type
    FROM task_dependencies d WHERE d.depends_on_task_id = ANY (task_ids) AND d.dependency_type <> 'subtask_of'
    UNION
    SELECT d.depends_on_task_id, d.task_id, d.dependency_type
    FROM task_dependencies d WHERE d.task_id = ANY (task_ids) AND d.dependency_type = 'subtask_of'
    UNION
    SELECT t.parent_task_id, t.id, 'subtask_of'
    FROM tasks t WHERE t.id = ANY (task_ids) AND t.parent_task_id IS NOT NULL
$$;

-- The edges around a task in one direction, level by level, at most `max_edges`. Runs as the caller: a task that they
-- may not read ends its branch. STABLE, so that all levels are read from one snapshot.
CREATE FUNCTION edges_around(
    origin uuid, towards_awaited boolean, kinds dependency_type[], depth integer, max_edges integer
) RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    seen uuid[] := ARRAY[origin];
    frontier uuid[] := ARRAY[origin];
    remaining integer := max_edges;
    found_waiting uuid[];
    found_awaited uuid[];
    found_kinds dependency_type[];
BEGIN
    FOR level IN 1 .. depth LOOP
        IF towards_awaited THEN
            SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
            INTO found_waiting, found_awaited, found_kinds
            FROM (SELECT a.* FROM outgoing_edges(frontier) a
                  WHERE a.kind = ANY (kinds) ORDER BY 1, 2, 3 LIMIT remaining) e;
        ELSE
            SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
            INTO found_waiting, found_awaited, found_kinds
            FROM (SELECT w.* FROM incoming_edges(frontier) w
                  WHERE w.kind = ANY (kinds) ORDER BY 1, 2, 3 LIMIT remaining) e;
        END IF;
        EXIT WHEN found_waiting IS NULL;
        RETURN QUERY SELECT * FROM unnest(found_waiting, found_awaited, found_kinds);
        remaining := remaining - cardinality(found_waiting);
        EXIT WHEN remaining = 0;
        SELECT array_agg(t.id) INTO frontier
        FROM readable_tasks(CASE WHEN towards_awaited THEN found_awaited ELSE found_waiting END) AS t(id)
        WHERE NOT EXISTS (SELECT 1 FROM unnest(seen) s(id) WHERE s.id = t.id);
        EXIT WHEN frontier IS NULL;
        seen := seen || frontier;
    END LOOP;
END
$$;

-- The edges between open tasks that matter for a project's plan, at most `max_edges`: from the project's tasks to what
-- they wait for, and on through other projects. Runs as the caller, like `edges_around`.
CREATE FUNCTION plan_edges(project uuid, max_edges integer)
RETURNS TABLE (waiting uuid, awaited uuid, kind dependency_type)
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    outside uuid[] := '{}';
    frontier uuid[];
    remaining integer := max_edges;
    found_waiting uuid[];
    found_awaited uuid[];
    found_kinds dependency_type[];
BEGIN
    SELECT array_agg(t.id) INTO frontier FROM tasks t
    WHERE t.project_id = project AND t.status NOT IN ('done', 'cancelled');
    WHILE frontier IS NOT NULL LOOP
        SELECT array_agg(e.waiting), array_agg(e.awaited), array_agg(e.kind)
        INTO found_waiting, found_awaited, found_kinds
        FROM (SELECT a.* FROM outgoing_edges(frontier) a
              WHERE a.is_open AND a.kind IN ('blocks', 'subtask_of') ORDER BY 1, 2, 3 LIMIT remaining) e;
        EXIT WHEN found_waiting IS NULL;
        RETURN QUERY SELECT * FROM unnest(found_waiting, found_awaited, found_kinds);
        remaining := remaining - cardinality(found_waiting);
        EXIT WHEN remaining = 0;
        SELECT array_agg(t.id) INTO frontier FROM readable_tasks(found_awaited) AS r(id) JOIN tasks t USING (id)
        WHERE t.project_id <> project AND NOT EXISTS (SELECT 1 FROM unnest(outside) o(id) WHERE o.id = t.id);
        outside := outside || frontier;
    END LOOP;
END
$$;

-- Search

-- English word forms, without a list of words that are left out: each word of a text can be found.
CREATE TEXT SEARCH DICTIONARY all_english_stem (TEMPLATE = snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION all_words (COPY = english);
ALTER TEXT SEARCH CONFIGURATION all_words
    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH all_english_stem;

-- The parts of words that punctuation joins: PostgreSQL takes `login/logout` for a path and `node.js` for a host, each
-- one word.
CREATE FUNCTION parts_of_joined_words(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(string_agg(regexp_replace(m[1], '[^[:alnum:]]+', ' ', 'g'), ' '), '')
    FROM regexp_matches(content, '([[:alnum:]]+(?:[^[:alnum:][:space:]]+[[:alnum:]]+)+)', 'g') m);

-- A text as its letters are compared: without accents, without the forms of letters that only look different, as `ﬁ`, and
-- without characters that take no room. Each sign of the scripts that write words without spaces, as Chinese, Japanese
-- and Thai, is a word.
CREATE FUNCTION folded_text(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(
    normalize(
        regexp_replace(
            replace(replace(normalize(content, NFKD), 'ß', 'ss'), 'ς', 'σ'),
            '[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u00ad\u200b-\u200d\u2060\ufeff]', '', 'g'),
        NFKC),
    '([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])',
    ' \1 ', 'g');

-- The words of a text, followed by the parts of those that punctuation joins and by the words as they are compared.
CREATE FUNCTION words_and_parts(content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    words tsvector := to_tsvector('task.all_words', content);
BEGIN
    IF content ~ '[[:alnum:]][^[:alnum:][:space:]]+[[:alnum:]]' THEN
        words := words || to_tsvector('task.all_words', task.parts_of_joined_words(content));
    END IF;
    IF content ~ '[^\x01-\x7f]' THEN
        words := words || to_tsvector('task.all_words', task.folded_text(content));
    END IF;
    RETURN words;
END
$$;

-- A task's id is a word of its vector, so that a search for the key finds the task whatever the key of its project is.
-- The title has the weight A, the description D. A description with more different words than a tsvector can hold
-- (1 MiB) is indexed by its beginning.
CREATE FUNCTION task_search_vector(id uuid, title text, description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    words tsvector := format('%L:1A', id)::tsvector || setweight(task.words_and_parts(title), 'A');
    kept integer := char_length(description);
BEGIN
    IF description IS NULL OR description = '' THEN
        RETURN words;
    END IF;
    LOOP
        BEGIN
            RETURN words || task.words_and_parts(left(description, kept));
        EXCEPTION WHEN program_limit_exceeded THEN
            kept := kept / 2;
        END;
    END LOOP;
END
$$;

-- The query of a text: web search syntax, or the key of a task. Frequent words, as `the`, narrow a search only if it
-- has no others. Words that punctuation joins are found as they are and by their parts. A text without any word is
-- rejected.
CREATE FUNCTION parse_search_query(query text) RETURNS tsquery
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    task_id uuid := task_of_key(query);
    words tsquery := websearch_to_tsquery('english', query);
BEGIN
    IF numnode(words) = 0 THEN
        words := websearch_to_tsquery('task.all_words', query);
    END IF;
    -- A condition that excludes words must not be weakened by an alternative.
    IF query !~ '"|(^|[[:space:]])-' THEN
        IF query ~ '[[:alnum:]][^[:alnum:][:space:]]+[[:alnum:]]' THEN
            words := words
                || websearch_to_tsquery('english', regexp_replace(query, '[^[:alnum:][:space:]]+', ' ', 'g'));
        END IF;
        IF query ~ '[^\x01-\x7f]' THEN
            words := words || websearch_to_tsquery('english', (
                -- The signs of a word without spaces in their sequence.
                SELECT string_agg(CASE lower(word) WHEN 'or' THEN word ELSE format('"%s"', folded_text(word)) END, ' ')
                FROM regexp_split_to_table(query, '[[:space:]]+') word));
        END IF;
    END IF;
    IF numnode(words) = 0 THEN
        RAISE EXCEPTION 'the text has no word to search for'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'search_query_has_words';
    END IF;
    RETURN CASE WHEN task_id IS NULL THEN words ELSE words || quote_literal(task_id)::tsquery END;
END
$$;

-- Lists

-- What each condition of a filter means. The function is neither SECURITY DEFINER nor has settings, so the planner
-- inlines it into the query around it: a condition that is NULL vanishes, each other may use its index. It names the
-- columns that lists are sorted by: a new column of `tasks` changes nothing here.
CREATE FUNCTION filter_tasks(f task_filter)
RETURNS TABLE (id uuid, project_id uuid, title varchar, priority task_priority, start_date timestamptz,
    due_date timestamptz, created_at timestamptz, updated_at timestamptz, number bigint, rank text)
LANGUAGE sql STABLE
AS $$
    SELECT t.id, t.project_id, t.title, t.priority, t.start_date, t.due_date, t.created_at, t.updated_at, t.number,
        t.rank
    FROM task.tasks t
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
        AND (f.milestone_ids IS NULL OR t.milestone_id = ANY (f.milestone_ids))
        AND (f.start_from IS NULL
            OR coalesce(t.start_date, 'infinity') >= f.start_from AND coalesce(t.start_date, 'infinity') < 'infinity')
        AND (f.start_before IS NULL OR coalesce(t.start_date, 'infinity') < f.start_before)
        AND (f.due_from IS NULL
            OR coalesce(t.due_date, 'infinity') >= f.due_from AND coalesce(t.due_date, 'infinity') < 'infinity')
        AND (f.due_before IS NULL OR coalesce(t.due_date, 'infinity') < f.due_before)
        AND (f.created_from IS NULL OR t.created_at >= f.created_from)
        AND (f.created_before IS NULL OR t.created_at < f.created_before)
        AND (f.updated_from IS NULL OR t.updated_at >= f.updated_from)
        AND (f.updated_before IS NULL OR t.updated_at < f.updated_before)
        AND (f.completed_from IS NULL OR t.completed_at >= f.completed_from)
        AND (f.completed_before IS NULL OR t.completed_at < f.completed_before)
        AND (f.estimated_minutes_from IS NULL OR t.estimated_minutes >= f.estimated_minutes_from)
        AND (f.estimated_minutes_to IS NULL OR t.estimated_minutes <= f.estimated_minutes_to)
        AND (f.actual_minutes_from IS NULL OR t.actual_minutes >= f.actual_minutes_from)
        AND (f.actual_minutes_to IS NULL OR t.actual_minutes <= f.actual_minutes_to)
        AND (f.is_overdue IS NOT TRUE
            OR coalesce(t.due_date, 'infinity') < now() AND t.status NOT IN ('done', 'cancelled'))
        AND (f.metadata IS NULL OR t.metadata @> f.metadata)
$$;

-- The projects whose tasks the caller may read: what the policies ask, and the permission `task_read`, which a member may
-- have lost.
CREATE VIEW readable_project_access AS
    SELECT a.project_id
    FROM project_access a
    LEFT JOIN project_access_members m ON m.project_id = a.project_id AND m.user_id = current_user_id()
    WHERE NOT a.deleted
        AND current_user_id() IS NOT NULL
        AND (a.visibility = 'public'
            OR (a.visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
            OR m.user_id IS NOT NULL)
        AND (m.permissions -> 'task_read') IS DISTINCT FROM 'false'::jsonb;

-- Those of these projects, or of all if NULL, whose tasks the caller may read.
CREATE FUNCTION readable_projects(project_ids uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    IF project_ids IS NOT NULL THEN
        RETURN ARRAY(SELECT r.project_id FROM readable_project_access r WHERE r.project_id = ANY (project_ids));
    END IF;
    RETURN ARRAY(
        SELECT r.project_id FROM readable_project_access r
        WHERE r.project_id IN (
            SELECT o.project_id FROM project_access o WHERE o.visibility <> 'private'
            UNION ALL
            SELECT o.project_id FROM project_access_members o WHERE o.user_id = current_user_id()));
END
$$;

-- Those of these tasks that the caller may read.
CREATE FUNCTION readable_tasks(task_ids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    projects uuid[] := readable_projects(ARRAY(SELECT DISTINCT t.project_id FROM tasks t WHERE t.id = ANY (task_ids)));
BEGIN
    RETURN QUERY SELECT t.id FROM tasks t WHERE t.id = ANY (task_ids) AND t.project_id = ANY (projects);
END
$$;

-- The descendants of a task in these projects; more than `max_tasks` are refused.
CREATE FUNCTION descendant_task_ids(ancestor uuid, projects uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SET search_path = task, pg_temp
AS $$
DECLARE
    max_tasks CONSTANT integer := 10000;
    below uuid[] := '{}';
    frontier uuid[] := ARRAY[ancestor];
BEGIN
    LOOP
        frontier := ARRAY(
            SELECT t.id FROM tasks t
            WHERE t.parent_task_id = ANY (frontier) AND t.project_id = ANY (projects) LIMIT max_tasks + 1);
        EXIT WHEN cardinality(frontier) = 0;
        below := below || frontier;
        IF cardinality(below) > max_tasks THEN
            RAISE EXCEPTION 'more than % tasks are below this one', max_tasks
                USING ERRCODE = 'check_violation', CONSTRAINT = 'subtree_size_limit';
        END IF;
    END LOOP;
    RETURN below;
END
$$;

-- The ids of up to `max_tasks` tasks that pass a filter and that the caller may read. `ordering` is `created`,
-- `updated`, `rank`, `priority`, `start`, `due`, `title`, `number`, or NULL for none; a page starts after the task with the key
-- `after_key` in that order and the id `after_id`.
--
-- Under row-level security PostgreSQL uses no index for conditions on status, priority, tags, words or metadata,
-- because their operators are not leakproof. So this function reads as the owner, checks access once per project, and
-- returns only ids: the caller reads the rows under the policies. The SQL is built from the constants below;
-- values are parameters. Each call is planned for its values, so that rare and frequent values and small and large
-- projects get their own plans.
CREATE FUNCTION find_tasks(
    filter jsonb, ordering text, descending boolean, after_key text, after_id uuid, max_tasks integer
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = task, pg_temp
AS $$
DECLARE
    f task_filter := jsonb_populate_record(NULL::task_filter, filter);
    projects uuid[] := readable_projects(f.project_ids);
    descendants uuid[] := CASE WHEN f.ancestor_task_id IS NOT NULL
        THEN descendant_task_ids(f.ancestor_task_id, projects) END;
    words tsquery := CASE WHEN f.search_text IS NOT NULL THEN parse_search_query(f.search_text) END;
    is_plain boolean := NOT EXISTS (
        SELECT 1 FROM jsonb_each(filter) e WHERE e.key <> 'project_ids' AND e.value NOT IN ('null', 'false'));
    sort_key text := CASE ordering
        WHEN 'created' THEN 't.created_at' WHEN 'updated' THEN 't.updated_at' WHEN 'rank' THEN 't.rank'
        WHEN 'priority' THEN 't.priority' WHEN 'start' THEN 'coalesce(t.start_date, ''infinity'')'
        WHEN 'due' THEN 'coalesce(t.due_date, ''infinity'')'
        WHEN 'title' THEN 'lower(t.title)' WHEN 'number' THEN 't.number' END;
    after_value text := CASE ordering
        WHEN 'rank' THEN '$5' WHEN 'priority' THEN '$5::task_priority' WHEN 'title' THEN 'lower($5)'
        WHEN 'number' THEN '$5::bigint' ELSE '$5::timestamptz' END;
    direction text := CASE WHEN descending THEN 'DESC' ELSE 'ASC' END;
    comparison text := CASE WHEN descending THEN '<' ELSE '>' END;
    source text := CASE WHEN is_plain THEN ' FROM tasks t' ELSE ' FROM filter_tasks($1) t' END
        || CASE WHEN f.search_text IS NULL THEN '' ELSE
            ' JOIN task_search s ON s.task_id = t.id AND s.search_vector @@ $7' END;
    project_condition text := CASE WHEN cardinality(projects) = 1 THEN ' WHERE t.project_id = $2[1]'
        ELSE ' WHERE t.project_id = ANY ($2)' END;
    conditions text := CASE WHEN descendants IS NULL THEN '' ELSE ' AND t.id = ANY ($3)' END
        || CASE WHEN after_id IS NULL THEN ''
            ELSE format(' AND (%s, t.id) %s (%s, $6)', sort_key, comparison, after_value) END;
    order_clause text := CASE WHEN sort_key IS NULL THEN ''
        ELSE format(' ORDER BY %s %s, t.id %2$s', sort_key, direction) END;
    query text := 'SELECT t.id' || source || project_condition || conditions || order_clause;
BEGIN
    IF NOT is_plain AND sort_key IS NOT NULL THEN
        -- Planned for 1,000 rows, but read only as far as needed. PostgreSQL overestimates rare values: for a small
        -- limit it would scan the index of the order past nearly all rows to find a handful.
        query := 'WITH found AS MATERIALIZED (' || query || ' LIMIT greatest($4, 1000)) SELECT id FROM found';
    ELSIF cardinality(projects) > 1 AND sort_key IS NOT NULL THEN
        -- The first of each project, and of these the first.
        query := 'SELECT t.id FROM unnest($2) p(id) CROSS JOIN LATERAL (SELECT t.id, t.project_id, t.title, t.priority, t.start_date, t.due_date, '
            || 't.created_at, t.updated_at, t.number, t.rank' || source
            || ' WHERE t.project_id = p.id' || conditions || order_clause || ' LIMIT $4) t' || order_clause;
    END IF;
    RETURN QUERY EXECUTE query || ' LIMIT $4'
        USING f, projects, descendants, max_tasks, after_key, after_id, words;
END
$$;

-- The rows of `tasks` as the service reads them.
CREATE VIEW task_rows WITH (security_invoker = true) AS
    SELECT t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, t.priority, t.assignee_id,
        t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags, t.metadata, t.created_at,
        t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, t.xmin AS version
    FROM tasks t;

-- The ids of a page of `list_project_tasks` in the orders by priority, dates and title: their comparisons are not
-- leakproof, so under row-level security no index would find the task that a page starts after.
CREATE FUNCTION list_project_task_ids(
    project uuid, ordering text, descending boolean, after_key text, after_id uuid, max_tasks integer
) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = task, pg_temp
SET enable_sort = off SET enable_incremental_sort = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    -- The first key of each order. No text is the last title.
    from_key text := coalesce(after_key, CASE ordering
        WHEN 'priority' THEN CASE WHEN descending THEN 'urgent' ELSE 'low' END
        WHEN 'title' THEN CASE WHEN NOT descending THEN '' END
        ELSE CASE WHEN descending THEN 'infinity' ELSE '-infinity' END END);
    from_time timestamptz := CASE WHEN ordering IN ('start', 'due') THEN from_key END;
    from_id uuid := coalesce(after_id, CASE WHEN descending THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        ELSE '00000000-0000-0000-0000-000000000000' END::uuid);
    -- Compared with 0: the first page has the tasks at its position, a later one only those behind it.
    from_side integer := CASE WHEN after_id IS NOT NULL THEN 0 WHEN descending THEN 1 ELSE -1 END;
BEGIN
    IF cardinality(readable_projects(ARRAY[project])) = 0 THEN
        RETURN;
    END IF;
    CASE concat(ordering, CASE WHEN descending THEN ' desc' ELSE ' asc' END)
    WHEN 'start desc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (coalesce(t.start_date, 'infinity'), t.id, 0) < (from_time, from_id, from_side)
            ORDER BY coalesce(t.start_date, 'infinity') DESC, t.id DESC LIMIT max_tasks;
    WHEN 'start asc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (coalesce(t.start_date, 'infinity'), t.id, 0) > (from_time, from_id, from_side)
            ORDER BY coalesce(t.start_date, 'infinity'), t.id LIMIT max_tasks;
    WHEN 'due desc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (coalesce(t.due_date, 'infinity'), t.id, 0) < (from_time, from_id, from_side)
            ORDER BY coalesce(t.due_date, 'infinity') DESC, t.id DESC LIMIT max_tasks;
    WHEN 'due asc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (coalesce(t.due_date, 'infinity'), t.id, 0) > (from_time, from_id, from_side)
            ORDER BY coalesce(t.due_date, 'infinity'), t.id LIMIT max_tasks;
    WHEN 'priority desc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (t.priority, t.id, 0) < (from_key::task_priority, from_id, from_side)
            ORDER BY t.priority DESC, t.id DESC LIMIT max_tasks;
    WHEN 'priority asc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (t.priority, t.id, 0) > (from_key::task_priority, from_id, from_side)
            ORDER BY t.priority, t.id LIMIT max_tasks;
    WHEN 'title desc' THEN
        IF from_key IS NULL THEN
            RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
                ORDER BY lower(t.title) DESC, t.id DESC LIMIT max_tasks;
        ELSE
            RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
                AND (lower(t.title), t.id) < (lower(from_key), from_id)
                ORDER BY lower(t.title) DESC, t.id DESC LIMIT max_tasks;
        END IF;
    WHEN 'title asc' THEN
        RETURN QUERY SELECT t.id FROM tasks t WHERE t.project_id = project
            AND (lower(t.title), t.id, 0) > (lower(from_key), from_id, from_side)
            ORDER BY lower(t.title), t.id LIMIT max_tasks;
    END CASE;
END
$$;

-- Up to `max_tasks` tasks of one project that the caller may read, in an order of `find_tasks`; a page starts after the
-- task with the key `after_key` in that order and the id `after_id`. Runs as the caller, under the policies.
--
-- Each order is a statement of its own, planned once for all projects. It walks the index of the order whatever the
-- statistics say, which lag behind an import: without sorts, no other plan is left. The first page has no task before
-- it and starts at the end of the index. Ranks and numbers are unique, and their indexes have no id.
CREATE FUNCTION list_project_tasks(
    project uuid, ordering text, descending boolean, after_key text, after_id uuid, max_tasks integer
) RETURNS SETOF task_rows
LANGUAGE plpgsql STABLE ROWS 50
SET enable_sort = off SET enable_incremental_sort = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    -- The first key of each order.
    from_key text := coalesce(after_key, CASE ordering
        WHEN 'rank' THEN CASE WHEN descending THEN '~' ELSE '' END
        WHEN 'number' THEN CASE WHEN descending THEN '1000000000000' ELSE '0' END
        ELSE CASE WHEN descending THEN 'infinity' ELSE '-infinity' END END);
    from_time timestamptz := CASE WHEN ordering IN ('created', 'updated') THEN from_key END;
    from_id uuid := coalesce(after_id, CASE WHEN descending THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
        ELSE '00000000-0000-0000-0000-000000000000' END::uuid);
    -- As in `list_project_task_ids`.
    from_side integer := CASE WHEN after_id IS NOT NULL THEN 0 WHEN descending THEN 1 ELSE -1 END;
BEGIN
    CASE concat(ordering, CASE WHEN descending THEN ' desc' ELSE ' asc' END)
    WHEN 'created desc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND (t.created_at, t.id, 0) < (from_time, from_id, from_side)
            ORDER BY t.created_at DESC, t.id DESC LIMIT max_tasks;
    WHEN 'created asc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND (t.created_at, t.id, 0) > (from_time, from_id, from_side)
            ORDER BY t.created_at, t.id LIMIT max_tasks;
    WHEN 'updated desc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND (t.updated_at, t.id, 0) < (from_time, from_id, from_side)
            ORDER BY t.updated_at DESC, t.id DESC LIMIT max_tasks;
    WHEN 'updated asc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND (t.updated_at, t.id, 0) > (from_time, from_id, from_side)
            ORDER BY t.updated_at, t.id LIMIT max_tasks;
    WHEN 'rank desc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND t.rank < from_key
            ORDER BY t.rank DESC LIMIT max_tasks;
    WHEN 'rank asc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND t.rank > from_key
            ORDER BY t.rank LIMIT max_tasks;
    WHEN 'number desc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND t.number < from_key::bigint
            ORDER BY t.number DESC LIMIT max_tasks;
    WHEN 'number asc' THEN
        RETURN QUERY SELECT t.* FROM task.task_rows t WHERE t.project_id = project
            AND t.number > from_key::bigint
            ORDER BY t.number LIMIT max_tasks;
    ELSE
        RETURN QUERY SELECT t.*
            FROM task.list_project_task_ids(project, ordering, descending, after_key, after_id, max_tasks)
                WITH ORDINALITY f(id, place) JOIN task.task_rows t ON t.id = f.id ORDER BY f.place;
    END CASE;
END
$$;

-- Project access

-- Whether a user is a member: an assignee must be one. A caller sees only their own membership.
CREATE FUNCTION is_member(project uuid, who uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = task, pg_temp
AS $$
    SELECT EXISTS (SELECT 1 FROM project_access_members m WHERE m.project_id = project AND m.user_id = who)
$$;

-- Deletes up to `max_tasks` tasks of deleted projects, and returns how many. Subtasks go before their parents, and
-- dependencies with their tasks, so the graph is locked first: for one small batch at a time.
CREATE FUNCTION purge_deleted_projects(max_tasks integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
DECLARE
    project uuid;
    leaves uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(dependency_graph_lock_key());
    SELECT p.project_id INTO project FROM projects_to_purge p ORDER BY p.project_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    leaves := ARRAY(
        SELECT t.id FROM tasks t
        WHERE t.project_id = project AND NOT EXISTS (SELECT 1 FROM tasks c WHERE c.parent_task_id = t.id)
        LIMIT max_tasks);
    PERFORM 1 FROM tasks t WHERE t.id = ANY (leaves) ORDER BY t.id FOR UPDATE;
    DELETE FROM tasks t WHERE t.id = ANY (leaves);
    IF cardinality(leaves) = 0 THEN
        DELETE FROM milestones m WHERE m.project_id = project;
        DELETE FROM projects_to_purge p WHERE p.project_id = project;
    END IF;
    -- One more than the tasks: the project is looked at again.
    RETURN cardinality(leaves) + 1;
END
$$;

-- Copies the states of projects, given as [{"project_id", "revision", "deleted", "visibility", "status", "key",
-- "members": [{"user_id", "role", "permissions"}]}], and skips those that are not newer. A deleted project is hidden at
-- once; its tasks are deleted afterwards by `purge_deleted_projects`.
CREATE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    FOR state IN SELECT value FROM jsonb_array_elements(states) ORDER BY value ->> 'project_id' LOOP
        INSERT INTO project_access AS a (project_id, revision, deleted, visibility, status, key)
        VALUES (
            (state ->> 'project_id')::uuid, (state ->> 'revision')::bigint, (state ->> 'deleted')::boolean,
            state ->> 'visibility', state ->> 'status', state ->> 'key'
        )
        ON CONFLICT (project_id) DO UPDATE
            SET revision = excluded.revision, deleted = excluded.deleted, visibility = excluded.visibility,
                status = excluded.status, key = excluded.key
            WHERE a.revision < excluded.revision;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM project_access_members WHERE project_id = (state ->> 'project_id')::uuid;
        INSERT INTO project_access_members (project_id, user_id, role, permissions)
        SELECT (state ->> 'project_id')::uuid, (m ->> 'user_id')::uuid, m ->> 'role', m -> 'permissions'
        FROM jsonb_array_elements(state -> 'members') m;
        PERFORM stop_time_entries_of_others((state ->> 'project_id')::uuid);
        IF (state ->> 'deleted')::boolean THEN
            -- After those that are being created, no task is.
            PERFORM pg_advisory_xact_lock(task_number_lock_key((state ->> 'project_id')::uuid, 0));
            DELETE FROM task_counters WHERE project_id = (state ->> 'project_id')::uuid;
            INSERT INTO projects_to_purge (project_id) VALUES ((state ->> 'project_id')::uuid) ON CONFLICT DO NOTHING;
        END IF;
    END LOOP;
END
$$;

-- Imports

-- Stores dependencies one by one, given as [{"line", "id", "task_id", "depends_on_task_id", "dependency_type",
-- "created_at"}], and returns the outcome of each. A refused one does not stop the others.
CREATE FUNCTION import_task_dependencies(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    item jsonb;
    violated text;
    detail text;
BEGIN
    FOR item IN SELECT value FROM jsonb_array_elements(items) LOOP
        line := (item ->> 'line')::bigint;
        reason := '';
        BEGIN
            INSERT INTO task_dependencies (id, task_id, depends_on_task_id, dependency_type, created_at)
            VALUES ((item ->> 'id')::uuid, (item ->> 'task_id')::uuid, (item ->> 'depends_on_task_id')::uuid,
                (item ->> 'dependency_type')::dependency_type, (item ->> 'created_at')::timestamptz)
            -- A pair has one dependency, and `relates_to` one for both directions.
            ON CONFLICT DO NOTHING;
            outcome := CASE WHEN FOUND THEN 'created' ELSE 'unchanged' END;
        EXCEPTION WHEN integrity_constraint_violation THEN
            GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL;
            outcome := 'refused';
            reason := CASE violated
                WHEN 'no_dependency_cycle' THEN 'would close a cycle' || coalesce(': ' || (
                    SELECT string_agg(t.title, ' -> ' ORDER BY p.step)
                    FROM unnest(string_to_array(detail, ',')::uuid[]) WITH ORDINALITY p(id, step)
                    JOIN tasks t USING (id)), '')
                WHEN 'chk_no_self_dependency' THEN 'a task cannot depend on itself'
                WHEN 'task_dependencies_task_id_fkey' THEN 'task_id names no task'
                WHEN 'task_dependencies_depends_on_task_id_fkey' THEN 'depends_on_task_id names no task'
                ELSE 'breaks the rule ' || violated
            END;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Stores milestones one by one, given as [{"line", "id", "project_id", "name", "description", "due_date", "created_at",
-- "updated_at"}], and returns the outcome of each.
CREATE FUNCTION import_milestones(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    item jsonb;
BEGIN
    FOR item IN SELECT value FROM jsonb_array_elements(items) ORDER BY (value ->> 'id')::uuid LOOP
        INSERT INTO milestones (id, project_id, name, description, due_date, created_at, updated_at)
        VALUES ((item ->> 'id')::uuid, (item ->> 'project_id')::uuid, item ->> 'name', item ->> 'description',
            (item ->> 'due_date')::timestamptz, (item ->> 'created_at')::timestamptz,
            (item ->> 'updated_at')::timestamptz)
        ON CONFLICT (id) DO NOTHING;
        line := (item ->> 'line')::bigint;
        outcome := CASE WHEN FOUND THEN 'created' ELSE 'unchanged' END;
        reason := '';
        RETURN NEXT;
    END LOOP;
END
$$;

-- Stores time entries one by one, given as [{"line", "id", "task_id", "user_id", "started_at", "ended_at", "note",
-- "created_at", "updated_at"}], and returns the outcome of each. A refused one does not stop the others.
CREATE FUNCTION import_time_entries(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    item jsonb;
    violated text;
BEGIN
    -- Tasks are locked in the order of their ids.
    FOR item IN
        SELECT value FROM jsonb_array_elements(items) ORDER BY (value ->> 'task_id')::uuid, (value ->> 'line')::bigint
    LOOP
        line := (item ->> 'line')::bigint;
        reason := '';
        BEGIN
            INSERT INTO time_entries (id, task_id, user_id, started_at, ended_at, note, created_at, updated_at)
            VALUES ((item ->> 'id')::uuid, (item ->> 'task_id')::uuid, (item ->> 'user_id')::uuid,
                (item ->> 'started_at')::timestamptz, (item ->> 'ended_at')::timestamptz, item ->> 'note',
                (item ->> 'created_at')::timestamptz, (item ->> 'updated_at')::timestamptz)
            ON CONFLICT (id) DO NOTHING;
            outcome := CASE WHEN FOUND THEN 'created' ELSE 'unchanged' END;
        EXCEPTION WHEN integrity_constraint_violation THEN
            GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
            outcome := 'refused';
            reason := CASE violated
                WHEN 'time_entries_task_id_fkey' THEN 'task_id names no task'
                WHEN 'idx_time_entries_running' THEN 'the user has another running time entry'
                ELSE 'breaks the rule ' || violated
            END;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Stores the last numbers of projects, given as [{"line", "project_id", "last_number"}], and returns the outcome of
-- each. A refused one does not stop the others. `last_number` only grows, so that no number is assigned twice.
CREATE FUNCTION import_task_counters(items jsonb)
RETURNS TABLE (line bigint, outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp SET enable_sort = off
AS $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT i.* FROM jsonb_to_recordset(items) AS i(line bigint, project_id uuid, last_number bigint)
        ORDER BY i.project_id, i.line
    LOOP
        line := item.line;
        reason := '';
        IF NOT EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = item.project_id AND NOT a.deleted) THEN
            outcome := 'refused';
            reason := 'project_id names no project';
            RETURN NEXT;
            CONTINUE;
        END IF;
        PERFORM pg_advisory_xact_lock(task_number_lock_key(item.project_id, 0));
        IF last_task_number(item.project_id) >= item.last_number THEN
            outcome := 'unchanged';
        ELSE
            outcome := 'created';
            INSERT INTO task_counters (project_id, last_number) VALUES (item.project_id, item.last_number)
            ON CONFLICT (project_id) DO UPDATE SET last_number = excluded.last_number;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Reads of single tasks by many callers in one call, each as a transaction of its own would see it: before a row is read,
-- its caller is set, and the policies decide for that caller. Not SECURITY DEFINER: the policies are those of the role
-- that calls. Columns are in the order in which the service reads them.
CREATE FUNCTION gather_tasks(callers uuid[], trace_ids text[], task_ids uuid[])
RETURNS TABLE (
    slot integer, access_project_id uuid, access_visibility text, access_status text, access_role text,
    access_permissions jsonb,
    id uuid, project_id uuid, parent_task_id uuid, title varchar, description text, status task_status,
    priority task_priority, assignee_id uuid, creator_id uuid, milestone_id uuid, start_date timestamptz,
    due_date timestamptz, estimated_minutes integer, actual_minutes integer, tags text[], metadata jsonb, created_at timestamptz, updated_at timestamptz,
    completed_at timestamptz, number bigint, rank text, manually_blocked boolean, project_key text, version xid)
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(callers) LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        RETURN QUERY
        SELECT i, a.project_id, a.visibility, a.status, m.role, m.permissions,
            t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, t.priority, t.assignee_id,
            t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags, t.metadata,
            t.created_at, t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, a.key, t.xmin
        FROM task.tasks t
        JOIN task.project_access a ON a.project_id = t.project_id
        LEFT JOIN task.project_access_members m ON m.project_id = t.project_id AND m.user_id = callers[i]
        WHERE t.id = task_ids[i];
    END LOOP;
END
$$;

-- Creates single tasks of many callers in one transaction, each under the policies of its caller. A creation is an object
-- with `task`, and `request_id` and `request_hash` if it may be retried. One that needs an answer of its own is left out:
-- of a caller who is not a member, with an assignee who is not one or a milestone that is not there, or whose request id was used. Request ids are claimed
-- in their order, so that two calls do not deadlock.
CREATE FUNCTION gather_created_tasks(callers uuid[], trace_ids text[], creations jsonb)
RETURNS TABLE (
    slot integer, access_project_id uuid, access_visibility text, access_status text, access_role text,
    access_permissions jsonb,
    id uuid, project_id uuid, parent_task_id uuid, title varchar, description text, status task_status,
    priority task_priority, assignee_id uuid, creator_id uuid, milestone_id uuid, start_date timestamptz,
    due_date timestamptz, estimated_minutes integer, actual_minutes integer, tags text[], metadata jsonb, created_at timestamptz, updated_at timestamptz,
    completed_at timestamptz, number bigint, rank text, manually_blocked boolean, project_key text, version xid)
LANGUAGE plpgsql
AS $$
DECLARE
    i integer;
    creation jsonb;
    new_task task.tasks;
    access record;
BEGIN
    FOR i, creation IN
        SELECT c.place, c.creation FROM jsonb_array_elements(creations) WITH ORDINALITY c(creation, place)
        ORDER BY c.creation ->> 'request_id', c.place
    LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        new_task := jsonb_populate_record(NULL::task.tasks, creation -> 'task');
        SELECT a.visibility, a.status, a.key, m.role, m.permissions INTO access
        FROM task.project_access a
        JOIN task.project_access_members m ON m.project_id = a.project_id AND m.user_id = callers[i]
        WHERE a.project_id = new_task.project_id;
        CONTINUE WHEN NOT FOUND
            OR new_task.assignee_id IS NOT NULL AND NOT task.is_member(new_task.project_id, new_task.assignee_id)
            OR new_task.milestone_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM task.milestones s
                WHERE s.id = new_task.milestone_id AND s.project_id = new_task.project_id);
        IF creation ? 'request_id' THEN
            INSERT INTO task.idempotency_keys (caller_id, method, request_id, request_hash, resource_id)
            VALUES (callers[i], 'CreateTask', (creation ->> 'request_id')::uuid,
                decode(creation ->> 'request_hash', 'hex'), new_task.id)
            ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
        END IF;
        RETURN QUERY
        WITH t AS (
            INSERT INTO task.tasks AS n (id, project_id, parent_task_id, title, description, status, priority,
                assignee_id, creator_id, milestone_id, start_date, due_date, estimated_minutes, actual_minutes, tags, metadata)
            VALUES (new_task.id, new_task.project_id, new_task.parent_task_id, new_task.title, new_task.description,
                new_task.status, new_task.priority, new_task.assignee_id, new_task.creator_id,
                new_task.milestone_id, new_task.start_date, new_task.due_date, new_task.estimated_minutes,
                new_task.actual_minutes, new_task.tags, new_task.metadata)
            RETURNING n.*, n.xmin AS version)
        SELECT i, t.project_id, access.visibility, access.status, access.role, access.permissions,
            t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, t.priority, t.assignee_id,
            t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags,
            t.metadata, t.created_at, t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, access.key, t.version
        FROM t;
    END LOOP;
END
$$;

-- Changes title, description, priority, due date and tags of single tasks, for many callers in one transaction, each under
-- the policies of its caller. An update is an object with `id`, `etag` and `change`. One that needs an answer of its own is
-- left out: of a caller who is not a member or may not read tasks, with an etag that is not current, of a task that another
-- transaction has locked or this one has changed (then its etag would not change again), or with a due date that the
-- task must not have.
CREATE FUNCTION gather_updated_tasks(callers uuid[], trace_ids text[], updates jsonb)
RETURNS TABLE (
    slot integer, access_project_id uuid, access_visibility text, access_status text, access_role text,
    access_permissions jsonb,
    id uuid, project_id uuid, parent_task_id uuid, title varchar, description text, status task_status,
    priority task_priority, assignee_id uuid, creator_id uuid, milestone_id uuid, start_date timestamptz,
    due_date timestamptz, estimated_minutes integer, actual_minutes integer, tags text[], metadata jsonb, created_at timestamptz, updated_at timestamptz,
    completed_at timestamptz, number bigint, rank text, manually_blocked boolean, project_key text, version xid)
LANGUAGE plpgsql
AS $$
DECLARE
    i integer;
    item jsonb;
    present record;
    changed task.tasks;
    access record;
BEGIN
    FOR i, item IN
        SELECT u.place, u.item FROM jsonb_array_elements(updates) WITH ORDINALITY u(item, place)
        ORDER BY u.item ->> 'id', u.place
    LOOP
        PERFORM set_config('app.current_user_id', callers[i]::text, true), set_config('app.trace_id', trace_ids[i], true);
        SELECT t AS task, t.xmin AS version INTO present FROM task.tasks t WHERE t.id = (item ->> 'id')::uuid
        FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND OR present.version = pg_current_xact_id()::xid
            OR item ->> 'etag' NOT IN ('', format('"%s"', lpad(to_hex(present.version::text::bigint), 8, '0')));
        SELECT a.visibility, a.status, a.key, m.role, m.permissions INTO access
        FROM task.project_access a
        JOIN task.project_access_members m ON m.project_id = a.project_id AND m.user_id = callers[i]
        WHERE a.project_id = (present.task).project_id;
        changed := jsonb_populate_record(present.task, item -> 'change');
        CONTINUE WHEN access.role IS NULL OR access.permissions -> 'task_read' = 'false'::jsonb
            OR changed.due_date IS DISTINCT FROM (present.task).due_date AND changed.due_date <= (present.task).created_at
            OR changed.due_date < (present.task).start_date;
        RETURN QUERY
        UPDATE task.tasks AS t
        SET title = changed.title, description = changed.description, priority = changed.priority,
            due_date = changed.due_date, tags = changed.tags
        WHERE t.id = (present.task).id
        RETURNING i, t.project_id, access.visibility, access.status, access.role, access.permissions,
            t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, t.priority, t.assignee_id,
            t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags,
            t.metadata, t.created_at, t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, access.key, t.xmin;
    END LOOP;
END
$$;

-- == Row-level security ==

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
-- No policy: only the owner sees them.
ALTER TABLE table_sizes ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY change_log_worker_policy ON change_log FOR SELECT TO task_worker USING (TRUE);
CREATE POLICY idempotency_access_policy ON idempotency_keys FOR ALL TO application_role
    USING (caller_id = current_user_id());
CREATE POLICY idempotency_worker_policy ON idempotency_keys FOR ALL TO task_worker USING (TRUE);

ALTER TABLE project_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_access_members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_membership_policy ON project_access_members FOR SELECT TO application_role
    USING (user_id = current_user_id());
-- The projects that the caller may read. The policies of all other tables query this one.
CREATE POLICY project_access_policy ON project_access FOR SELECT TO application_role
    USING (
        NOT deleted
        AND current_user_id() IS NOT NULL
        AND (
            visibility = 'public'
            OR (visibility = 'internal' AND current_user_id() <> '00000000-0000-0000-0000-000000000000')
            OR EXISTS (SELECT 1 FROM project_access_members m
                       WHERE m.project_id = project_access.project_id AND m.user_id = current_user_id())
        )
    );
CREATE POLICY project_access_worker_policy ON project_access FOR ALL TO task_worker USING (TRUE);
CREATE POLICY membership_worker_policy ON project_access_members FOR ALL TO task_worker USING (TRUE);

ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_dependencies ENABLE ROW LEVEL SECURITY;
ALTER TABLE milestones ENABLE ROW LEVEL SECURITY;
ALTER TABLE time_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_search ENABLE ROW LEVEL SECURITY;
ALTER TABLE task_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE projects_to_purge ENABLE ROW LEVEL SECURITY;

-- Whoever may read a project sees its tasks; members change them.
CREATE POLICY task_access_policy ON tasks FOR SELECT TO application_role
    USING (CASE WHEN project_id = (SELECT current_project_id())
        THEN (SELECT EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = current_project_id()))
        ELSE EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = tasks.project_id) END);
CREATE POLICY task_insert_policy ON tasks FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_update_policy ON tasks FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_delete_policy ON tasks FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = tasks.project_id AND m.user_id = current_user_id()));
CREATE POLICY task_search_access_policy ON task_search FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = task_search.project_id));

-- A dependency is visible to callers who see the task that depends. The service leaves out the other task if they may not
-- read it. Adding one requires membership in both projects, removing one membership in the project of the dependent task.
CREATE POLICY dependency_access_policy ON task_dependencies FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id));
CREATE POLICY dependency_insert_policy ON task_dependencies FOR INSERT TO application_role
    WITH CHECK (
        EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                WHERE t.id = task_id AND m.user_id = current_user_id())
        AND EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                    WHERE t.id = depends_on_task_id AND m.user_id = current_user_id())
    );
CREATE POLICY dependency_delete_policy ON task_dependencies FOR DELETE TO application_role
    USING (
        EXISTS (SELECT 1 FROM tasks t JOIN project_access_members m USING (project_id)
                WHERE t.id = task_id AND m.user_id = current_user_id())
    );

-- Whoever may read a project sees its milestones; members change them.
CREATE POLICY milestone_access_policy ON milestones FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = milestones.project_id));
CREATE POLICY milestone_insert_policy ON milestones FOR INSERT TO application_role
    WITH CHECK (EXISTS (SELECT 1 FROM project_access_members m
                        WHERE m.project_id = milestones.project_id AND m.user_id = current_user_id()));
CREATE POLICY milestone_update_policy ON milestones FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = milestones.project_id AND m.user_id = current_user_id()));
CREATE POLICY milestone_delete_policy ON milestones FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = milestones.project_id AND m.user_id = current_user_id()));

-- Whoever may read a project sees its time entries. Members write their own; admins, and members with the permission,
-- change those of others.
CREATE POLICY time_entry_access_policy ON time_entries FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = time_entries.project_id));
CREATE POLICY time_entry_insert_policy ON time_entries FOR INSERT TO application_role
    WITH CHECK (user_id = current_user_id()
        AND EXISTS (SELECT 1 FROM project_access_members m
                    WHERE m.project_id = time_entries.project_id AND m.user_id = current_user_id()));
CREATE POLICY time_entry_update_policy ON time_entries FOR UPDATE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = time_entries.project_id AND m.user_id = current_user_id()
                       AND (m.user_id = time_entries.user_id OR m.role IN ('owner', 'admin')
                           OR m.permissions -> 'time_manage' = 'true')));
CREATE POLICY time_entry_delete_policy ON time_entries FOR DELETE TO application_role
    USING (EXISTS (SELECT 1 FROM project_access_members m
                   WHERE m.project_id = time_entries.project_id AND m.user_id = current_user_id()
                       AND (m.user_id = time_entries.user_id OR m.role IN ('owner', 'admin')
                           OR m.permissions -> 'time_manage' = 'true')));

-- Callers who may read a project read its changes; a change of a dependency between two projects requires access to
-- both.
CREATE POLICY change_log_access_policy ON change_log FOR SELECT TO application_role
    USING (
        EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = change_log.project_id)
        AND (
            entity <> 'task_dependencies'
            OR coalesce(new_values, old_values) ->> 'other_project_id' IS NULL
            OR EXISTS (SELECT 1 FROM project_access a
                       WHERE a.project_id = (coalesce(new_values, old_values) ->> 'other_project_id')::uuid)
        )
    );

CREATE POLICY task_worker_policy ON tasks FOR ALL TO task_worker USING (TRUE);
CREATE POLICY milestone_worker_policy ON milestones FOR ALL TO task_worker USING (TRUE);
CREATE POLICY time_entry_worker_policy ON time_entries FOR ALL TO task_worker USING (TRUE);
CREATE POLICY dependency_worker_policy ON task_dependencies FOR ALL TO task_worker USING (TRUE);
CREATE POLICY task_counter_worker_policy ON task_counters FOR ALL TO task_worker USING (TRUE);
CREATE POLICY project_to_purge_worker_policy ON projects_to_purge FOR ALL TO task_worker USING (TRUE);

-- == Grants ==

-- By default PostgreSQL lets everybody execute a function.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA task FROM PUBLIC;
GRANT USAGE ON SCHEMA task TO task_service, task_worker;
GRANT EXECUTE ON FUNCTION current_user_id() TO task_service, task_worker;
GRANT EXECUTE ON FUNCTION current_project_id() TO task_service;
GRANT SELECT, INSERT ON idempotency_keys TO task_service;
GRANT SELECT, DELETE ON idempotency_keys TO task_worker;
GRANT SELECT ON change_log, change_log_horizon TO task_worker;
GRANT EXECUTE ON FUNCTION trim_change_log(interval, integer), maintenance_status() TO task_worker;

GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO task_service;
GRANT SELECT, INSERT, DELETE ON task_dependencies TO task_service;
GRANT SELECT, INSERT, DELETE, UPDATE (name, description, due_date) ON milestones TO task_service;
GRANT SELECT, INSERT, DELETE, UPDATE (started_at, ended_at, note) ON time_entries TO task_service;
GRANT SELECT ON task_rows, task_search, project_access, project_access_members, change_log, change_log_horizon
    TO task_service;
GRANT EXECUTE ON FUNCTION dependency_graph_lock_key(), lock_dependency_graph(uuid, boolean), complete_task(uuid),
    allocate_task_numbers(uuid[], bigint[]), rank_beside(uuid, uuid, boolean), ensure_rank_space(uuid, uuid, boolean),
    project_key(uuid), project_of_task_key(text), task_of_key(text), project_of_task(uuid),
    project_of_logged_task(uuid), readable_tasks(uuid[]), announce_status_changes(uuid[], uuid[]), outgoing_edges(uuid[]), incoming_edges(uuid[]),
    edges_around(uuid, boolean, dependency_type[], integer, integer), plan_edges(uuid, integer),
    folded_text(text), parse_search_query(text), find_tasks(jsonb, text, boolean, text, uuid, integer),
    list_project_tasks(uuid, text, boolean, text, uuid, integer),
    list_project_task_ids(uuid, text, boolean, text, uuid, integer),
    project_of_milestone(uuid), project_of_time_entry(uuid),
    is_member(uuid, uuid), gather_tasks(uuid[], text[], uuid[]), gather_created_tasks(uuid[], text[], jsonb),
    gather_updated_tasks(uuid[], text[], jsonb) TO task_service;

-- The worker follows the project service and imports tasks.
GRANT SELECT, INSERT, DELETE ON tasks, task_dependencies TO task_worker;
GRANT SELECT, INSERT ON milestones, time_entries TO task_worker;
GRANT SELECT, DELETE ON task_counters TO task_worker;
GRANT SELECT ON last_task_numbers TO task_worker;
GRANT SELECT, INSERT ON projects_to_purge TO task_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON project_access, project_access_members, feed_positions TO task_worker;
GRANT EXECUTE ON FUNCTION dependency_graph_lock_key(), allocate_task_numbers(uuid[], bigint[]),
    task_number_lock_key(uuid, bigint), project_key(uuid), project_of_task_key(text),
    project_of_task(uuid), project_of_logged_task(uuid), purge_deleted_projects(integer), apply_project_access(jsonb), stop_time_entries_of_others(uuid),
    import_task_dependencies(jsonb), import_milestones(jsonb), import_time_entries(jsonb),
    project_of_milestone(uuid), project_of_time_entry(uuid),
    import_task_counters(jsonb) TO task_worker;
