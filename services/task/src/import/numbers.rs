//! Numbers and ranks of imported tasks.

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::PreparedQuery;
use shared::error::Result;
use uuid::Uuid;

use crate::order::initial_rank;
use crate::tasks::Task;

#[derive(diesel::QueryableByName)]
struct AllocatedRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Assigns the missing numbers and ranks. All numbers of the batch are allocated at once, so that each project's counter
/// is written once.
pub(super) async fn assign_numbers(mut conn: &AsyncPgConnection, mut tasks: Vec<&mut Task>) -> Result<()> {
    let projects: Vec<Uuid> = tasks.iter().map(|task| task.project_id).collect();
    let given: Vec<Option<i64>> = tasks.iter().map(|task| (task.number > 0).then_some(task.number)).collect();
    let query = sql_query("SELECT number FROM task.allocate_task_numbers($1, $2) ORDER BY place")
        .bind::<Array<SqlUuid>, _>(projects)
        .bind::<Array<Nullable<BigInt>>, _>(given);
    let allocated: Vec<AllocatedRow> = PreparedQuery(query).load(&mut conn).await?;
    for (task, AllocatedRow { number }) in tasks.iter_mut().zip(allocated) {
        task.number = number;
        if task.rank.is_empty() {
            task.rank = initial_rank(number);
        }
    }
    Ok(())
}
