//! Sort orders of project lists.
//!
//! Every order ends with the id. So no two rows are equal, and the next page starts exactly after the last row, even if
//! rows were added or deleted in between.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Project;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    Created,
    Updated,
    /// Compares names in lower case.
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProjectOrder {
    pub key: SortKey,
    pub direction: Direction,
}

impl ProjectOrder {
    pub(crate) fn of(key: SortKey, direction: Direction) -> Self {
        Self { key, direction }
    }
}

impl Default for ProjectOrder {
    fn default() -> Self {
        Self::of(SortKey::Created, Direction::Descending)
    }
}

/// The last row of a page. `name` is compared in lower case by the database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct After {
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub name: String,
    pub id: Uuid,
}

impl After {
    pub(crate) fn of(project: &Project) -> Self {
        Self {
            created_at: project.created_at,
            updated_at: project.updated_at,
            name: project.name.clone(),
            id: project.id,
        }
    }
}
