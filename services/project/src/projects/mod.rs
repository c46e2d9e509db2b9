//! Projects, their status and filters.

pub(crate) mod access_revision;
pub(crate) mod order;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use crate::schema::projects;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use shared::error::{Error, ErrorReason, Result};
use shared::etag::RowVersion;
use shared::schema::{ProjectStatus, ProjectVisibility};
use uuid::Uuid;

pub(crate) const MAX_NAME_CHARS: usize = 255;

pub(crate) const MAX_SEARCH_CHARS: usize = 200;

pub(crate) const MAX_FILTER_OWNERS: usize = 100;

#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(Pg))]
pub(crate) struct Project {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub owner_id: Uuid,
    pub status: ProjectStatus,
    pub visibility: ProjectVisibility,
    pub settings: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Set while the project is archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// Prefix of the keys of its tasks.
    pub key: String,
    /// Version of the row; absent in rows of the change log.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct NewProject {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub owner_id: Uuid,
    pub visibility: ProjectVisibility,
    pub settings: Value,
    /// Made from the name if `None`.
    pub key: Option<String>,
}

/// `None` leaves a field unchanged.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = projects)]
pub(crate) struct ProjectChange {
    pub name: Option<String>,
    /// `Some(None)` clears it.
    pub description: Option<Option<String>>,
    pub visibility: Option<ProjectVisibility>,
    pub settings: Option<Value>,
    pub status: Option<ProjectStatus>,
    /// `Some(None)` clears it.
    pub archived_at: Option<Option<DateTime<Utc>>>,
    pub key: Option<String>,
}

/// A change of a project's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    Complete,
    Cancel,
    Archive,
    Reopen,
}

impl Transition {
    fn target_status(self) -> ProjectStatus {
        match self {
            Self::Complete => ProjectStatus::Completed,
            Self::Cancel => ProjectStatus::Cancelled,
            Self::Archive => ProjectStatus::Archived,
            Self::Reopen => ProjectStatus::Active,
        }
    }

    fn is_allowed_from(self, status: ProjectStatus) -> bool {
        match self {
            Self::Complete | Self::Cancel => status == ProjectStatus::Active,
            Self::Archive | Self::Reopen => true,
        }
    }
}

impl ProjectChange {
    /// Whether the other services have to know of it.
    pub(crate) fn changes_access(&self) -> bool {
        self.visibility.is_some() || self.status.is_some() || self.key.is_some()
    }

    /// The change that a transition makes. `None` if the project has the target status already, so that a retry
    /// succeeds whatever etag it has.
    pub(crate) fn for_transition(
        transition: Transition,
        project: &Project,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>> {
        let status = transition.target_status();
        if project.status == status {
            return Ok(None);
        }
        if !transition.is_allowed_from(project.status) {
            return Err(Error::Precondition {
                reason: ErrorReason::InvalidStatusTransition,
                message: format!("the project is {}; reopen it first", project.status.as_str()),
                metadata: vec![("status", project.status.as_str().to_owned())],
            });
        }
        let archived_at = (status == ProjectStatus::Archived).then_some(now);
        Ok(Some(Self { status: Some(status), archived_at: Some(archived_at), ..Self::default() }))
    }
}

/// Empty fields do not filter.
#[derive(Debug)]
pub(crate) struct ProjectFilter {
    pub statuses: Vec<ProjectStatus>,
    pub visibilities: Vec<ProjectVisibility>,
    pub owner_ids: Vec<Uuid>,
    /// Projects that have all of these members.
    pub member_ids: Vec<Uuid>,
    /// A substring of the name or the description.
    pub text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(status: ProjectStatus) -> Project {
        Project {
            id: Uuid::from_u128(1),
            name: "apollo".to_owned(),
            description: None,
            owner_id: Uuid::from_u128(2),
            status,
            visibility: ProjectVisibility::Private,
            settings: Value::default(),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            archived_at: None,
            key: "APO".to_owned(),
            version: 1,
        }
    }

    fn after(transition: Transition, from: ProjectStatus) -> Result<Option<ProjectChange>> {
        ProjectChange::for_transition(transition, &project(from), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn archiving_sets_the_time_and_reopening_clears_it() {
        let archive = after(Transition::Archive, ProjectStatus::Active).unwrap();
        assert_eq!(archive.unwrap().archived_at, Some(Some(DateTime::UNIX_EPOCH)));
        let reopen = after(Transition::Reopen, ProjectStatus::Archived).unwrap();
        assert_eq!(reopen.unwrap().archived_at, Some(None));
    }

    /// The table of `ProjectStatus` in the proto: the target status, `-` for no change, or `refused`.
    #[test]
    fn every_transition_has_the_documented_target() {
        let transitions = [Transition::Complete, Transition::Cancel, Transition::Archive, Transition::Reopen];
        let table = [
            (ProjectStatus::Active, ["completed", "cancelled", "archived", "-"]),
            (ProjectStatus::Completed, ["-", "refused", "archived", "active"]),
            (ProjectStatus::Cancelled, ["refused", "-", "archived", "active"]),
            (ProjectStatus::Archived, ["refused", "refused", "-", "active"]),
        ];
        for (from, expected) in table {
            let actual = transitions.map(|transition| match after(transition, from) {
                Ok(Some(change)) => change.status.unwrap().as_str(),
                Ok(None) => "-",
                Err(_) => "refused",
            });
            assert_eq!(actual, expected, "{from:?}");
        }
    }
}
