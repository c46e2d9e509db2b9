//! How many tasks there are of which kind.

pub(crate) mod queries;
pub(crate) mod wire;

use crate::schema::{TaskPriority, TaskStatus};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use shared::error::{Error, Result};

/// How many tasks are counted at most.
pub(crate) const MAX_COUNTED: i64 = 10_000;
/// Most assignees, tags and projects that are told, each.
const MAX_VALUES: i32 = 100;
/// How many of them are told when the client does not say.
const DEFAULT_VALUES: i32 = 20;

/// How many tasks share a value.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct Count {
    #[diesel(sql_type = Text)]
    facet: String,
    /// Empty for none.
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    estimated_hours: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    actual_hours: Option<i64>,
}

/// The counts by facet.
#[derive(Debug, Default)]
pub(crate) struct Facets {
    /// Up to one more than [`MAX_COUNTED`].
    found: i64,
    by_status: Vec<(TaskStatus, Count)>,
    by_priority: Vec<(TaskPriority, Count)>,
    by_assignee: Vec<Count>,
    by_tag: Vec<Count>,
    by_project: Vec<Count>,
}

impl Facets {
    /// Sorts counts by their facet; each facet's are in their order.
    pub(crate) fn of(counts: Vec<Count>) -> Result<Self> {
        let unknown = || Error::internal("the database holds an unknown label");
        let mut facets = Self::default();
        for count in counts {
            match count.facet.as_str() {
                "found" => facets.found = count.count,
                "status" => {
                    let status = TaskStatus::from_label(&count.value).ok_or_else(unknown)?;
                    facets.by_status.push((status, count));
                }
                "priority" => {
                    let priority = TaskPriority::from_label(&count.value).ok_or_else(unknown)?;
                    facets.by_priority.push((priority, count));
                }
                "assignee" => facets.by_assignee.push(count),
                "tag" => facets.by_tag.push(count),
                "project" => facets.by_project.push(count),
                _ => return Err(unknown()),
            }
        }
        facets.by_status.sort_by_key(|(status, _)| *status);
        facets.by_priority.sort_by_key(|(priority, _)| *priority);
        Ok(facets)
    }
}
