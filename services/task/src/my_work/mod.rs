//! What there is to do for the caller.

mod queries;
pub(crate) mod rpc;
mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Text};

use crate::tasks::Task;

/// How many open tasks of the caller are looked at.
const MAX_OPEN: i64 = 10_000;
/// Most tasks in a group.
const MAX_GROUP: i32 = 100;
/// How many of them when the client does not say.
const DEFAULT_GROUP: i32 = 20;

/// A task in a group of the caller's work.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct Grouped {
    #[diesel(embed)]
    task: Task,
    #[diesel(sql_type = Text)]
    kind: String,
    /// How many tasks the group has.
    #[diesel(sql_type = BigInt)]
    total: i64,
}
