//! Large projects, inserted past the service and its change log, so that a million tasks are feasible.

use diesel_async::SimpleAsyncConnection;
use proto::project::v1::Project;
use testkit::*;
use uuid::Uuid;

/// Fills a project and updates the statistics of the tables.
pub async fn fill(suite: &Suite, project: &Project, people: &[Uuid], count: usize) {
    insert_tasks(suite, project, people, count).await;
    for table in ["task.tasks", "task.task_search", "task.project_access"] {
        suite.execute(&format!("VACUUM ANALYZE {table}")).await;
    }
}

/// Inserts tasks that differ in every filter and order. Each has the tags `frequent` (every second),
/// `rare` (ten of all) and one of `t0` to `t99`, the word `common` in its description, a colour in its title, and a
/// number as a rare word; every seventh has a parent.
pub async fn insert_tasks(suite: &Suite, project: &Project, people: &[Uuid], count: usize) {
    let people = people.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let project = &project.id;
    let statements = format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL search_path = task; SELECT setseed(0.5);
         INSERT INTO tasks (id, project_id, title, description, status, priority, assignee_id, creator_id, start_date,
             due_date, estimated_minutes, actual_minutes, tags, metadata, created_at, updated_at, completed_at, number, rank)
         SELECT gen_random_uuid(), '{project}',
             (ARRAY['Red', 'blue', 'Green', 'white', 'Black'])[1 + i * 7 % 5] || ' ' || i || ' ' || md5(i::text),
             'common words ' || (SELECT string_agg('w' || (power(random(), 3) * 5000)::integer, ' ')
                 FROM generate_series(1, 20) WHERE i = i),
             s.status, (ARRAY['low', 'medium', 'high', 'urgent'])[1 + i / 7 % 4]::task_priority,
             CASE WHEN i % 10 > 0 THEN p.people[1 + i % cardinality(p.people)] END,
             p.people[1 + i % 3 % cardinality(p.people)],
             CASE WHEN i % 3 = 1 THEN now() + (random() * 200 - 150) * interval '1 day' END,
             CASE WHEN i % 3 = 0 THEN now() + (random() * 200 - 100) * interval '1 day' END,
             CASE WHEN i % 4 > 0 THEN 60 * (1 + i % 40) END, CASE WHEN i % 5 = 0 THEN 60 * (1 + i % 30) END,
             ARRAY['t' || i % 100] || CASE WHEN i % 2 = 0 THEN ARRAY['frequent'] ELSE '{{}}' END
                 || CASE WHEN i % greatest({count} / 10, 1) = 0 THEN ARRAY['rare'] ELSE '{{}}' END,
             jsonb_build_object('sprint', i % 200, 'origin', jsonb_build_object('id', i)),
             now() - interval '200 days' + i * interval '1 second',
             now() - interval '90 days' + i * interval '1 second' + random() * interval '1 day',
             CASE WHEN s.status = 'done' THEN now() - interval '90 days' + i * interval '2 seconds' END,
             i, initial_rank(i)
         FROM generate_series(1, {count}) i
         CROSS JOIN (SELECT ARRAY[{people}]::uuid[] AS people) p
         CROSS JOIN LATERAL (SELECT (CASE WHEN i % greatest({count} / 10, 1) = 1 THEN 'review'
             ELSE (ARRAY['pending', 'in_progress', 'done', 'cancelled', 'done', 'blocked'])[1 + i % 6] END
             )::task_status AS status) s;
         UPDATE tasks t SET parent_task_id = p.id FROM tasks p
         WHERE t.project_id = '{project}' AND p.project_id = '{project}' AND t.number % 7 = 0
             AND p.number = t.number / 7;
         INSERT INTO task_search (task_id, project_id, search_vector)
         SELECT id, project_id, task_search_vector(id, title, description) FROM tasks WHERE project_id = '{project}';
         COMMIT"
    );
    suite.admin_of(task::NAME).await.batch_execute(&statements).await.unwrap();
}
