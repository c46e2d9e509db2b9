//! The RPCs of `OwnershipService`.

use chrono::{DateTime, Utc};
use proto::project::v1 as pb;
use shared::access::{ConsistencyToken, Permission, ProjectAccess};
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, ErrorReason, Result};
use shared::page::AfterTime;
use shared::service::ServiceContext;
use shared::user_lookup::known_users;
use shared::{etag, idempotency};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{AnswerOffer, ListTransfers, OfferOwnership, TransferId};
use super::{Answer, Transfer, queries};
use crate::NAME;
use crate::members::queries as members;
use crate::projects::freshness::Freshness;
use crate::projects::queries as projects;

/// Serves `OwnershipService`.
pub(crate) struct Ownership {
    context: ServiceContext,
}

impl Ownership {
    pub(crate) fn new(context: ServiceContext) -> Self {
        Self { context }
    }

    /// Writes down somebody's answer to an offer.
    async fn answer(
        &self,
        caller: &Caller,
        asked: AnswerOffer,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let AnswerOffer { answer, id, etag } = asked;
        let user_id = caller.user()?.user_id;
        let now = self.context.clock.now();
        let tx = self.context.database.begin(caller).await?;
        let Locked { access, transfer, freshness } = lock(&tx, id, user_id, answer).await?;
        transfer.must_be_answered_by(answer, user_id)?;
        if !transfer.is_open_for(answer, now)? {
            tx.finish();
            return Ok(answered(transfer.to_message(now), freshness.map(Freshness::now)));
        }
        etag::check(&etag, transfer.version)?;
        let transfer = queries::close(tx, &access, &transfer, answer, now).await?;
        self.context.signal.announce();
        Ok(answered(transfer.to_message(now), freshness.map(Freshness::after_change)))
    }

    async fn claim_or_replay(
        &self,
        caller: &Caller,
        asked: &OfferOwnership,
        now: DateTime<Utc>,
    ) -> Result<Room> {
        let OfferOwnership { key, transfer } = asked;
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
            return Ok(Room::Taken(transfer));
        }
        access.require(Permission::ProjectTransfer)?;
        if member.is_none() {
            return Err(members::not_found(transfer.to_user_id));
        }
        if let Some(pending) = pending {
            return Err(already_offered(&pending));
        }
        Ok(Room::Free(Box::new((tx, access))))
    }
}

/// What a wish to offer a project finds.
enum Room {
    /// An earlier call under the same request id made this.
    Taken(Transfer),
    /// The owner may go on, in this transaction.
    Free(Box<(Transaction, ProjectAccess)>),
}

fn already_offered(pending: &Transfer) -> Error {
    Error::Precondition {
        reason: ErrorReason::TransferPending,
        message: "the project is offered to somebody already; withdraw that offer first".to_owned(),
        metadata: vec![("transfer_id", pending.id.to_string())],
    }
}

/// An offer, locked until the transaction ends.
struct Locked {
    access: ProjectAccess,
    transfer: Transfer,
    /// Of an offer that is to be accepted.
    freshness: Option<Freshness>,
}

fn answered<T>(message: T, token: Option<ConsistencyToken>) -> Response<T> {
    match token {
        Some(token) => token.answer(message),
        None => Response::new(message),
    }
}

/// Locks an offer, and for accepting it what changes with it, in the order in which everybody locks: project, members,
/// offer, access.
async fn lock(tx: &Transaction, id: TransferId, user_id: Uuid, answer: Answer) -> Result<Locked> {
    let accepts = answer == Answer::Accept;
    let owner_and_heir = async {
        if accepts {
            let (_project, _members) = futures::try_join!(
                projects::lock(tx, id.project_id),
                members::lock_owner_and(tx, id.project_id, user_id)
            )?;
        }
        Ok(())
    };
    let hold = async {
        if accepts { projects::hold_freshness(tx, id.project_id).await.map(Some) } else { Ok(None) }
    };
    let ((), locked, found, freshness, access) = futures::try_join!(
        owner_and_heir,
        queries::lock(tx, id),
        queries::find(tx, id),
        hold,
        projects::access(tx, id.project_id, user_id),
    )?;
    access.require(Permission::ProjectRead)?;
    Ok(Locked { access, transfer: locked.unwrap_or(found), freshness })
}

impl Ownership {
    pub(crate) async fn offer_ownership(
        &self,
        request: Request<pb::OfferOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        let now = self.context.clock.now();
        let asked = OfferOwnership::of(request.into_inner(), caller.user()?.user_id, now)?;
        // Before the transaction: no connection and no lock waits for a sibling.
        let heir = asked.transfer.to_user_id;
        let known = known_users(&self.context.siblings, &[heir], true).await?;
        let transfer = match self.claim_or_replay(&caller, &asked, now).await? {
            Room::Taken(transfer) => transfer,
            Room::Free(_) if !known.contains(&heir) => return Err(Error::not_found("user", heir).into()),
            Room::Free(room) => queries::insert(room.0, &room.1, &asked.transfer).await?,
        };
        self.context.signal.announce();
        Ok(Response::new(transfer.to_message(now)))
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
        Ok(Response::new(transfer.to_message(self.context.clock.now())))
    }

    pub(crate) async fn list_ownership_transfers(
        &self,
        request: Request<pb::ListOwnershipTransfersRequest>,
    ) -> Result<Response<pb::ListOwnershipTransfersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let ListTransfers { project_id, statuses, page_size, page_token } =
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
        let transfers = found.iter().map(|transfer| transfer.to_message(now)).collect();
        Ok(Response::new(pb::ListOwnershipTransfersResponse { transfers, next_page_token }))
    }

    pub(crate) async fn accept_ownership(
        &self,
        request: Request<pb::AcceptOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer(&caller, request.into_inner().try_into()?).await
    }

    pub(crate) async fn decline_ownership(
        &self,
        request: Request<pb::DeclineOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer(&caller, request.into_inner().try_into()?).await
    }

    pub(crate) async fn withdraw_ownership(
        &self,
        request: Request<pb::WithdrawOwnershipRequest>,
    ) -> Result<Response<pb::OwnershipTransfer>, Status> {
        let caller = Caller::of(&request)?;
        self.answer(&caller, request.into_inner().try_into()?).await
    }
}
