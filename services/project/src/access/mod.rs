//! Access states, which the other services copy.
//!
//! A state is absolute: it holds everything about one project's access under a revision that only grows. A follower may
//! receive a state twice, early or not at all and still ends up with the current one.

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

/// Limit per message.
pub(crate) const MAX_STATES: usize = 500;
/// A message takes no further state after so many members. A member takes about 100 bytes, 500 with every exception.
pub(crate) const MEMBER_BUDGET: usize = 5_000;

#[derive(Clone, Debug)]
pub(crate) struct AccessState {
    pub project_id: Uuid,
    pub revision: i64,
    /// `None` for a deleted project.
    pub present: Option<Present>,
}

#[derive(Clone, Debug)]
pub(crate) struct Present {
    pub visibility: ProjectVisibility,
    pub status: ProjectStatus,
    pub name: String,
    pub members: Vec<AccessMember>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AccessMember {
    pub user_id: Uuid,
    pub role: ProjectRole,
    /// Exceptions from the role.
    pub permissions: Value,
}

impl AccessState {
    /// The state of a project that never existed.
    pub(crate) fn unknown(project_id: Uuid) -> Self {
        Self { project_id, revision: 0, present: None }
    }

    fn member_count(&self) -> usize {
        self.present.as_ref().map_or(0, |present| present.members.len())
    }
}

/// How many of these states fit into one message: at least one.
pub(crate) fn count_fitting<'a>(states: impl IntoIterator<Item = &'a AccessState>) -> usize {
    let mut members = 0;
    states
        .into_iter()
        .take(MAX_STATES)
        .take_while(|state| {
            let fits = members < MEMBER_BUDGET;
            members += state.member_count();
            fits
        })
        .count()
}

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
        assert_eq!(count_fitting(&[state(MEMBER_BUDGET * 2), state(1)]), 1);
    }

    #[test]
    fn small_states_go_together_up_to_the_limit() {
        assert_eq!(count_fitting(&vec![state(3); MAX_STATES + 1]), MAX_STATES);
        assert_eq!(count_fitting(&vec![state(MEMBER_BUDGET / 2); 5]), 2);
    }
}
