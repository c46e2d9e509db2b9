//! Time that users spend on tasks. The database keeps one running entry for each user, and adds what has ended to the
//! task's actual work.

mod queries;
mod report;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::time_entries;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use shared::error::{Error, Result};
use shared::validation::TimeRange;
use uuid::Uuid;

pub(crate) const MAX_NOTE_CHARS: usize = 500;
pub(crate) const MAX_REPORT_ROWS: usize = 1_000;
/// The description of an end that is not behind the start.
pub(crate) const ENDS_TOO_EARLY: &str = "must be later than started_at";

#[derive(Clone, Debug, Queryable, QueryableByName, Selectable, Deserialize)]
#[diesel(table_name = time_entries)]
pub(crate) struct TimeEntry {
    pub(crate) id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) started_at: DateTime<Utc>,
    /// `None` while it is running.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) note: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    #[diesel(column_name = xmin)]
    #[serde(skip)]
    pub(crate) version: u32,
}

/// A time entry to insert. The database sets the project and the times that are missing.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = time_entries)]
pub(crate) struct NewTimeEntry {
    pub(crate) id: Uuid,
    pub(crate) task_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) note: Option<String>,
}

/// The fields to change: `None` keeps a field, `Some(None)` clears it.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = time_entries)]
pub(crate) struct TimeEntryChange {
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<Option<DateTime<Utc>>>,
    pub(crate) note: Option<Option<String>>,
}

/// `None` does not filter; without projects, all that the caller may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeEntryFilter {
    pub(crate) project_ids: Option<Vec<Uuid>>,
    pub(crate) task_ids: Option<Vec<Uuid>>,
    pub(crate) user_ids: Option<Vec<Uuid>>,
    pub(crate) worked_at: TimeRange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportGroup {
    Project,
    User,
    Task,
}

impl TimeEntry {
    /// Rejects a change after which the span would not end behind its start.
    pub(crate) fn check(&self, change: &TimeEntryChange) -> Result<()> {
        let start = change.started_at.unwrap_or(self.started_at);
        match change.ended_at.unwrap_or(self.ended_at) {
            Some(end) if end <= start => Err(Error::invalid("time_entry.ended_at", ENDS_TOO_EARLY)),
            _ => Ok(()),
        }
    }
}
