//! `MoveTask`.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{AuthorizedTransaction, Permission};
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::etag;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::MoveTaskInput;
use crate::access_target;
use crate::handler::TaskHandler;
use crate::tasks::Task;
use crate::tasks::queries::{lock, require_write_and_read, visible_project_of};

impl TaskHandler {
    pub(crate) async fn move_task(
        &self,
        request: Request<pb::MoveTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let input: MoveTaskInput = request.into_inner().try_into()?;
        let AuthorizedTransaction { tx, access, found: task } = self.lock_to_move(&caller, &input).await?;
        require_write_and_read(&access)?;
        etag::check(&input.etag, task.version)?;
        let task = queries::move_task(tx, &access, input.id, input.destination).await?;
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }

    async fn lock_to_move(
        &self,
        caller: &Caller,
        input: &MoveTaskInput,
    ) -> Result<AuthorizedTransaction<Task>> {
        let (id, destination) = (input.id, input.destination);
        let anchor = destination.anchor();
        let targets = [access_target::task(id), access_target::task(anchor)];
        let [target, _] = &targets;
        let attempt = async || {
            let tx = self.context.database.begin(caller).await?;
            let ((), task, access, anchor_project) = try_join!(
                queries::ensure_rank_space(&tx, id, destination),
                lock(&tx, id),
                self.authorizer.access(&tx, caller, target),
                visible_project_of(&tx, anchor),
            )?;
            access.require(Permission::TaskWrite)?;
            let task = task.ok_or_else(|| Error::not_found("task", id))?;
            let anchor_project = anchor_project.ok_or_else(|| Error::not_found("task", anchor))?;
            if anchor_project != task.project_id {
                return Err(Error::invalid(input.field, "must be a task of the same project"));
            }
            Ok(AuthorizedTransaction { tx, access, found: task })
        };
        self.authorizer.retry_with_refreshed_access(&targets, || attempt().boxed()).await
    }
}
