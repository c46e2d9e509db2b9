//! Counts of tasks by status, priority, assignee, tag and project.

mod queries;
mod rpc;
mod wire;

use crate::schema::{TaskPriority, TaskStatus};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use shared::error::{Error, Result};

pub(crate) const MAX_COUNTED: i64 = 10_000;
/// Limit for assignees, tags and projects each.
const MAX_VALUES: i32 = 100;
const DEFAULT_VALUES: i32 = 20;

/// The number of tasks with one value.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct Count {
    #[diesel(sql_type = Text)]
    facet: String,
    /// Empty for tasks without a value.
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    estimated_minutes: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    actual_minutes: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Facets {
    /// At most [`MAX_COUNTED`] plus one.
    found: i64,
    by_status: Vec<(TaskStatus, Count)>,
    by_priority: Vec<(TaskPriority, Count)>,
    by_assignee: Vec<Count>,
    by_tag: Vec<Count>,
    by_project: Vec<Count>,
}

impl Facets {
    /// Collects counts into their facets. The counts of a facet keep their order.
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
