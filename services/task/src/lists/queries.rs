//! SQL of lists. Rows are read under row-level security: those of a whole project along the index of their order, others by
//! the ids that `find_tasks` returns.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use shared::database::explain;
use shared::error::{Error, Result};
use shared::page::Page;

use super::{AfterTask, TaskFilter, TaskOrder};
use crate::constraints::FILTER_CONSTRAINTS;
use crate::tasks::queries::{COLUMNS, MAX_RESPONSE_BYTES, MESSAGE_BYTES, SizedTask, load_sized};

/// The ids that match a filter, in order: takes the first six parameters of a query.
pub(crate) const FIND_TASKS: &str = "task.find_tasks($1, $2, $3, $4, $5, $6)";

/// The arguments of [`FIND_TASKS`]. Without an order, in any order; without `after`, from the start.
pub(crate) struct TaskQuery<'a> {
    pub(crate) filter: &'a TaskFilter,
    pub(crate) order: Option<TaskOrder>,
    pub(crate) after: Option<&'a AfterTask>,
    pub(crate) most: i64,
}

/// A query with the parameters of [`FIND_TASKS`].
pub(crate) fn find_tasks_query<'q>(
    sql: impl Into<String>,
    wanted: &TaskQuery<'_>,
) -> Result<BoxedSqlQuery<'q, Pg, SqlQuery>> {
    let filter = serde_json::to_value(wanted.filter).map_err(Error::internal)?;
    Ok(bind_page(sql_query(sql).into_boxed().bind::<Jsonb, _>(filter), wanted))
}

/// Binds the parameters behind the first.
fn bind_page<'q>(
    query: BoxedSqlQuery<'q, Pg, SqlQuery>,
    wanted: &TaskQuery<'_>,
) -> BoxedSqlQuery<'q, Pg, SqlQuery> {
    query
        .bind::<Nullable<Text>, _>(wanted.order.map(|order| order.key.as_str()))
        .bind::<Bool, _>(wanted.order.is_some_and(|order| order.is_descending))
        .bind::<Nullable<Text>, _>(wanted.after.map(|after| after.key.clone()))
        .bind::<Nullable<SqlUuid>, _>(wanted.after.map(|after| after.id))
        .bind::<Integer, _>(i32::try_from(wanted.most).unwrap_or(i32::MAX))
}

/// A page of tasks, plus one if there are more. Ends early when the tasks before have filled a response.
pub(super) async fn list(
    conn: &AsyncPgConnection,
    filter: &TaskFilter,
    order: TaskOrder,
    page: &Page<AfterTask>,
) -> Result<Vec<SizedTask>> {
    let wanted = TaskQuery { filter, order: Some(order), after: page.after.as_ref(), most: page.size + 1 };
    let query = match filter.whole_project() {
        Some(project_id) => {
            let query = sql_query(page_of_project()).into_boxed();
            bind_page(query.bind::<SqlUuid, _>(project_id), &wanted)
        }
        None => find_tasks_query(page_of_found(), &wanted)?,
    };
    load_sized(conn, query).await.map_err(explain(FILTER_CONSTRAINTS))
}

/// The rows of the ids that a filter finds, in their order. `OFFSET 0` keeps the planner from computing the bytes of a row
/// twice.
fn page_of_found() -> String {
    format!(
        "SELECT * FROM (SELECT page.*, sum(own_bytes) OVER (ORDER BY place)::bigint AS bytes \
             FROM (SELECT {COLUMNS}, f.place, {MESSAGE_BYTES} AS own_bytes \
                 FROM {FIND_TASKS} WITH ORDINALITY f(id, place) JOIN task.tasks t ON t.id = f.id \
                     JOIN task.project_access a ON a.project_id = t.project_id OFFSET 0) page) sized \
         WHERE bytes - own_bytes <= {MAX_RESPONSE_BYTES} ORDER BY place"
    )
}

/// The rows of a whole project: takes the parameters of [`FIND_TASKS`], with the project in place of the filter. PostgreSQL
/// numbers the rows of a function, and sums over them, in their order; nothing is joined to them that could change it.
fn page_of_project() -> String {
    format!(
        "SELECT t.id, t.project_id, t.parent_task_id, t.title, t.description, t.status, t.priority, t.assignee_id, \
             t.creator_id, t.milestone_id, t.start_date, t.due_date, t.estimated_minutes, t.actual_minutes, t.tags, t.metadata, t.created_at, \
             t.updated_at, t.completed_at, t.number, t.rank, t.manually_blocked, \
             (SELECT task.project_key($1)) AS project_key, t.version, t.ordinality, t.own_bytes, t.bytes \
         FROM (SELECT t.*, sum(own_bytes) OVER (ROWS UNBOUNDED PRECEDING)::bigint AS bytes \
             FROM (SELECT t.*, {MESSAGE_BYTES} AS own_bytes \
                 FROM task.list_project_tasks($1, $2, $3, $4, $5, $6) WITH ORDINALITY t OFFSET 0) t) t \
         WHERE bytes - own_bytes <= {MAX_RESPONSE_BYTES}"
    )
}
