//! SQL of lists. `find_tasks` returns the ids of tasks that the caller may read; the rows are read under row-level
//! security.

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
/// The ids of all tasks of a project, in order: takes the same parameters, with the project in place of the filter.
const LIST_PROJECT_TASKS: &str = "task.list_project_tasks($1, $2, $3, $4, $5, $6)";

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
            let query = sql_query(page_of(LIST_PROJECT_TASKS, "$1")).into_boxed();
            bind_page(query.bind::<SqlUuid, _>(project_id), &wanted)
        }
        None => find_tasks_query(page_of(FIND_TASKS, "t.project_id"), &wanted)?,
    };
    load_sized(conn, query).await.map_err(explain(FILTER_CONSTRAINTS))
}

/// The rows of these ids, in their order. `OFFSET 0` keeps the planner from computing the bytes of a row twice.
fn page_of(ids: &str, project_id: &str) -> String {
    format!(
        "SELECT * FROM (SELECT page.*, sum(own_bytes) OVER (ORDER BY place)::bigint AS bytes \
             FROM (SELECT {COLUMNS}, f.place, {MESSAGE_BYTES} AS own_bytes \
                 FROM {ids} WITH ORDINALITY f(id, place) JOIN task.tasks t ON t.id = f.id \
                     JOIN task.project_access a ON a.project_id = {project_id} OFFSET 0) page) sized \
         WHERE bytes - own_bytes <= {MAX_RESPONSE_BYTES} ORDER BY place"
    )
}
