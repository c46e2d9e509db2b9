//! The RPCs of the order.

use futures::{FutureExt, try_join};
use proto::task::v1 as pb;
use shared::access::{Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::etag;
use tonic::{Request, Response, Status};

use super::queries;
use super::wire::MoveTask;
use crate::handlers::Handlers;
use crate::place::Place;
use crate::tasks::queries::visible_project_of;
use crate::tasks::rpc::locked;

impl Handlers {
    pub(crate) async fn move_task(
        &self,
        request: Request<pb::MoveTaskRequest>,
    ) -> Result<Response<pb::Task>, Status> {
        let caller = Caller::of(&request)?;
        let asked: MoveTask = request.into_inner().try_into()?;
        let places = [Place::Task(asked.id), Place::Task(asked.destination.anchor())];
        let (tx, may) = self.fresh(&places, || self.look_at_order(&caller, &asked).boxed()).await?;
        let task = queries::move_task(tx, &may, asked.id, asked.destination).await?;
        self.context.signal.announce();
        Ok(Response::new(task.into()))
    }
}

impl Handlers {
    async fn look_at_order(&self, caller: &Caller, asked: &MoveTask) -> Result<(Transaction, ProjectAccess)> {
        let anchor = asked.destination.anchor();
        let tx = self.context.database.begin(caller).await?;
        let ((), (task, access), anchor_project) = try_join!(
            queries::ensure_rank_space(&tx, asked.id, asked.destination),
            locked(&tx, caller, asked.id, Permission::TaskWrite),
            visible_project_of(&tx, anchor),
        )?;
        let anchor_project = anchor_project.ok_or_else(|| Error::not_found("task", anchor))?;
        if anchor_project != task.project_id {
            return Err(Error::invalid(asked.field, "must be a task of the same project"));
        }
        etag::check(&asked.etag, task.version)?;
        Ok((tx, access))
    }
}
