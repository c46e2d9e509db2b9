//! Numbers and ranks of imported tasks.

use diesel::sql_query;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::database::Prepared;
use shared::error::Result;
use uuid::Uuid;

use crate::order::initial_rank;
use crate::tasks::Task;

#[derive(diesel::QueryableByName)]
struct Taken {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    key: String,
}

/// Assigns the missing numbers, keys and ranks. All numbers of the batch are allocated at once, so that each
/// project's counter is written once.
pub(super) async fn assign_numbers(mut conn: &AsyncPgConnection, mut tasks: Vec<&mut Task>) -> Result<()> {
    let projects: Vec<Uuid> = tasks.iter().map(|task| task.project_id).collect();
    let keys: Vec<Option<&str>> =
        tasks.iter().map(|task| task.key.split_once('-').map(|(project, _)| project)).collect();
    let given: Vec<Option<i64>> = tasks.iter().map(|task| (task.number > 0).then_some(task.number)).collect();
    let query = sql_query("SELECT number, key FROM task.allocate_task_numbers($1, $2, $3) ORDER BY place")
        .bind::<Array<SqlUuid>, _>(projects)
        .bind::<Array<Nullable<Text>>, _>(keys)
        .bind::<Array<Nullable<BigInt>>, _>(given);
    let taken: Vec<Taken> = Prepared(query).load(&mut conn).await?;
    for (task, taken) in tasks.iter_mut().zip(taken) {
        task.number = taken.number;
        task.key = taken.key;
        if task.rank.is_empty() {
            task.rank = initial_rank(task.number);
        }
    }
    Ok(())
}
