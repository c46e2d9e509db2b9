//! A large project compared with a small one: list pages and new tasks cost the same in both.
//!
//! `DAFNCK_LARGE_PROJECT_TASKS=1000000 cargo test --release -p task -- large_project --nocapture` measures with a
//! million tasks and prints the time of each call.

use std::time::{Duration, Instant};

use diesel::sql_types::{Json, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use local_servers::suite::Role;
use proto::project::v1::Project;
use proto::task::v1 as pb;
use proto::task::v1::{TaskOrder, TaskPriority, TaskStatus};
use serde_json::Value;
use testkit::*;

use crate::bulk_rows::fill;
use crate::fixtures::*;

const SMALL: usize = 1_000;
/// Enough that a scan of all tasks shows, and few enough to insert in seconds.
const LARGE: usize = 20_000;
/// Repeats of each timed call; more when measuring.
const REPEATS: [usize; 2] = [3, 100];
/// Depth of the deep page, in tasks.
const DEEP: usize = 100_000;
/// Additional 8 KiB buffers that a list may touch in the large project, because its indexes are higher.
const MORE_BUFFERS: i64 = 60;

/// Each order, and the position in it as text.
pub const ORDERS: [(&str, &str); 8] = [
    ("created", "created_at::text"),
    ("updated", "updated_at::text"),
    ("rank", "rank"),
    ("priority", "priority::text"),
    ("start", "coalesce(start_date, 'infinity')::text"),
    ("due", "coalesce(due_date, 'infinity')::text"),
    ("title", "title"),
    ("number", "number::text"),
];

enum Call {
    List(pb::ListTasksRequest),
    Search(pb::SearchTasksRequest),
    Facets(pb::GetTaskFacetsRequest),
}

#[tokio::test]
async fn list_pages_and_new_tasks_of_a_large_project_cost_the_same() {
    let requested = std::env::var("DAFNCK_LARGE_PROJECT_TASKS").ok().map(|count| count.parse().unwrap());
    let repeats = REPEATS[usize::from(requested.is_some())];
    let count = requested.unwrap_or(LARGE);
    let Team { suite, olga, mia, vic, project, .. } = &team().await;
    let small = olga.project("small").await;
    let people = [olga.id, mia.id, vic.id];
    let start = Instant::now();
    fill(suite, project, &people, count).await;
    fill(suite, &small, &people, SMALL).await;
    eprintln!("{count} and {SMALL} tasks made in {:.1?}", start.elapsed());

    pages_cost_the_same(suite, olga, [project, &small]).await;
    creates_cost_the_same(suite, olga, [project, &small]).await;
    eprintln!("{:<28} {:>21} {:>21}", "p50 / p99", format!("{count} tasks"), format!("{SMALL} tasks"));
    for (name, call) in calls() {
        let [large, little] =
            [timed(olga, &call(project), repeats).await, timed(olga, &call(&small), repeats).await];
        eprintln!("{name:<28} {large:>21} {little:>21}");
    }
    for order in [TaskOrder::CreatedDesc, TaskOrder::TitleAsc] {
        let (depth, call) = deep(olga, project, order, count / 2).await;
        let large = timed(olga, &call, repeats).await;
        eprintln!("{:<28} {large:>21}", format!("{order:?}, after {depth}"));
    }
}

/// Counts the buffers that a page touches, for each order in both directions, from the start and from the middle.
async fn pages_cost_the_same(suite: &Suite, who: &Actor, projects: [&Project; 2]) {
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    conn.batch_execute(&format!("SET app.current_user_id = '{}'", who.id)).await.unwrap();
    for (order, key) in ORDERS {
        for descending in [false, true] {
            for middle in [false, true] {
                let mut costs = Vec::new();
                for project in projects {
                    let after =
                        if middle { middle_of(suite, project, key).await } else { "NULL, NULL".to_owned() };
                    let page = format!(
                        "task.list_project_tasks('{}', '{order}', {descending}, {after}, 51)",
                        project.id
                    );
                    // Warm-up: the first read fills caches.
                    buffers(&mut conn, &page).await;
                    costs.push(buffers(&mut conn, &page).await);
                }
                assert!(
                    costs[0] <= costs[1] + MORE_BUFFERS,
                    "{order}, descending {descending}, from the middle {middle}: {costs:?} buffers"
                );
            }
        }
    }
}

/// Counts the buffers that a new task touches, with the look for its number.
async fn creates_cost_the_same(suite: &Suite, who: &Actor, projects: [&Project; 2]) {
    let mut conn = suite.connect_as(Role::requests_of(task::NAME)).await;
    let mut costs = Vec::new();
    for project in projects {
        let insert = format!(
            "INSERT INTO task.tasks (project_id, title, creator_id) VALUES ('{}', 'x', '{}')",
            project.id, who.id
        );
        conn.batch_execute(&format!("BEGIN; SET LOCAL app.current_user_id = '{}'; {insert}", who.id))
            .await
            .unwrap();
        costs.push(buffers_of(&mut conn, &insert).await.0);
        conn.batch_execute("ROLLBACK").await.unwrap();
    }
    assert!(costs[1] > 0 && costs[0] <= costs[1] + MORE_BUFFERS, "create: {costs:?} buffers");
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = Json, column_name = "QUERY PLAN")]
    plan: Value,
}

#[derive(QueryableByName)]
struct Position {
    #[diesel(sql_type = Text)]
    position: String,
}

async fn buffers(conn: &mut AsyncPgConnection, rows: &str) -> i64 {
    let (buffers, found) = buffers_of(conn, &format!("SELECT * FROM {rows}")).await;
    assert!(found > 0.0, "{rows}");
    buffers
}

