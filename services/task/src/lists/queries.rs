//! SQL of lists. `find_tasks` returns the ids of tasks that the caller may read; the rows are read under row-level
//! security.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::{Error, Result};
use shared::page::Page;

use super::{AfterTask, TaskFilter, TaskOrder};
use crate::constraints::FILTER_CONSTRAINTS;
use crate::tasks::queries::{COLUMNS, MAX_RESPONSE_BYTES, MESSAGE_BYTES, SizedTask};

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
    let query = sql_query(sql)
        .into_boxed()
        .bind::<Jsonb, _>(filter)
        .bind::<Nullable<Text>, _>(wanted.order.map(|order| order.key.as_str()))
        .bind::<Bool, _>(wanted.order.is_some_and(|order| order.is_descending))
        .bind::<Nullable<Text>, _>(wanted.after.map(|after| after.key.clone()))
        .bind::<Nullable<SqlUuid>, _>(wanted.after.map(|after| after.id))
        .bind::<Integer, _>(i32::try_from(wanted.most).unwrap_or(i32::MAX));
    Ok(query)
}

/// A page of tasks, plus one if there are more. Ends early when the tasks before have filled a response.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &TaskFilter,
    order: TaskOrder,
    page: &Page<AfterTask>,
) -> Result<Vec<SizedTask>> {
    let sql = format!(
        "SELECT * FROM (SELECT {COLUMNS}, f.place, {MESSAGE_BYTES} AS own_bytes, \
             sum({MESSAGE_BYTES}) OVER (ORDER BY f.place)::bigint AS bytes \
         FROM {FIND_TASKS} WITH ORDINALITY f(id, place) JOIN task.tasks t ON t.id = f.id \
             JOIN task.project_access a ON a.project_id = t.project_id) page \
         WHERE bytes - own_bytes <= {MAX_RESPONSE_BYTES} ORDER BY place"
    );
    let query = TaskQuery { filter, order: Some(order), after: page.after.as_ref(), most: page.size + 1 };
    Prepared(find_tasks_query(sql, &query)?).load(&mut conn).await.map_err(explain(FILTER_CONSTRAINTS))
}
