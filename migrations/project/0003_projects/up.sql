-- Projects and their members, as the seed document has them.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = project;

CREATE TYPE project_status AS ENUM ('active', 'completed', 'archived', 'cancelled');
CREATE TYPE project_visibility AS ENUM ('private', 'internal', 'public');
CREATE TYPE project_role AS ENUM ('owner', 'admin', 'member', 'viewer');

-- owner_id and user_id name users of the identity service; see migrations/references.
CREATE TABLE projects (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    description TEXT,
    owner_id UUID NOT NULL,
    status project_status DEFAULT 'active' NOT NULL,
    visibility project_visibility DEFAULT 'private' NOT NULL,
    settings JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE
);

CREATE TABLE project_members (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id UUID NOT NULL CONSTRAINT fk_project_members_project_id REFERENCES projects(id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    role project_role DEFAULT 'member' NOT NULL,
    permissions JSONB DEFAULT '{}'::jsonb NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE DEFAULT NOW() NOT NULL,
    UNIQUE(project_id, user_id)
);

CREATE INDEX idx_projects_owner_id ON projects(owner_id);
CREATE INDEX idx_projects_status ON projects(status);
CREATE INDEX idx_projects_created_at ON projects(created_at);
CREATE INDEX idx_projects_settings_gin ON projects USING GIN (settings);
CREATE INDEX idx_project_settings_theme ON projects USING GIN ((settings->'theme'));
CREATE INDEX idx_project_members_project_role ON project_members(project_id, role);
-- "Which projects am I in" is asked by every list.
CREATE INDEX idx_project_members_user_id ON project_members(user_id);
-- A project has one owner, also under concurrency.
CREATE UNIQUE INDEX idx_project_members_one_owner ON project_members(project_id) WHERE role = 'owner';

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
CREATE TRIGGER projects_updated_at_trigger
    BEFORE UPDATE ON projects
    FOR EACH ROW WHEN (current_setting('app.keep_dates', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION audit_trigger_function();

CREATE TRIGGER projects_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON projects
    FOR EACH ROW EXECUTE FUNCTION record_change('id');
CREATE TRIGGER project_members_change_trigger
    AFTER INSERT OR UPDATE OR DELETE ON project_members
    FOR EACH ROW EXECUTE FUNCTION record_change('project_id');

-- The owner is a member from the first moment.
CREATE FUNCTION make_owner_member() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
BEGIN
    INSERT INTO project_members (project_id, user_id, role, joined_at)
    VALUES (NEW.id, NEW.owner_id, 'owner', NEW.created_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_owner_member_trigger
    AFTER INSERT ON projects FOR EACH ROW EXECUTE FUNCTION make_owner_member();

-- The revision of each project's access state. It outlives the project, so that a copy elsewhere can tell
-- that the project is gone from an older state in which it was not.
CREATE TABLE access_revisions (
    project_id UUID PRIMARY KEY,
    revision BIGINT NOT NULL
);

-- Counts up whenever somebody's access to a project may have changed. The row lock makes changes of one
-- project's access one after the other.
CREATE FUNCTION bump_access_revision() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = project, pg_temp
AS $$
DECLARE
    subject jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
    INSERT INTO access_revisions AS a (project_id, revision)
    VALUES ((subject ->> TG_ARGV[0])::uuid, 1)
    ON CONFLICT (project_id) DO UPDATE SET revision = a.revision + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER projects_access_trigger
    AFTER INSERT OR DELETE OR UPDATE OF visibility, status ON projects
    FOR EACH ROW EXECUTE FUNCTION bump_access_revision('id');
CREATE TRIGGER project_members_access_trigger
    AFTER INSERT OR DELETE OR UPDATE ON project_members
    FOR EACH ROW EXECUTE FUNCTION bump_access_revision('project_id');
