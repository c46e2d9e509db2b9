//! The RPC that transfers a project for an operator.

use proto::project::admin::v1 as admin;
use proto::project::v1 as pb;
use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::idempotency::{self, RequestKey};
use shared::user_lookup::known_users;
use shared::validation::Violations;
use shared::{database::Transaction, etag};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries;
use crate::handler::ProjectHandler;
use crate::projects::Project;
use crate::projects::access_revision::LockedRevision;
use crate::projects::queries as projects;
use crate::schema::NAME;

/// Whose request ids operators use: they are no users.
const OPERATORS: Uuid = Uuid::nil();

/// A validated [`admin::TransferProjectRequest`].
struct TransferProjectInput {
    key: Option<RequestKey>,
    project_id: Uuid,
    new_owner_id: Uuid,
    etag: String,
}

impl TryFrom<admin::TransferProjectRequest> for TransferProjectInput {
    type Error = Error;

    fn try_from(request: admin::TransferProjectRequest) -> Result<Self> {
        let mut v = Violations::new();
        let input = Self {
            key: RequestKey::of(&mut v, &request.request_id, &request),
            project_id: v.uuid("project_id", &request.project_id),
            new_owner_id: v.uuid("new_owner_id", &request.new_owner_id),
            etag: request.etag,
        };
        v.finish()?;
        Ok(input)
    }
}

/// A project, locked with its ownership until the transaction ends.
struct LockedOwnership {
    tx: Transaction,
    is_replay: bool,
    project: Project,
    revision: LockedRevision,
}

impl ProjectHandler {
    pub(crate) async fn transfer_project(
        &self,
        request: Request<admin::TransferProjectRequest>,
    ) -> Result<Response<pb::Project>, Status> {
        Caller::of(&request)?.operator()?;
        let input = TransferProjectInput::try_from(request.into_inner())?;
        let mut owner_id = self.owner_of(input.project_id).await?;
        loop {
            // Before the transaction: no connection and no lock waits for a sibling.
            let user_ids = [input.new_owner_id, owner_id];
            let active = known_users(&self.context.siblings, &user_ids, true).await?;
            let LockedOwnership { tx, is_replay, project, revision } = self.lock(&input).await?;
            if is_replay {
                tx.finish();
                return Ok(revision.current().answer(project.into()));
            }
            etag::check(&input.etag, project.version)?;
            if !active.contains(&input.new_owner_id) {
                return Err(Error::not_found("user", input.new_owner_id).into());
            }
            if project.owner_id == input.new_owner_id {
                tx.finish();
                return Ok(revision.current().answer(project.into()));
            }
            if project.owner_id != owner_id {
                // It changed hands meanwhile.
                owner_id = project.owner_id;
                continue;
            }
            let keep_former_owner = active.contains(&owner_id);
            let project = queries::set_owner(tx, &project, input.new_owner_id, keep_former_owner).await?;
            self.context.signal.announce();
            return Ok(revision.next().answer(project.into()));
        }
    }

    async fn owner_of(&self, project_id: Uuid) -> Result<Uuid> {
        let tx = self.context.worker.begin_background().await?;
        let project = projects::find(&tx, project_id).await?;
        tx.finish();
        Ok(project.owner_id)
    }

    async fn lock(&self, input: &TransferProjectInput) -> Result<LockedOwnership> {
        let tx = self.context.worker.begin_background().await?;
        let id = input.project_id;
        let (earlier, (), revision, project) = futures::try_join!(
            idempotency::claim(&tx, NAME, OPERATORS, "TransferProject", input.key.as_ref(), id),
            queries::lock_ownership(&tx, id, input.new_owner_id),
            projects::lock_revision(&tx, id),
            projects::find(&tx, id),
        )?;
        Ok(LockedOwnership { tx, is_replay: earlier.is_some(), project, revision })
    }
}
