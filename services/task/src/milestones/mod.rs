//! Milestones: states of a project that its tasks lead to.

pub(crate) mod queries;
mod rpc;
pub(crate) mod wire;

use crate::schema::milestones;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

pub(crate) const MAX_NAME_CHARS: usize = 255;
pub(crate) const MAX_DESCRIPTION_CHARS: usize = 500;
/// Milestones of a plan.
pub(crate) const MAX_PLANNED_MILESTONES: i64 = 1_000;

#[derive(Clone, Debug, Queryable, Selectable, Deserialize)]
#[diesel(table_name = milestones)]
pub(crate) struct Milestone {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) due_date: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    #[diesel(column_name = xmin)]
    #[serde(skip)]
    pub(crate) version: u32,
}

/// A milestone to insert. The database sets its times.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = milestones)]
pub(crate) struct NewMilestone {
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) due_date: Option<DateTime<Utc>>,
}

/// The fields to change: `None` keeps a field, `Some(None)` clears it.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = milestones)]
pub(crate) struct MilestoneChange {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) due_date: Option<Option<DateTime<Utc>>>,
}
