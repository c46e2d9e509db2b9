//! Codes for calling backends: mailed, or returned.

use proto::identity::backend::v1 as pb;
use shared::caller::Caller;
use shared::database::Database;
use shared::error::Result;
use shared::mail::Outbox;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Codes, Purpose, Wish};
use crate::audit::{self, Event, Kind};
use crate::emails;
use crate::sessions::Device;

/// Serves `AccountCodeService`.
pub struct AccountCodeApi {
    /// Under the role that serves requests.
    pub database: Database,
    /// The codes.
    pub codes: Codes,
    /// Their emails.
    pub outbox: Outbox,
}

/// Who asks for a code, and from where.
struct Asker {
    caller: Caller,
    device: Device,
}

impl Asker {
    fn of<T>(request: &Request<T>) -> Result<Self> {
        Ok(Self { caller: Caller::of(request)?, device: Device::of(request) })
    }
}

impl AccountCodeApi {
    async fn create(&self, wish: Wish, asker: Asker) -> Result<Response<pb::AccountCode>, Status> {
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue(&tx, &wish).await?;
        if let Some(addressee) = &issued.addressee {
            if let Some(kind) = wish.purpose.asked() {
                audit::append(
                    &tx,
                    &Event::new(kind, addressee.user_id).by(&asker.caller).from(&asker.device),
                )?;
            }
            if wish.purpose == Purpose::ChangeEmail && !addressee.is_taken {
                let told = emails::email_change_asked(addressee.user_id, &addressee.email, issued.expires_at);
                self.outbox.queue(&tx, &told)?;
            }
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(Response::new(issued.into_wire()?))
    }
}

impl AccountCodeApi {
    pub(crate) async fn create_email_verification_code(
        &self,
        request: Request<pb::CreateEmailVerificationCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let asker = Asker::of(&request)?;
        self.create(request.into_inner().try_into()?, asker).await
    }

    pub(crate) async fn create_password_reset_code(
        &self,
        request: Request<pb::CreatePasswordResetCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let asker = Asker::of(&request)?;
        self.create(request.into_inner().try_into()?, asker).await
    }

    pub(crate) async fn create_email_change_code(
        &self,
        request: Request<pb::CreateEmailChangeCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let asker = Asker::of(&request)?;
        self.create(request.into_inner().try_into()?, asker).await
    }

    pub(crate) async fn create_sign_up_code(
        &self,
        request: Request<pb::CreateSignUpCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let asker = Asker::of(&request)?;
        let wish = request.into_inner().try_into()?;

        let tx = self.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue_to_sign_up(&tx, &wish).await?;
        let event = Event::new(Kind::SignUpRequested, issued.owner);
        audit::append(&tx, &event.by(&asker.caller).from(&asker.device))?;
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(issued.into_wire()?))
    }
}
