//! Projects: their rows and what may be asked about them.

pub(crate) mod freshness;
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

/// Longest name, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 255;

/// Longest text to look for, in characters.
pub(crate) const MAX_SEARCH_CHARS: usize = 200;

/// A project.
#[derive(Clone, Debug, Deserialize, Queryable, Selectable)]
#[diesel(table_name = projects, check_for_backend(Pg))]
pub(crate) struct Project {
    /// Key.
    pub id: Uuid,
    /// One line.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Who made it; always a member.
    pub owner_id: Uuid,
    /// Where it stands.
    pub status: ProjectStatus,
    /// Who may read it without being a member.
    pub visibility: ProjectVisibility,
    /// Settings of front ends.
    pub settings: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was archived, while it is.
    pub archived_at: Option<DateTime<Utc>>,
    /// Version of the row; of one in the change log, none.
    #[serde(skip)]
    #[diesel(column_name = xmin)]
    pub version: RowVersion,
}

/// A project to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = projects)]
pub(crate) struct NewProject {
    /// Key.
    pub id: Uuid,
    /// One line.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Who makes it.
    pub owner_id: Uuid,
    /// Who may read it without being a member.
    pub visibility: ProjectVisibility,
    /// Settings of front ends.
    pub settings: Value,
}

/// New values of the fields that change; `None` leaves a field as it is.
#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = projects)]
pub(crate) struct ProjectChange {
    /// One line.
    pub name: Option<String>,
    /// Free text; `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// Who may read it without being a member.
    pub visibility: Option<ProjectVisibility>,
    /// Settings of front ends.
    pub settings: Option<Value>,
    /// Where it stands.
    pub status: Option<ProjectStatus>,
    /// When it was archived; `Some(None)` for "it no longer is".
    pub archived_at: Option<Option<DateTime<Utc>>>,
}

/// What moves a project from one status to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// The work is done.
    Complete,
    /// The work is given up.
    Cancel,
    /// Put away, read-only.
    Archive,
    /// Taken up again.
    Reopen,
}

impl Verb {
    fn leads_to(self) -> ProjectStatus {
        match self {
            Self::Complete => ProjectStatus::Completed,
            Self::Cancel => ProjectStatus::Cancelled,
            Self::Archive => ProjectStatus::Archived,
            Self::Reopen => ProjectStatus::Active,
        }
    }

    fn may_start_from(self, status: ProjectStatus) -> bool {
        match self {
            Self::Complete | Self::Cancel => status == ProjectStatus::Active,
            Self::Archive | Self::Reopen => true,
        }
    }
}

impl ProjectChange {
    /// What a verb does to a project. `None` if it is there already: then a retry finds its work done, whatever
    /// version it had seen.
    pub(crate) fn by(verb: Verb, project: &Project, now: DateTime<Utc>) -> Result<Option<Self>> {
        let status = verb.leads_to();
        if project.status == status {
            return Ok(None);
        }
        if !verb.may_start_from(project.status) {
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

/// Which projects a list shows, of those that the caller may see.
#[derive(Debug)]
pub(crate) struct ProjectFilter {
    /// In one of these states; in any if empty.
    pub statuses: Vec<ProjectStatus>,
    /// With one of these visibilities; with any if empty.
    pub visibilities: Vec<ProjectVisibility>,
    /// Owned by this user.
    pub owner_id: Option<Uuid>,
    /// With all of these members.
    pub member_ids: Vec<Uuid>,
    /// With this in name or description.
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
            version: 1,
        }
    }

    fn by(verb: Verb, from: ProjectStatus) -> Result<Option<ProjectChange>> {
        ProjectChange::by(verb, &project(from), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn archiving_stamps_the_time_and_reopening_clears_it() {
        let archive = by(Verb::Archive, ProjectStatus::Active).unwrap();
        assert_eq!(archive.unwrap().archived_at, Some(Some(DateTime::UNIX_EPOCH)));
        let reopen = by(Verb::Reopen, ProjectStatus::Archived).unwrap();
        assert_eq!(reopen.unwrap().archived_at, Some(None));
    }

    /// The table of the proto, row by row: to where, "-" for nothing, or refused.
    #[test]
    fn every_verb_leads_where_the_table_says() {
        let verbs = [Verb::Complete, Verb::Cancel, Verb::Archive, Verb::Reopen];
        let table = [
            (ProjectStatus::Active, ["completed", "cancelled", "archived", "-"]),
            (ProjectStatus::Completed, ["-", "refused", "archived", "active"]),
            (ProjectStatus::Cancelled, ["refused", "-", "archived", "active"]),
            (ProjectStatus::Archived, ["refused", "refused", "-", "active"]),
        ];
        for (from, expected) in table {
            let actual = verbs.map(|verb| match by(verb, from) {
                Ok(Some(change)) => change.status.unwrap().as_str(),
                Ok(None) => "-",
                Err(_) => "refused",
            });
            assert_eq!(actual, expected, "{from:?}");
        }
    }
}
