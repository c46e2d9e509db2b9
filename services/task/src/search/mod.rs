//! Finding tasks by their words. The database finds and ranks them, and marks the found words in what it shows.

mod queries;
pub(crate) mod rpc;
mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Float, Text};

use crate::tasks::Task;

/// Most tasks on a page: of each, excerpts are made.
const MAX_MATCHES: i64 = 200;
/// How many tasks are ranked at most, the newest.
const MAX_RANKED: i64 = 5_000;

/// A found task.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct TaskMatch {
    #[diesel(embed)]
    task: Task,
    /// How well it matches.
    #[diesel(sql_type = Float)]
    relevance: f32,
    /// The title with marks.
    #[diesel(sql_type = Text)]
    marked_title: String,
    /// Excerpts of the description with marks.
    #[diesel(sql_type = Text)]
    marked_description: String,
}
