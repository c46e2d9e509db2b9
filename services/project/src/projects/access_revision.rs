//! The access revision that an answer reports as its consistency token.

use shared::access::ConsistencyToken;
use uuid::Uuid;

/// The revision of a project's access, locked until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockedRevision {
    pub project_id: Uuid,
    pub revision: i64,
}

impl LockedRevision {
    /// The revision of a project that was just created.
    pub(crate) fn of_new(project_id: Uuid) -> Self {
        Self { project_id, revision: 1 }
    }

    /// The token of an answer that changed no access.
    pub(crate) fn current(self) -> ConsistencyToken {
        ConsistencyToken { project_id: self.project_id, revision: self.revision }
    }

    /// The token of an answer that changed access. Further changes of the same transaction commit together with the
    /// first, so the first one's revision suffices.
    pub(crate) fn next(self) -> ConsistencyToken {
        ConsistencyToken { project_id: self.project_id, revision: self.revision.saturating_add(1) }
    }
}
