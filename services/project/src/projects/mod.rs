//! Projects: their rows and what may be asked about them.

pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use serde_json::Value;
use shared::etag::RowVersion;
use shared::schema::project::projects;
use shared::schema::{ProjectStatus, ProjectVisibility};
use uuid::Uuid;

/// Longest name, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 255;

/// A project.
#[derive(Clone, Debug, Queryable, Selectable)]
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
    /// Version of the row.
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

impl ProjectChange {
    /// Puts a project away, or takes one back. `None` if it is there already: then a retry finds its work
    /// done, whatever version it had seen.
    pub(crate) fn of_status(project: &Project, status: ProjectStatus, now: DateTime<Utc>) -> Option<Self> {
        let archived_at = (status == ProjectStatus::Archived).then_some(now);
        let change = Self { status: Some(status), archived_at: Some(archived_at), ..Self::default() };
        (project.status != status).then_some(change)
    }
}

/// Which projects a list shows, of those that the caller may see.
#[derive(Debug)]
pub(crate) struct ProjectFilter {
    /// In one of these states; in any if empty.
    pub statuses: Vec<ProjectStatus>,
    /// Owned by this user.
    pub owner_id: Option<Uuid>,
    /// With this member.
    pub member_id: Option<Uuid>,
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

    #[test]
    fn archiving_stamps_the_time_and_reopening_clears_it() {
        let now = DateTime::UNIX_EPOCH;
        let archive = ProjectChange::of_status(&project(ProjectStatus::Active), ProjectStatus::Archived, now);
        assert_eq!(archive.unwrap().archived_at, Some(Some(now)));
        let reopen = ProjectChange::of_status(&project(ProjectStatus::Archived), ProjectStatus::Active, now);
        assert_eq!(reopen.unwrap().archived_at, Some(None));
    }

    #[test]
    fn a_status_that_is_there_already_changes_nothing() {
        let project = project(ProjectStatus::Archived);
        assert!(ProjectChange::of_status(&project, ProjectStatus::Archived, DateTime::UNIX_EPOCH).is_none());
    }
}
