-- Search over titles and descriptions.
SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

-- Tasks change while their words are gathered. From where in the log to look again.
SELECT set_config('app.words_since', pg_snapshot_xmin(pg_current_snapshot())::text, TRUE);

-- The words of a task, in a table of their own: a change of status or rank does not index the text anew, and nothing
-- that reads tasks carries the words along.
CREATE TABLE task_search (
    task_id UUID PRIMARY KEY,
    project_id UUID NOT NULL,
    words TSVECTOR NOT NULL
);

-- The task's key is one word (`daf-42`), and weighs as much as those of the title (A); those of the description weigh
-- less (D). A description with more different words than a tsvector can hold (1 MiB) is indexed by its beginning.
CREATE FUNCTION task_words(key text, title text, description text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept integer := char_length(description);
BEGIN
    LOOP
        BEGIN
            RETURN format('%L:1A', lower(key))::tsvector || setweight(to_tsvector('english', title), 'A')
                || to_tsvector('english', left(description, kept));
        EXCEPTION WHEN program_limit_exceeded THEN
            kept := kept / 2;
        END;
    END LOOP;
END
$$;

-- What a text asks for: as in a web search, or the task whose key it is.
CREATE FUNCTION asked_words(asked text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN asked ~* '^\s*[a-z][a-z0-9]{1,9}-[1-9][0-9]*\s*$'
    THEN websearch_to_tsquery('english', asked) || quote_literal(lower(btrim(asked)))::tsquery
    ELSE websearch_to_tsquery('english', asked) END;

-- Runs as the owner: nobody else writes the words.
CREATE FUNCTION index_task() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = task, pg_temp
AS $$
BEGIN
    INSERT INTO task_search (task_id, project_id, words)
    VALUES (NEW.id, NEW.project_id, task_words(NEW.key, NEW.title, coalesce(NEW.description, '')))
    ON CONFLICT (task_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END
$$;

INSERT INTO task_search (task_id, project_id, words)
SELECT id, project_id, task_words(key, title, coalesce(description, '')) FROM tasks;
CREATE INDEX idx_task_search_words ON task_search USING GIN (words);
CREATE INDEX idx_task_search_project_id ON task_search (project_id);

-- From here on, writers of tasks wait; what they wrote meanwhile is gathered once more.
CREATE TRIGGER tasks_words_trigger
    AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION index_task();
CREATE TRIGGER tasks_changed_words_trigger
    AFTER UPDATE OF title, description, key ON tasks
    FOR EACH ROW WHEN (
        (NEW.title, NEW.description, NEW.key) IS DISTINCT FROM (OLD.title, OLD.description, OLD.key)
    )
    EXECUTE FUNCTION index_task();
INSERT INTO task_search (task_id, project_id, words)
SELECT id, project_id, task_words(key, title, coalesce(description, '')) FROM tasks
WHERE id IN (SELECT l.entity_id FROM change_log l
             WHERE l.entity = 'tasks' AND l.transaction_id >= current_setting('app.words_since')::xid8)
ON CONFLICT (task_id) DO UPDATE SET words = excluded.words;
DELETE FROM task_search s
WHERE s.task_id IN (SELECT l.entity_id FROM change_log l
                    WHERE l.entity = 'tasks' AND l.transaction_id >= current_setting('app.words_since')::xid8)
    AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = s.task_id);
ALTER TABLE task_search
    ADD CONSTRAINT task_search_task_id_fkey FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

REVOKE EXECUTE ON FUNCTION index_task() FROM PUBLIC;

ALTER TABLE task_search ENABLE ROW LEVEL SECURITY;
CREATE POLICY task_search_access_policy ON task_search FOR SELECT TO application_role
    USING (EXISTS (SELECT 1 FROM project_access a WHERE a.project_id = task_search.project_id));
GRANT SELECT ON task_search TO task_service;
