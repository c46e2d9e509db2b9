//! `MoveTask`.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::etag;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::MoveTaskInput;
use crate::access_target::AccessTarget;
use crate::handler::TaskHandler;
use crate::tasks::queries::visible_project_of;
use crate::tasks::rpc::locked;

impl TaskHandler {
    pub(crate) async fn move_task(
        &self,
        request: Request<pb::MoveTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let input: MoveTaskInput = request.into_inner().try_into()?;
        let targets = [AccessTarget::Task(input.id), AccessTarget::Task(input.destination.anchor())];
        let (tx, access) =
            self.retry_with_refreshed_access(&targets, || self.prepare_move(&caller, &input).boxed()).await?;
        let task = queries::move_task(tx, &access, input.id, input.destination).await?;
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }
}

impl TaskHandler {
    async fn prepare_move(
        &self,
        caller: &Caller,
        input: &MoveTaskInput,
    ) -> Result<(Transaction, ProjectAccess)> {
        let anchor = input.destination.anchor();
        let tx = self.context.database.begin(caller).await?;
        let ((), (task, access), anchor_project) = try_join!(
            queries::ensure_rank_space(&tx, input.id, input.destination),
            locked(&tx, caller, input.id, Permission::TaskWrite),
            visible_project_of(&tx, anchor),
        )?;
        let anchor_project = anchor_project.ok_or_else(|| Error::not_found("task", anchor))?;
        if anchor_project != task.project_id {
            return Err(Error::invalid(input.field, "must be a task of the same project"));
        }
        etag::check(&input.etag, task.version)?;
        Ok((tx, access))
    }
}
