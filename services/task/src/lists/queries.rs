//! Finding tasks in the database. `find_tasks` answers the ids of what the caller may read; the rows are read under
//! row-level security.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::{Prepared, explain};
use shared::error::{Error, Result};
use shared::page::Page;

use super::{AfterTask, TaskFilter, TaskOrder};
use crate::constraints::FILTERS;
use crate::tasks::Task;

/// The set of ids that a filter finds, in its order: the first six parameters of a query.
pub(crate) const FOUND: &str = "task.find_tasks($1, $2, $3, $4, $5, $6)";

/// What is to be found, for a query that reads from [`FOUND`]; in no order and from the start if that is `None`.
pub(crate) struct Wanted<'a> {
    pub(crate) filter: &'a TaskFilter,
    pub(crate) order: Option<TaskOrder>,
    pub(crate) after: Option<&'a AfterTask>,
    pub(crate) most: i64,
}

/// A query with the values of [`FOUND`].
pub(crate) fn finding<'q>(
    sql: impl Into<String>,
    wanted: &Wanted<'_>,
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

/// A page of tasks, and one more if there are more.
pub(super) async fn list(
    mut conn: &AsyncPgConnection,
    filter: &TaskFilter,
    order: TaskOrder,
    page: &Page<AfterTask>,
) -> Result<Vec<Task>> {
    let sql = format!(
        "SELECT t.*, t.xmin FROM {FOUND} WITH ORDINALITY f(id, place) JOIN task.tasks t ON t.id = f.id ORDER BY f.place"
    );
    let wanted = Wanted { filter, order: Some(order), after: page.after.as_ref(), most: page.size + 1 };
    Prepared(finding(sql, &wanted)?).load(&mut conn).await.map_err(explain(FILTERS))
}
