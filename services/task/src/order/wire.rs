//! Moves from proto.

use proto::task::v1 as pb;
use proto::task::v1::move_task_request::Destination as PbDestination;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::Destination;

#[derive(Debug)]
pub(super) struct MoveTaskInput {
    pub(super) id: Uuid,
    pub(super) destination: Destination,
    pub(super) etag: String,
    /// Name of the anchor's field, for violations.
    pub(super) field: &'static str,
}

impl TryFrom<pb::MoveTaskRequest> for MoveTaskInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::MoveTaskRequest) -> Result<Self> {
        let mut v = Violations::new();
        let id = v.uuid("task_id", &request.task_id);
        let (field, destination) = match request.destination {
            Some(PbDestination::BeforeTaskId(anchor)) => {
                ("before_task_id", Destination::Before(v.uuid("before_task_id", &anchor)))
            }
            Some(PbDestination::AfterTaskId(anchor)) => {
                ("after_task_id", Destination::After(v.uuid("after_task_id", &anchor)))
            }
            None => {
                v.add("destination", "must be given: before_task_id or after_task_id");
                ("destination", Destination::Before(Uuid::nil()))
            }
        };
        v.require(id.is_nil() || destination.anchor() != id, field, "must be another task");
        v.finish()?;
        Ok(Self { id, destination, etag: request.etag, field })
    }
}
