//! What operators do with accounts.

use crate::schema::UserStatus;
use futures::stream::BoxStream;
use proto::identity::admin::v1 as pb;
use proto::identity::v1::{User as WireUser, UserRecord};
use shared::caller::Caller;
use shared::error::{Error, ErrorReason, Result};
use shared::page::AfterTime;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};

use super::{Filter, export, queries, wire};
use crate::audit::{self, Event, Kind};
use crate::encryption::KeyRing;
use crate::sessions::{Device, Revocations};
use crate::users;

/// Serves `UserAdministrationService`.
pub struct UserAdministrationApi {
    /// What it stands on.
    pub context: ServiceContext,
    /// Opens names.
    pub keys: KeyRing,
    /// Ends sessions everywhere.
    pub revocations: Revocations,
}

/// What an operator does with an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Suspend,
    Reactivate,
    Delete,
    Erase,
}

impl Act {
    fn event(self) -> Kind {
        match self {
            Self::Suspend => Kind::AccountSuspended,
            Self::Reactivate => Kind::AccountReactivated,
            Self::Delete => Kind::AccountDeleted,
            Self::Erase => Kind::AccountErased,
        }
    }

    /// What does not go: a deleted account is not suspended, and what is erased does not come back.
    fn check(self, user: &users::User) -> Result<()> {
        let is_erased = user.email.ends_with(queries::ERASED_DOMAIN);
        let forbidden = match self {
            Self::Suspend => user.status == UserStatus::Deleted,
            Self::Reactivate => is_erased,
            Self::Delete | Self::Erase => false,
        };
        if !forbidden {
            return Ok(());
        }
        let status = if is_erased { "erased" } else { "deleted" };
        Err(Error::Precondition {
            reason: ErrorReason::InvalidStatusTransition,
            message: format!("the account is {status}"),
            metadata: vec![("status", status.to_owned())],
        })
    }
}

impl UserAdministrationApi {
    /// In a task of its own with the announcement, so that whoever was thrown out is out everywhere.
    async fn act(&self, act: Act, user_id: &str, caller: Caller, device: Device) -> Result<WireUser> {
        caller.operator()?;
        let id = wire::user_id(user_id)?;
        let not_found = move || Error::not_found("user", id);

        let tx = self.context.worker.begin_background().await?;
        act.check(&users::queries::lock(&tx, id).await?.ok_or_else(not_found)?)?;
        let done = async move {
            let ended = match act {
                Act::Suspend => queries::set_status(&tx, id, UserStatus::Suspended).await?,
                Act::Reactivate => queries::set_status(&tx, id, UserStatus::Active).await?,
                Act::Delete => queries::set_status(&tx, id, UserStatus::Deleted).await?,
                Act::Erase => queries::erase(&tx, id).await?,
            };
            // Last: erasing takes from the log where the user was, not where the operator is.
            audit::append(&tx, &Event::new(act.event(), id).by(&caller).from(&device))?;
            let user = users::queries::find(&tx, id).await?.ok_or_else(not_found)?;
            tx.commit().await?;
            Ok((user, ended))
        };
        self.revocations.announce_after(done).await?.into_wire(&self.keys)
    }
}

impl UserAdministrationApi {
    pub(crate) async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let operator = caller.operator()?;
        let request = request.into_inner();
        let filter = Filter::of(&request)?;
        let query = format!("users for {operator} {filter:?}");
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;

        let tx = self.context.worker.begin_background().await?;
        let mut users = queries::list(&tx, &filter, &page).await?;
        tx.finish();

        let position = |user: &users::User| AfterTime { at: user.created_at, id: user.id };
        let next_page_token = self.context.pages.cut(&query, page.size, &mut users, position)?;
        let users = users.into_iter().map(|user| user.into_wire(&self.keys)).collect::<Result<_>>()?;
        Ok(Response::new(pb::ListUsersResponse { users, next_page_token }))
    }

    pub(crate) async fn suspend_user(
        &self,
        request: Request<pb::SuspendUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(self.act(Act::Suspend, &request.get_ref().user_id, caller, device).await?))
    }

    pub(crate) async fn reactivate_user(
        &self,
        request: Request<pb::ReactivateUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(self.act(Act::Reactivate, &request.get_ref().user_id, caller, device).await?))
    }

    pub(crate) async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(self.act(Act::Delete, &request.get_ref().user_id, caller, device).await?))
    }

    pub(crate) async fn erase_user(
        &self,
        request: Request<pb::EraseUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(self.act(Act::Erase, &request.get_ref().user_id, caller, device).await?))
    }

    pub(crate) async fn export_user(
        &self,
        request: Request<pb::ExportUserRequest>,
    ) -> Result<Response<BoxStream<'static, Result<UserRecord, Status>>>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        caller.operator()?;
        let id = wire::user_id(&request.get_ref().user_id)?;

        let event = Event::new(Kind::AccountExported, id).by(&caller).from(&device);
        Ok(Response::new(export::stream(self.context.worker.clone(), &self.keys, id, &event).await?))
    }
}
