//! The feed of a project's documents. [`shared::change_log::feed`] follows the change log; this module selects changes
//! and converts them to events.

pub(crate) mod rpc;
mod watch;
pub(crate) mod wire;

use shared::change_log::{Operation, Record};
use uuid::Uuid;

use crate::documents::DocumentHead;
use crate::schema::DocumentStatus;

/// Which changes to return. Empty fields do not filter; all others must match.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    operations: Vec<Operation>,
    actor_id: Option<Uuid>,
    document_ids: Vec<Uuid>,
    statuses: Vec<DocumentStatus>,
}

impl EventFilter {
    /// Whether a change matches: its document matches before or after it.
    fn matches(&self, record: &Record, before: Option<&DocumentHead>, after: Option<&DocumentHead>) -> bool {
        let has_status = |document: &DocumentHead| self.statuses.contains(&document.status);
        (self.operations.is_empty() || self.operations.contains(&record.operation))
            && (self.actor_id.is_none() || self.actor_id == record.actor_id)
            && (self.document_ids.is_empty() || self.document_ids.contains(&record.entity_id))
            && (self.statuses.is_empty() || before.is_some_and(has_status) || after.is_some_and(has_status))
    }
}
