//! Access states, for the copies that siblings keep.
//!
//! A state is absolute: it tells everything about one project's access, under a revision that only grows. So
//! a follower may hear of a state twice, or early, or skip some, and ends up with the truth.

pub(crate) mod feed;
pub(crate) mod queries;
pub(crate) mod rpc;
pub(crate) mod wire;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid};
use serde::Deserialize;
use serde_json::Value;
use shared::error::{Error, Result};
use shared::schema::{ProjectRole, ProjectStatus, ProjectVisibility};
use shared::schema::{SqlProjectStatus, SqlProjectVisibility};
use uuid::Uuid;

/// Most states in one message.
pub(crate) const MAX_STATES: usize = 500;
/// Members in one message, after which no further state is added. A member takes some 100 bytes, 500 with
/// every exception.
pub(crate) const MANY_MEMBERS: usize = 5_000;

/// Everything about one project's access.
#[derive(Clone, Debug)]
pub(crate) struct AccessState {
    /// The project.
    pub project_id: Uuid,
    /// Grows with every change.
    pub revision: i64,
    /// Who may do what; `None` for a project that is gone.
    pub present: Option<Present>,
}

/// The access to a project that exists.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// Who may read without being a member.
    pub visibility: ProjectVisibility,
    /// Archived projects are read-only.
    pub status: ProjectStatus,
    /// What it is called.
    pub name: String,
    /// All members.
    pub members: Vec<AccessMember>,
}

/// One member's access.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AccessMember {
    /// User.
    pub user_id: Uuid,
    /// Role.
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
}

impl AccessState {
    /// A project that never was.
    pub(crate) fn unknown(project_id: Uuid) -> Self {
        Self { project_id, revision: 0, present: None }
    }

    fn member_count(&self) -> usize {
        self.present.as_ref().map_or(0, |present| present.members.len())
    }
}

/// How many of these states, from the first on, fit into one message.
pub(crate) fn fitting<'a>(states: impl IntoIterator<Item = &'a AccessState>) -> usize {
    let mut members = 0;
    states
        .into_iter()
        .take(MAX_STATES)
        .take_while(|state| {
            let is_room_left = members < MANY_MEMBERS;
            members += state.member_count();
            is_room_left
        })
        .count()
}

/// How [`AccessState`] is read.
#[derive(QueryableByName)]
pub(crate) struct AccessStateRow {
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Nullable<SqlProjectVisibility>)]
    visibility: Option<ProjectVisibility>,
    #[diesel(sql_type = Nullable<SqlProjectStatus>)]
    status: Option<ProjectStatus>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Jsonb)]
    members: Value,
}

impl TryFrom<AccessStateRow> for AccessState {
    type Error = Error;

    fn try_from(row: AccessStateRow) -> Result<Self> {
        let present = match (row.visibility, row.status) {
            (Some(visibility), Some(status)) => {
                let members = serde_json::from_value(row.members).map_err(Error::internal)?;
                Some(Present { visibility, status, name: row.name.unwrap_or_default(), members })
            }
            _ => None,
        };
        Ok(Self { project_id: row.project_id, revision: row.revision, present })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(members: usize) -> AccessState {
        let member = AccessMember {
            user_id: Uuid::from_u128(1),
            role: ProjectRole::Viewer,
            permissions: Value::default(),
        };
        let present = Present {
            visibility: ProjectVisibility::Private,
            status: ProjectStatus::Active,
            name: "apollo".to_owned(),
            members: vec![member; members],
        };
        AccessState { project_id: Uuid::from_u128(2), revision: 1, present: Some(present) }
    }

    #[test]
    fn a_message_holds_at_least_one_state() {
        assert_eq!(fitting(&[state(MANY_MEMBERS * 2), state(1)]), 1);
    }

    #[test]
    fn small_states_go_together_up_to_the_limit() {
        assert_eq!(fitting(&vec![state(3); MAX_STATES + 1]), MAX_STATES);
        assert_eq!(fitting(&vec![state(MANY_MEMBERS / 2); 5]), 2);
    }
}
