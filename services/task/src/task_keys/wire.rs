//! Task keys from proto.

use proto::task::v1 as pb;
use shared::error::Result;
use shared::validation::Violations;
use uuid::Uuid;

use super::{TaskKey, is_project_key};

pub(super) fn task_key(request: &pb::LookupTaskRequest) -> Result<TaskKey> {
    let parsed = request.key.parse();
    parsed.map_err(|_| shared::error::Error::invalid("key", "must be a key as DAF-42"))
}

#[derive(Debug)]
pub(super) struct SetProjectKeyInput {
    pub(super) project_id: Uuid,
    pub(super) key: String,
}

impl TryFrom<pb::SetProjectKeyRequest> for SetProjectKeyInput {
    type Error = shared::error::Error;

    fn try_from(request: pb::SetProjectKeyRequest) -> Result<Self> {
        let mut v = Violations::new();
        let project_id = v.uuid("project_id", &request.project_id);
        let fits = is_project_key(&request.key);
        v.require(fits, "key", "must be 2 to 10 capital letters A-Z and digits, a letter first");
        v.finish()?;
        Ok(Self { project_id, key: request.key })
    }
}