/// The buffers that a statement touches, and its rows.
async fn buffers_of(conn: &mut AsyncPgConnection, statement: &str) -> (i64, f64) {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let plan: Plan = sql_query(explain).get_result(conn).await.unwrap();
    let node = &plan.plan[0]["Plan"];
    let buffers = ["Shared Hit Blocks", "Shared Read Blocks"].map(|kind| node[kind].as_i64().unwrap());
    (buffers.iter().sum(), node["Actual Rows"].as_f64().unwrap())
}

/// The task in the middle of a project by number, as a position for `list_project_tasks`.
pub async fn middle_of(suite: &Suite, project: &Project, key: &str) -> String {
    let query = format!(
        "SELECT format('%L, %L', {key}, id) AS position FROM task.tasks WHERE project_id = '{0}' \
         AND number = (SELECT max(number) / 2 FROM task.tasks WHERE project_id = '{0}')",
        project.id
    );
    let found: Position = sql_query(query).get_result(&mut suite.admin_of(task::NAME).await).await.unwrap();
    found.position
}

/// The request for a page behind this many tasks.
async fn deep(who: &Actor, project: &Project, order: TaskOrder, depth: usize) -> (usize, Call) {
    let mut request = list(project, order, pb::TaskFilter::default());
    request.page_size = 1_000;
    let mut seen = 0;
    while seen < depth.min(DEEP) {
        let page = who.tasks().max_decoding_message_size(usize::MAX).list_tasks(request.clone()).await;
        let page = page.unwrap().into_inner();
        seen += page.tasks.len();
        request.page_token = page.next_page_token;
    }
    (seen, Call::List(pb::ListTasksRequest { page_size: 0, ..request }))
}

fn list(project: &Project, order: TaskOrder, filter: pb::TaskFilter) -> pb::ListTasksRequest {
    let filter = pb::TaskFilter { project_ids: vec![project.id.clone()], ..filter };
    pb::ListTasksRequest { order: order.into(), ..list_of(filter) }
}

type MakeCall = Box<dyn Fn(&Project) -> Call>;

fn calls() -> Vec<(String, MakeCall)> {
    let mut calls: Vec<(String, MakeCall)> = Vec::new();
    for order in (1..17).map(|number| TaskOrder::try_from(number).unwrap()) {
        let list = move |project: &Project| Call::List(list(project, order, pb::TaskFilter::default()));
        calls.push((format!("{order:?}"), Box::new(list)));
    }
    let tags = |tag: &str| vec![tag.to_owned()];
    for (name, filter) in [
        ("pending", pb::TaskFilter { ready: true, ..Default::default() }),
        ("in review (10 of all)", status(TaskStatus::Review)),
        ("urgent", pb::TaskFilter { priorities: vec![TaskPriority::Urgent.into()], ..Default::default() }),
        ("of nobody", pb::TaskFilter { unassigned: true, ..Default::default() }),
        ("a tag of half", pb::TaskFilter { all_tags: tags("frequent"), ..Default::default() }),
        ("a tag of a hundredth", pb::TaskFilter { all_tags: tags("t7"), ..Default::default() }),
        ("a tag of 10", pb::TaskFilter { all_tags: tags("rare"), ..Default::default() }),
        ("overdue", pb::TaskFilter { overdue: true, ..Default::default() }),
        ("metadata", pb::TaskFilter { metadata: Some(sprint(7)), ..Default::default() }),
        ("a rare word", text(&md5_of_four())),
        ("a frequent word", text("common")),
    ] {
        let list = move |project: &Project| Call::List(list(project, TaskOrder::CreatedDesc, filter.clone()));
        calls.push((format!("list, {name}"), Box::new(list)));
    }
    for (name, text) in [("a rare word", md5_of_four()), ("a frequent word", "common".to_owned())] {
        let search = move |project: &Project| {
            let filter = Some(in_project(project));
            Call::Search(pb::SearchTasksRequest { query: text.clone(), filter, ..Default::default() })
        };
        calls.push((format!("search, {name}"), Box::new(search)));
    }
    for (name, filter) in [("all", pb::TaskFilter::default()), ("pending", status(TaskStatus::Pending))] {
        let facets = move |project: &Project| {
            let filter = pb::TaskFilter { project_ids: vec![project.id.clone()], ..filter.clone() };
            Call::Facets(pb::GetTaskFacetsRequest { filter: Some(filter), max_values: 0 })
        };
        calls.push((format!("facets, {name}"), Box::new(facets)));
    }
    calls
}

fn status(status: TaskStatus) -> pb::TaskFilter {
    pb::TaskFilter { statuses: vec![status.into()], ..Default::default() }
}

fn text(text: &str) -> pb::TaskFilter {
    pb::TaskFilter { text: text.to_owned(), ..Default::default() }
}

/// A word that only the title of the fourth task has.
fn md5_of_four() -> String {
    "a87ff679a2f3e71d9181a67b7542122c".to_owned()
}

fn sprint(number: i32) -> prost_types::Struct {
    shared::json::to_struct(&serde_json::json!({"sprint": number}))
}

async fn timed(who: &Actor, call: &Call, repeats: usize) -> String {
    let mut times = Vec::with_capacity(repeats);
    for _ in 0..=repeats {
        let start = Instant::now();
        match call {
            Call::List(request) => drop(who.tasks().list_tasks(request.clone()).await.unwrap()),
            Call::Search(request) => drop(who.tasks().search_tasks(request.clone()).await.unwrap()),
            Call::Facets(request) => drop(who.tasks().get_task_facets(request.clone()).await.unwrap()),
        }
        times.push(start.elapsed());
    }
    // The first call finds cold caches.
    times.remove(0);
    times.sort();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    let at = |share: usize| milliseconds(times[(times.len() * share).div_ceil(100) - 1]);
    format!("{:.1} / {:.1} ms", at(50), at(99))
}
