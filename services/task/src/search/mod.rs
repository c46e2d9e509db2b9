//! Full-text search of tasks. The database ranks matches and highlights the matched words.

mod queries;
pub(crate) mod rpc;
mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Float, Text};

use crate::tasks::Task;

/// Lower than for lists, because excerpts are made of each task.
const MAX_MATCHES: i64 = 200;
/// The newest matches are ranked, at most this many.
const MAX_RANKED: i64 = 5_000;

#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct TaskMatch {
    #[diesel(embed)]
    task: Task,
    #[diesel(sql_type = Float)]
    score: f32,
    /// The title with highlight marks.
    #[diesel(sql_type = Text)]
    marked_title: String,
    /// Excerpts of the description with highlight marks.
    #[diesel(sql_type = Text)]
    marked_description: String,
    /// Of the rows up to this one.
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}
