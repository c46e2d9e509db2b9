//! `UserAdminService`: accounts.

use futures::stream::BoxStream;
use proto::identity::admin::v1 as pb;
use proto::identity::v1::{User as WireUser, UserRecord};
use proto::project::backend::v1::EraseInviteeRequest;
use shared::caller::Caller;
use shared::error::{Error, ErrorReason, Result, from_sibling};
use shared::page::AfterTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{UserFilter, export, queries};
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::schema::UserStatus;
use crate::sessions::Device;
use crate::users::{self, parse_user_id};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Suspend,
    Reactivate,
    Delete,
    Erase,
}

impl Action {
    fn event(self) -> Kind {
        match self {
            Self::Suspend => Kind::AccountSuspended,
            Self::Reactivate => Kind::AccountReactivated,
            Self::Delete => Kind::AccountDeleted,
            Self::Erase => Kind::AccountErased,
        }
    }

    /// Rejects the suspension of a deleted account and the reactivation of an erased one.
    fn check(self, user: &users::User) -> Result<()> {
        let is_erased = user.email.ends_with(users::fields::ERASED_DOMAIN);
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

impl IdentityHandler {
    async fn perform_on_user(
        &self,
        action: Action,
        user_id: &str,
        caller: Caller,
        device: Device,
    ) -> Result<WireUser> {
        let id = parse_user_id(user_id)?;
        let not_found = move || Error::not_found("user", id);
        if action == Action::Erase {
            self.erase_invitee(id).await?;
        }

        let tx = self.begin_background().await?;
        action.check(&users::queries::lock(&tx, id).await?.ok_or_else(not_found)?)?;
        let commit = async move {
            let ended = match action {
                Action::Suspend => queries::set_status(&tx, id, UserStatus::Suspended).await?,
                Action::Reactivate => queries::set_status(&tx, id, UserStatus::Active).await?,
                Action::Delete => queries::set_status(&tx, id, UserStatus::Deleted).await?,
                Action::Erase => queries::erase(&tx, id).await?,
            };
            // After the action: erasing removes addresses from the log, but not that of the operator.
            audit::append(&tx, &Event::new(action.event(), id).by(&caller).from(&device))?;
            let user = users::queries::find(&tx, id).await?.ok_or_else(not_found)?;
            tx.commit().await?;
            Ok((user, ended))
        };
        self.revocations.announce_after(commit).await?.into_wire(&self.keys)
    }

    /// Has the project service overwrite the address in invitations. First, because the address is known only until the
    /// account is erased; and before the transaction, so that no lock waits for a sibling.
    async fn erase_invitee(&self, id: Uuid) -> Result<()> {
        let tx = self.begin_background().await?;
        let user = users::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
        tx.finish();
        let request = EraseInviteeRequest { user_id: id.to_string(), email: user.email };
        let mut invitations = self.context.siblings.project_invitations();
        invitations.erase_invitee(request).await.map_err(from_sibling("project"))?;
        Ok(())
    }

    pub(crate) async fn get_any_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let id = parse_user_id(&request.into_inner().user_id)?;

        let tx = self.begin_background().await?;
        let user = users::queries::find(&tx, id).await?.ok_or_else(|| Error::not_found("user", id))?;
        tx.finish();

        Ok(Response::new(user.into_wire(&self.keys)?))
    }

    pub(crate) async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> Result<Response<pb::ListUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let operator = caller.operator()?;
        let request = request.into_inner();
        let filter = UserFilter::parse(request.filter)?;
        let query = format!("users for {operator} {filter:?}");
        let page = self.context.pages.read::<AfterTime>(&query, request.page_size, &request.page_token)?;

        let tx = self.begin_background().await?;
        let (mut users, size) = queries::list(&tx, &filter, &page).await?;
        tx.finish();

        let position = |user: &users::User| AfterTime { at: user.created_at, id: user.id };
        let next_page_token = self.context.pages.cut(&query, size, &mut users, position)?;
        let users = users.into_iter().map(|user| user.into_wire(&self.keys)).collect::<Result<_>>()?;
        Ok(Response::new(pb::ListUsersResponse { users, next_page_token }))
    }

    pub(crate) async fn suspend_user(
        &self,
        request: Request<pb::SuspendUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(
            self.perform_on_user(Action::Suspend, &request.get_ref().user_id, caller, device).await?,
        ))
    }

    pub(crate) async fn reactivate_user(
        &self,
        request: Request<pb::ReactivateUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(
            self.perform_on_user(Action::Reactivate, &request.get_ref().user_id, caller, device).await?,
        ))
    }

    pub(crate) async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(
            self.perform_on_user(Action::Delete, &request.get_ref().user_id, caller, device).await?,
        ))
    }

    pub(crate) async fn erase_user(
        &self,
        request: Request<pb::EraseUserRequest>,
    ) -> Result<Response<WireUser>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        Ok(Response::new(
            self.perform_on_user(Action::Erase, &request.get_ref().user_id, caller, device).await?,
        ))
    }

    pub(crate) async fn export_user(
        &self,
        request: Request<pb::ExportUserRequest>,
    ) -> Result<Response<BoxStream<'static, Result<UserRecord, Status>>>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let id = parse_user_id(&request.get_ref().user_id)?;

        let event = Event::new(Kind::AccountExported, id).by(&caller).from(&device);
        Ok(Response::new(export::stream(self.clone(), id, &event).await?))
    }
}
