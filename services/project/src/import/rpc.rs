//! The RPC of the import.

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::project::admin::v1 as pb;
use shared::error::Result;
use shared::service::ServiceContext;
use shared::user_lookup::known_users;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::wire::{ImportBatch, results};
use super::{accepted, queries, reject_invalid_members, reject_taken_keys, reject_unknown_owners};
use crate::handler::ProjectHandler;

impl ProjectHandler {
    pub(crate) async fn import_projects(
        &self,
        request: Request<Streaming<pb::ImportProjectsRequest>>,
    ) -> Result<Response<BoxStream<'static, Result<pb::ImportProjectsResponse, Status>>>, Status> {
        let context = self.context.clone();
        // One batch at a time: the next one is read once the answer before is taken, so that none queue up here.
        let answers = request.into_inner().then(move |batch| {
            let context = context.clone();
            async move { Ok(import_batch(&context, batch?).await?) }
        });
        Ok(Response::new(answers.boxed()))
    }
}

async fn import_batch(
    context: &ServiceContext,
    request: pb::ImportProjectsRequest,
) -> Result<pb::ImportProjectsResponse> {
    let ImportBatch { mut projects, mut members } = request.try_into()?;
    let owner_ids = accepted(&projects).map(|project| project.owner_id);
    let mut user_ids: Vec<Uuid> = owner_ids.chain(accepted(&members).map(|member| member.user_id)).collect();
    user_ids.sort_unstable();
    user_ids.dedup();
    let known = known_users(&context.siblings, &user_ids, false).await?;
    reject_unknown_owners(&mut projects, &known);

    let tx = context.worker.begin_background().await?;
    let keys: Vec<String> = accepted(&projects).filter_map(|project| project.key.clone()).collect();
    reject_taken_keys(&mut projects, &queries::lock_keys(&tx, &keys).await?);
    let new_projects = queries::insert_projects(&tx, accepted(&projects).collect()).await?;
    let new: Vec<_> = accepted(&projects).filter(|project| new_projects.contains(&project.id)).collect();
    queries::set_owner_join_dates(&tx, &new).await?;
    let project_ids: Vec<Uuid> = accepted(&members).map(|member| member.project_id).collect();
    let owners = queries::owners(&tx, &project_ids).await?;
    reject_invalid_members(&mut members, &known, &owners);
    // The owner is a member already, whatever role the list gives them.
    let to_add = accepted(&members).filter(|member| owners.get(&member.project_id) != Some(&member.user_id));
    let new_members = queries::insert_members(&tx, to_add.collect()).await?;
    tx.commit().await?;
    context.signal.announce();

    let projects = results(projects, new_projects, |project| project.id);
    let members = results(members, new_members, |member| (member.project_id, member.user_id));
    Ok(pb::ImportProjectsResponse { results: projects.chain(members).collect() })
}
