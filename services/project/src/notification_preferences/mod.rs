//! What users are not notified of: in one project, or in all of them.

mod queries;
pub(crate) mod rpc;
mod wire;

use diesel::QueryableByName;
use diesel::pg::Pg;
use diesel::sql_types::{Array, Integer, Uuid as SqlUuid};
use uuid::Uuid;

use crate::schema::{NotificationKind, SqlNotificationKind};

#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(Pg))]
struct Preferences {
    /// Nil for all projects.
    #[diesel(sql_type = SqlUuid)]
    project_id: Uuid,
    #[diesel(sql_type = Array<SqlNotificationKind>)]
    muted_kinds: Vec<NotificationKind>,
    /// Exceptions from those that are muted in all projects.
    #[diesel(sql_type = Array<SqlNotificationKind>)]
    unmuted_kinds: Vec<NotificationKind>,
    /// 0 for preferences that were never changed.
    #[diesel(sql_type = Integer)]
    version: i32,
}

/// `None` leaves a field unchanged.
#[derive(Debug)]
struct PreferencesUpdate {
    muted_kinds: Option<Vec<NotificationKind>>,
    unmuted_kinds: Option<Vec<NotificationKind>>,
}

impl Preferences {
    fn unchanged(project_id: Uuid) -> Self {
        Self { project_id, muted_kinds: Vec::new(), unmuted_kinds: Vec::new(), version: 0 }
    }

    /// What is muted from now on is no longer unmuted, and the other way round.
    fn apply(mut self, update: PreferencesUpdate) -> Self {
        if let Some(muted) = update.muted_kinds {
            self.unmuted_kinds.retain(|kind| !muted.contains(kind));
            self.muted_kinds = muted;
        }
        if let Some(unmuted) = update.unmuted_kinds {
            self.muted_kinds.retain(|kind| !unmuted.contains(kind));
            self.unmuted_kinds = unmuted;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::NotificationKind::{Comment, Mention, Update};
    use super::*;

    #[test]
    fn a_kind_is_muted_or_unmuted() {
        let preferences = Preferences::unchanged(Uuid::nil());
        let muted = PreferencesUpdate { muted_kinds: Some(vec![Update, Comment]), unmuted_kinds: None };
        let preferences = preferences.apply(muted);
        let unmuted = PreferencesUpdate { muted_kinds: None, unmuted_kinds: Some(vec![Update, Mention]) };
        let preferences = preferences.apply(unmuted);
        assert_eq!(preferences.muted_kinds, [Comment]);
        assert_eq!(preferences.unmuted_kinds, [Update, Mention]);
    }
}
