//! The caller's open tasks, grouped by urgency and status.

mod queries;
pub(crate) mod rpc;
mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Text};

use crate::tasks::Task;

/// Open tasks of the caller that are considered at most.
const MAX_OPEN: i64 = 10_000;
const MAX_GROUP: i32 = 100;
const DEFAULT_GROUP: i32 = 20;

#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct GroupedTask {
    #[diesel(embed)]
    task: Task,
    #[diesel(sql_type = Text)]
    kind: String,
    /// Number of tasks in the whole group.
    #[diesel(sql_type = BigInt)]
    total: i64,
}
