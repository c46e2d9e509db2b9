//! The RPCs of ownership transfers.

use chrono::{DateTime, Utc};
use proto::project::v1 as pb;
use shared::access::{ConsistencyToken, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::page::AfterTime;
use shared::user_lookup::known_users;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{AnswerTransferInput, ListTransfersInput, OfferOwnershipInput, TransferId};
use super::{Answer, Transfer, queries};
use crate::handler::ProjectHandler;
use crate::members::queries as members;
use crate::projects::access_revision::LockedRevision;
use crate::projects::queries as projects;
use crate::schema::NAME;

impl ProjectHandler {
    async fn answer_transfer(
        &self,
        caller: &Caller,
        input: AnswerTransferInput,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let AnswerTransferInput { answer, id, etag } = input;
        let user_id = caller.user()?.user_id;
        let now = self.context.clock.now();
        let tx = self.context.database.begin(caller).await?;
        let LockedTransfer { access, transfer, revision } = lock(&tx, id, user_id, answer).await?;
        transfer.authorize_answer(answer, user_id)?;
        if !transfer.needs_answer(answer, now)? {
            tx.finish();
            return Ok(answered(transfer.to_wire(now), revision.map(LockedRevision::current)));
        }
        etag::check(&etag, transfer.version)?;
        let transfer = queries::close(tx, &access, &transfer, answer, now).await?;
        self.context.signal.announce();
        Ok(answered(transfer.to_wire(now), revision.map(LockedRevision::next)))
    }

    async fn claim_or_replay_transfer(
        &self,
        caller: &Caller,
        input: &OfferOwnershipInput,
        now: DateTime<Utc>,
    ) -> Result<CreateClaim> {
        let OfferOwnershipInput { key, transfer } = input;
        let (project_id, owner_id) = (transfer.project_id, transfer.from_user_id);
        let tx = self.context.database.begin(caller).await?;
        let (earlier, _project, member, (), pending, access) = futures::try_join!(
            idempotency::claim(&tx, NAME, owner_id, "OfferOwnership", key.as_ref(), transfer.id),
            projects::lock(&tx, project_id),
            members::lock(&tx, project_id, owner_id, transfer.to_user_id),
            queries::mark_expired(&tx, project_id, now),
            queries::pending(&tx, project_id),
            projects::access(&tx, project_id, owner_id),
        )?;
        if let Some(id) = earlier {
            let transfer = queries::find(&tx, TransferId { project_id, id }).await?;
            tx.finish();
            return Ok(CreateClaim::Replayed(transfer));
        }
        access.require(Permission::ProjectTransfer)?;
        if member.is_none() {
            return Err(members::not_found(transfer.to_user_id));
        }
        if let Some(pending) = pending {
            return Err(already_offered(&pending));
        }
        Ok(CreateClaim::New(Box::new((tx, access))))
    }
}

enum CreateClaim {
    /// The resource of an earlier call with the same request id.
    Replayed(Transfer),
    /// The open transaction, in which the limits were checked.
    New(Box<(Transaction, ProjectAccess)>),
}

fn already_offered(pending: &Transfer) -> Error {
    Error::Precondition {
        reason: ErrorReason::TransferPending,
        message: "the project has a pending transfer; withdraw it first".to_owned(),
        metadata: vec![("transfer_id", pending.id.to_string())],
    }
}

/// A transfer, locked until the transaction ends.
struct LockedTransfer {
    access: ProjectAccess,
    transfer: Transfer,
    /// Locked only when the transfer is accepted.
    revision: Option<LockedRevision>,
}

fn answered<T>(message: T, token: Option<ConsistencyToken>) -> Response<T> {
    match token {
        Some(token) => token.answer(message),
        None => Response::new(message),
    }
}

/// Locks a transfer, and to accept it also what changes with it, in the order of all transactions: project, members,
/// transfer, access revision.
async fn lock(tx: &Transaction, id: TransferId, user_id: Uuid, answer: Answer) -> Result<LockedTransfer> {
    let accepts = answer == Answer::Accept;
    let owner_and_recipient = async {
        if accepts {
            let (_project, _members) = futures::try_join!(
                projects::lock(tx, id.project_id),
                members::lock_owner_and(tx, id.project_id, user_id)
            )?;
        }
        Ok(())
    };
    let hold =
        async { if accepts { projects::lock_revision(tx, id.project_id).await.map(Some) } else { Ok(None) } };
    let ((), locked, found, revision, access) = futures::try_join!(
        owner_and_recipient,
        queries::lock(tx, id),
        queries::find(tx, id),
        hold,
        projects::access(tx, id.project_id, user_id),
    )?;
    access.require(Permission::ProjectRead)?;
    Ok(LockedTransfer { access, transfer: locked.unwrap_or(found), revision })
}

impl ProjectHandler {
    pub(crate) async fn offer_ownership(
        &self,
        request: Request<pb::OfferOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        let now = self.context.clock.now();
        let input = OfferOwnershipInput::of(request.into_inner(), caller.user()?.user_id, now)?;
        // Before the transaction: no connection and no lock waits for a sibling.
        let recipient = input.transfer.to_user_id;
        let known = known_users(&self.context.siblings, &[recipient], true).await?;
        let transfer = match self.claim_or_replay_transfer(&caller, &input, now).await? {
            CreateClaim::Replayed(transfer) => transfer,
            CreateClaim::New(_) if !known.contains(&recipient) => {
                return Err(Error::not_found("user", recipient).into());
            }
            CreateClaim::New(room) => queries::insert(room.0, &room.1, &input.transfer).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(transfer.to_wire(now)))
    }

    pub(crate) async fn get_ownership_transfer(
        &self,
        request: Request<pb::GetOwnershipTransferRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let id = TransferId::of(&request.get_ref().project_id, &request.get_ref().transfer_id)?;
        let tx = self.context.database.begin(&caller).await?;
        let (access, transfer) =
            futures::try_join!(projects::access(&tx, id.project_id, user_id), queries::find(&tx, id))?;
        tx.finish();
        if ![transfer.from_user_id, transfer.to_user_id].contains(&user_id) {
            access.require(Permission::MemberRead)?;
        }
        Ok(Response::new(transfer.to_wire(self.context.clock.now())))
    }

    pub(crate) async fn list_ownership_transfers(
        &self,
        request: Request<pb::ListOwnershipTransfersRequest>,
    ) -> Result<Response<pb::ListOwnershipTransfersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let ListTransfersInput { project_id, statuses, page_size, page_token } =
            request.into_inner().try_into()?;
        let query = format!("transfers of {project_id:?} that {user_id} sees: {statuses:?}");
        let page = self.context.pages.read::<AfterTime>(&query, page_size, &page_token)?;
        let now = self.context.clock.now();
        let tx = self.context.database.begin(&caller).await?;
        let may_read = async {
            let Some(project_id) = project_id else { return Ok(()) };
            projects::access(&tx, project_id, user_id).await?.require(Permission::MemberRead).map(|_| ())
        };
        let ((), mut found) =
            futures::try_join!(may_read, queries::list(&tx, project_id, user_id, &statuses, &page, now))?;
        tx.finish();
        let position = |last: &Transfer| AfterTime { at: last.created_at, id: last.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut found, position)?;
        let transfers = found.iter().map(|transfer| transfer.to_wire(now)).collect();
        Ok(Response::new(pb::ListOwnershipTransfersResponse { transfers, next_page_token }))
    }

    pub(crate) async fn accept_ownership(
        &self,
        request: Request<pb::AcceptOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer_transfer(&caller, request.into_inner().try_into()?).await
    }

    pub(crate) async fn decline_ownership(
        &self,
        request: Request<pb::DeclineOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer_transfer(&caller, request.into_inner().try_into()?).await
    }

    pub(crate) async fn withdraw_ownership(
        &self,
        request: Request<pb::WithdrawOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer_transfer(&caller, request.into_inner().try_into()?).await
    }
}
