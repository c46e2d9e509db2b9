//! `LookupTask`.

use futures::FutureExt;
use proto::task::v1 as pb;
use shared::access::Permission;
use shared::caller::Caller;
use shared::error::Error;
use tonic::{Request, Response, Status};

use super::TaskKey;
use crate::access_target;
use crate::handler::TaskHandler;
use crate::tasks::queries;

impl TaskHandler {
    pub(crate) async fn lookup_task(
        &self,
        request: Request<pb::LookupTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let key: Result<TaskKey, _> = request.get_ref().key.parse();
        let key = key.map_err(|_| Error::invalid("key", "must be a key like DAF-42"))?;
        let target = access_target::task_key(key);
        let read = self
            .authorizer
            .begin(&caller, &target, Permission::TaskRead, |conn| queries::get_by_key(conn, key).boxed());
        Ok(Response::new(read.await?.finish().into()))
    }
}
