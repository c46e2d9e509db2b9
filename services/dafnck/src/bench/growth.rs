//! Growth: the same calls in a project of 1,000 tasks and in a large one, in turn.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use proto::task::v1 as task;
use proto::task::v1::TaskOrder;
use proto::task::v1::task_service_client::TaskServiceClient;
use shared::database;

use super::figure::{Figure, median, milliseconds};
use super::suite::{BenchSuite, Fixtures, fixture_task};
use crate::paths::DATABASE;

const SMALL: u32 = 1_000;
/// Calls of each kind in each project.
const REPEATS: usize = 30;
/// A number in the title of one task of each project.
const RARE_WORD: &str = "777";

/// A call in a project.
#[derive(Clone, Copy)]
enum GrowthCall {
    List(TaskOrder),
    Search,
    Create,
}

/// For each call, its time in the large project and that as a part of the time in the small one.
pub(super) async fn measure(
    suite: &BenchSuite,
    fixtures: &Fixtures,
    large: u32,
) -> anyhow::Result<Vec<Figure>> {
    let mut projects = Vec::new();
    for tasks in [SMALL, large] {
        let project_id = suite.make_project(fixtures, &format!("{tasks} tasks")).await?;
        fill(suite, fixtures, &project_id, tasks).await?;
        projects.push(project_id);
    }
    let orders = (1..).map_while(|number| TaskOrder::try_from(number).ok());
    let calls = orders.map(GrowthCall::List).chain([GrowthCall::Search, GrowthCall::Create]);
    let mut figures = Vec::new();
    for call in calls {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..REPEATS {
            for (project_id, times) in projects.iter().zip(&mut times) {
                times.push(milliseconds(call.time(suite, fixtures, project_id).await?));
            }
        }
        let [small, grown] = times.map(|times| median(times).unwrap_or_default());
        let name = call.name();
        figures.push(Figure::new(format!("{name}, {large} tasks"), grown, "ms"));
        figures.push(Figure::new(format!("{name}, {large} tasks / {SMALL}"), grown / small, "times"));
    }
    Ok(figures)
}

impl GrowthCall {
    fn name(self) -> String {
        match self {
            Self::List(order) => format!("ListTasks {}", order.as_str_name()),
            Self::Search => "SearchTasks".to_owned(),
            Self::Create => "CreateTask".to_owned(),
        }
    }

    async fn time(
        self,
        suite: &BenchSuite,
        fixtures: &Fixtures,
        project_id: &str,
    ) -> anyhow::Result<Duration> {
        let mut client = TaskServiceClient::new(suite.services().task.next());
        let project_ids = vec![project_id.to_owned()];
        let filter = Some(task::TaskFilter { project_ids, ..Default::default() });
        let began = Instant::now();
        match self {
            Self::List(order) => {
                let request = task::ListTasksRequest { filter, order: order.into(), ..Default::default() };
                client.list_tasks(fixtures.request(request)).await?;
            }
            Self::Search => {
                let query = RARE_WORD.to_owned();
                let request = task::SearchTasksRequest { query, filter, ..Default::default() };
                client.search_tasks(fixtures.request(request)).await?;
            }
            Self::Create => {
                let new = task::Task { project_id: project_id.to_owned(), ..fixture_task("a new task") };
                let request = task::CreateTaskRequest { task: Some(new), ..Default::default() };
                client.create_task(fixtures.request(request)).await?;
            }
        }
        Ok(began.elapsed())
    }
}

/// Inserts tasks past the service and its change log: a million would take long.
async fn fill(suite: &BenchSuite, fixtures: &Fixtures, project_id: &str, tasks: u32) -> anyhow::Result<()> {
    let first = fixtures.task_ids.first().map_or("", String::as_str);
    let mut conn = database::connect(&suite.postgres().admin_url(DATABASE)).await?;
    conn.batch_execute(&format!(
        "BEGIN; SET LOCAL session_replication_role = replica; SET LOCAL search_path = task; \
         INSERT INTO tasks (id, project_id, title, description, status, priority, creator_id, due_date, tags, \
             created_at, updated_at, number, rank) \
         SELECT gen_random_uuid(), '{project_id}', 'task ' || i, t.description, 'pending', \
             (ARRAY['low', 'medium', 'high', 'urgent'])[1 + i % 4]::task_priority, t.creator_id, \
             CASE WHEN i % 3 = 0 THEN now() + i * interval '1 minute' END, t.tags, \
             now() - i * interval '1 second', now() - i * interval '1 second', i, initial_rank(i) \
         FROM generate_series(1, {tasks}) i, tasks t WHERE t.id = '{first}'; \
         INSERT INTO task_search (task_id, project_id, search_vector) \
         SELECT id, project_id, task_search_vector(id, title, description) FROM tasks \
         WHERE project_id = '{project_id}'; \
         COMMIT"
    ))
    .await?;
    for table in ["tasks", "task_search"] {
        conn.batch_execute(&format!("VACUUM ANALYZE task.{table}")).await?;
    }
    Ok(())
}
