//! The events of all services, followed exactly once.
//!
//! Each service's log has a follower ([`follower`]), which one replica runs at a time ([`positions`]). It hands batches to
//! [`EventConsumers`] in the transaction that moves its position: a batch takes effect once or not at all.

mod consumers;
mod follower;
mod positions;
mod source;

use chrono::{DateTime, Utc};
use proto::common::Change;
use proto::content::v1::{CommentEvent, DocumentEvent};
use proto::project::v1::ProjectEvent;
use proto::task::v1::TaskEvent;
use shared::json::from_timestamp;
use uuid::Uuid;

pub(crate) use consumers::EventConsumers;
pub(crate) use follower::spawn;

/// An event of any service, as its public feed has it.
#[derive(Clone, Debug)]
pub(crate) struct SuiteEvent {
    pub project_id: Uuid,
    pub resource_id: Uuid,
    pub changed_at: DateTime<Utc>,
    pub payload: EventPayload,
}

#[derive(Clone, Debug)]
pub(crate) enum EventPayload {
    Project(ProjectEvent),
    Task(TaskEvent),
    Document(DocumentEvent),
    Comment(CommentEvent),
}

impl EventPayload {
    /// The envelope.
    pub(crate) fn change(&self) -> Option<&Change> {
        match self {
            Self::Project(event) => event.change.as_ref(),
            Self::Task(event) => event.change.as_ref(),
            Self::Document(event) => event.change.as_ref(),
            Self::Comment(event) => event.change.as_ref(),
        }
    }
}

impl SuiteEvent {
    /// `None` for an event without an envelope that this version understands.
    fn new(payload: EventPayload) -> Option<Self> {
        let change = payload.change()?;
        Some(Self {
            project_id: change.project_id.parse().ok()?,
            resource_id: change.resource_id.parse().ok()?,
            changed_at: from_timestamp(change.changed_at?)?,
            payload,
        })
    }
}
