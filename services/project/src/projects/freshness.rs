//! How fresh answers elsewhere must be to know of a change of access.

use shared::access::ConsistencyToken;
use uuid::Uuid;

/// How fresh the access to a project is, while nobody else can change it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    /// The project.
    pub project_id: Uuid,
    /// The revision of its access.
    pub revision: i64,
}

impl Freshness {
    /// Of a project that has just been made, as far as that is there to be seen at all.
    pub(crate) fn of_new(project_id: Uuid) -> Self {
        Self { project_id, revision: 1 }
    }

    /// What knows of everything until now.
    pub(crate) fn now(self) -> ConsistencyToken {
        ConsistencyToken { project_id: self.project_id, revision: self.revision }
    }

    /// What knows of the change that this transaction makes too. If it makes several, they are there together.
    pub(crate) fn after_change(self) -> ConsistencyToken {
        ConsistencyToken { project_id: self.project_id, revision: self.revision.saturating_add(1) }
    }
}
