//! In which order projects are listed, and where a list goes on.
//!
//! Every order ends with the id, so that no two projects are equal and a page begins behind the last row of the one
//! before, whatever has come or gone meanwhile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Project;

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    /// When it was made.
    Created,
    /// When it was last changed.
    Updated,
    /// Its name, without regard to case.
    Name,
}

/// Which end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// In which order projects are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProjectOrder {
    pub key: SortKey,
    pub direction: Direction,
}

impl ProjectOrder {
    /// By this, this end first.
    pub(crate) fn of(key: SortKey, direction: Direction) -> Self {
        Self { key, direction }
    }
}

impl Default for ProjectOrder {
    /// Newest first.
    fn default() -> Self {
        Self::of(SortKey::Created, Direction::Descending)
    }
}

/// Where a list goes on: behind this row. The times are those of the row, the name is as the database compares it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct After {
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub name: String,
    pub id: Uuid,
}

impl After {
    /// Behind this project.
    pub(crate) fn of(project: &Project) -> Self {
        Self {
            created_at: project.created_at,
            updated_at: project.updated_at,
            name: project.name.clone(),
            id: project.id,
        }
    }
}
