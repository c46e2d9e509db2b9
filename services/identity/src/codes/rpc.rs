//! `AccountCodeService`: codes for back ends, mailed or returned.

use proto::identity::backend::v1 as pb;
use shared::caller::Caller;
use shared::error::{Error, Result};
use tonic::{Request, Response, Status};

use super::{CodeInput, Purpose, SignUpCodeInput};
use crate::audit::{self, Event, Kind};
use crate::emails;
use crate::handler::IdentityHandler;
use crate::sessions::Device;

impl IdentityHandler {
    async fn create_code<T>(&self, request: Request<T>) -> Result<Response<pb::AccountCode>, Status>
    where
        CodeInput: TryFrom<T, Error = Error>,
    {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let input = CodeInput::try_from(request.into_inner())?;

        let tx = self.begin_anonymous().await?;
        let issued = self.codes.issue(&tx, &input).await?;
        if let Some(addressee) = &issued.addressee {
            if let Some(kind) = input.purpose.request_event() {
                audit::append(&tx, &Event::new(kind, addressee.user_id).by(&caller).from(&device))?;
            }
            if input.purpose == Purpose::ChangeEmail && !addressee.is_taken {
                let email =
                    emails::email_change_requested(addressee.user_id, &addressee.email, issued.expires_at);
                self.outbox.queue(&tx, &email)?;
            }
        }
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(issued.into_wire()?))
    }

    pub(crate) async fn create_email_verification_code(
        &self,
        request: Request<pb::CreateEmailVerificationCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create_code(request).await
    }

    pub(crate) async fn create_password_reset_code(
        &self,
        request: Request<pb::CreatePasswordResetCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create_code(request).await
    }

    pub(crate) async fn create_email_change_code(
        &self,
        request: Request<pb::CreateEmailChangeCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create_code(request).await
    }

    pub(crate) async fn create_sign_up_code(
        &self,
        request: Request<pb::CreateSignUpCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let input = SignUpCodeInput::try_from(request.into_inner())?;

        let tx = self.begin_anonymous().await?;
        let issued = self.codes.issue_sign_up_code(&tx, &input).await?;
        audit::append(&tx, &Event::new(Kind::SignUpRequested, issued.owner).by(&caller).from(&device))?;
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(issued.into_wire()?))
    }
}
