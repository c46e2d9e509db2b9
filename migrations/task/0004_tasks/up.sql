-- Tasks and their dependencies, as the seed document has them.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

CREATE TYPE task_status AS ENUM ('pending', 'in_progress', 'review', 'done', 'cancelled', 'blocked');
CREATE TYPE task_priority AS ENUM ('low', 'medium', 'high', 'urgent');
CREATE TYPE dependency_type AS ENUM ('blocks', 'relates_to', 'duplicates', 'subtask_of');

-- project_id, assignee_id and creator_id name things of other services; see migrations/references.
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
    completed_at TIMESTAMP WITH TIME ZONE
);

CREATE TABLE task_dependencies (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    depends_on_task_id UUID NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    dependency_type dependency_type DEFAULT 'blocks' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    UNIQUE(task_id, depends_on_task_id)
);

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
-- The order of ListTasks: a page is one walk along this index.
CREATE INDEX idx_tasks_project_newest ON tasks(project_id, created_at DESC, id DESC);
-- "What depends on this task", and the cascade from tasks.
CREATE INDEX idx_task_dependencies_depends_on ON task_dependencies(depends_on_task_id);

ALTER TABLE tasks ADD CONSTRAINT chk_estimated_hours_positive
    CHECK (estimated_hours IS NULL OR estimated_hours > 0);
ALTER TABLE tasks ADD CONSTRAINT chk_actual_hours_positive
    CHECK (actual_hours IS NULL OR actual_hours > 0);
ALTER TABLE tasks ADD CONSTRAINT chk_due_date_future
    CHECK (due_date IS NULL OR due_date > created_at);
ALTER TABLE task_dependencies ADD CONSTRAINT chk_no_self_dependency
    CHECK (task_id != depends_on_task_id);

-- Generic audit trail function
CREATE FUNCTION audit_trigger_function() RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at = NOW();
        RETURN NEW;
    END IF;
    RETURN NULL;
END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER tasks_updated_at_trigger
    BEFORE UPDATE ON tasks
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER tasks_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON tasks
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');
CREATE TRIGGER task_dependencies_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION record_change('');
