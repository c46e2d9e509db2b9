SET LOCAL ROLE dafnck_owner;
SET LOCAL search_path = task;

DROP TRIGGER tasks_place_trigger ON tasks;
DROP FUNCTION project_of_task_key(text), set_project_key(uuid, text), rank_beside(uuid, uuid, boolean),
    enter_order(uuid), spread_ranks(uuid, text, uuid), fraction_between(text, text), rank_digits(), place_task(),
    take_task_numbers(uuid[], text[], bigint[]), make_project_key(uuid, text), project_key_stem(text);
ALTER TABLE tasks DROP COLUMN number, DROP COLUMN key, DROP COLUMN rank;
DROP FUNCTION first_rank(bigint);
DROP TABLE project_numbers;

CREATE OR REPLACE FUNCTION apply_project_access(states jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = task, pg_temp
AS $$
DECLARE
    state jsonb;
BEGIN
    FOR state IN SELECT value FROM jsonb_array_elements(states) ORDER BY value ->> 'project_id' LOOP
        INSERT INTO project_access AS a (project_id, revision, deleted, visibility, status)
        VALUES (
            (state ->> 'project_id')::uuid, (state ->> 'revision')::bigint, (state ->> 'deleted')::boolean,
            state ->> 'visibility', state ->> 'status'
        )
        ON CONFLICT (project_id) DO UPDATE
            SET revision = excluded.revision, deleted = excluded.deleted,
                visibility = excluded.visibility, status = excluded.status
            WHERE a.revision < excluded.revision;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM project_access_members WHERE project_id = (state ->> 'project_id')::uuid;
        INSERT INTO project_access_members (project_id, user_id, role, permissions)
        SELECT (state ->> 'project_id')::uuid, (m ->> 'user_id')::uuid, m ->> 'role', m -> 'permissions'
        FROM jsonb_array_elements(state -> 'members') m;
        IF (state ->> 'deleted')::boolean THEN
            DELETE FROM tasks WHERE project_id = (state ->> 'project_id')::uuid;
        END IF;
    END LOOP;
END
$$;
ALTER TABLE project_access DROP COLUMN name;
