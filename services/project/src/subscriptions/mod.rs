//! Subscriptions of users to tasks, documents and projects.
//!
//! Tasks and documents are in other services, which know the project that they belong to.

pub(crate) mod queries;
pub(crate) mod rpc;
mod targets;
pub(crate) mod wire;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use serde::Serialize;
use shared::access::{AccessTarget, Permission};
use shared::error::{Error, ErrorReason, Result};
use uuid::Uuid;

use crate::schema::{SqlSubscriptionReason, SubscriptionReason};

/// Most subscriptions that a user has by choice.
pub(crate) const MAX_CHOSEN_SUBSCRIPTIONS: i64 = 10_000;

/// What a user can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromSqlRow, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetType {
    Task,
    Document,
    Project,
}

impl TargetType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Document => "document",
            Self::Project => "project",
        }
    }

    /// The permission that reading it requires.
    fn read_permission(self) -> Permission {
        match self {
            Self::Task => Permission::TaskRead,
            Self::Document => Permission::DocumentRead,
            Self::Project => Permission::ProjectRead,
        }
    }
}

impl FromSql<Text, Pg> for TargetType {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let label = std::str::from_utf8(value.as_bytes())?;
        let known = [Self::Task, Self::Document, Self::Project].into_iter().find(|t| t.as_str() == label);
        known.ok_or_else(|| format!("unknown target type {label:?}").into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, QueryableByName, Serialize)]
#[diesel(check_for_backend(Pg))]
pub(crate) struct Target {
    #[diesel(sql_type = Text)]
    pub target_type: TargetType,
    #[diesel(sql_type = SqlUuid, column_name = "target_id")]
    #[serde(rename = "target_id")]
    pub id: Uuid,
}

impl Target {
    /// The project access that subscribing needs.
    fn in_project(self, project_id: Uuid) -> AccessTarget {
        AccessTarget::in_project(self.target_type.as_str(), self.id, project_id)
    }
}

#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
pub(crate) struct Subscription {
    #[diesel(embed)]
    pub target: Target,
    #[diesel(sql_type = SqlUuid)]
    pub project_id: Uuid,
    #[diesel(sql_type = SqlSubscriptionReason)]
    pub reason: SubscriptionReason,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Fails with `TOO_MANY_SUBSCRIPTIONS` for one who has [`MAX_CHOSEN_SUBSCRIPTIONS`].
fn require_room(chosen: i64) -> Result<()> {
    if chosen < MAX_CHOSEN_SUBSCRIPTIONS {
        return Ok(());
    }
    Err(Error::Precondition {
        reason: ErrorReason::TooManySubscriptions,
        message: "the user has too many subscriptions".to_owned(),
        metadata: vec![("limit", MAX_CHOSEN_SUBSCRIPTIONS.to_string())],
    })
}

#[cfg(test)]
mod tests {
    use shared::access::{Permissions, permission_name};
    use shared::schema::ProjectRole;

    use super::*;

    /// The function `may_read` of the schema relies on it.
    #[test]
    fn everybody_who_sees_a_project_may_read_what_is_in_it() {
        let roles = ProjectRole::ALL.iter().copied().map(Some).chain([None]);
        for permissions in roles.map(|role| Permissions::of(role, None)) {
            for target in [TargetType::Task, TargetType::Document, TargetType::Project] {
                assert!(permissions.contains(target.read_permission()));
                assert_eq!(permission_name(target.read_permission()), format!("{}_read", target.as_str()));
            }
            assert!(permissions.contains(Permission::CommentRead));
        }
    }

    #[test]
    fn the_last_subscription_by_choice_is_refused() {
        assert!(require_room(MAX_CHOSEN_SUBSCRIPTIONS - 1).is_ok());
        assert!(require_room(MAX_CHOSEN_SUBSCRIPTIONS).is_err());
    }
}
