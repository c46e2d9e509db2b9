//! `AccountCodeService`: codes for back ends, mailed or returned.

use std::sync::Arc;

use proto::identity::backend::v1 as pb;
use shared::caller::Caller;
use shared::error::{Error, Result};
use tonic::{Request, Response, Status};

use super::{CodeInput, Purpose, SignUpCodeInput};
use crate::audit::{self, Event, Kind};
use crate::emails;
use crate::identity::Identity;
use crate::sessions::Device;

pub struct AccountCodeHandler(pub(crate) Arc<Identity>);

impl AccountCodeHandler {
    async fn create<T>(&self, request: Request<T>) -> Result<Response<pb::AccountCode>, Status>
    where
        CodeInput: TryFrom<T, Error = Error>,
    {
        let Self(identity) = self;
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let input = CodeInput::try_from(request.into_inner())?;

        let tx = identity.begin_anonymous().await?;
        let issued = identity.codes.issue(&tx, &input).await?;
        if let Some(addressee) = &issued.addressee {
            if let Some(kind) = input.purpose.request_event() {
                audit::append(&tx, &Event::new(kind, addressee.user_id).by(&caller).from(&device))?;
            }
            if input.purpose == Purpose::ChangeEmail && !addressee.is_taken {
                let email =
                    emails::email_change_requested(addressee.user_id, &addressee.email, issued.expires_at);
                identity.outbox.queue(&tx, &email)?;
            }
        }
        tx.commit().await?;
        identity.outbox.wake();

        Ok(Response::new(issued.into_wire()?))
    }

    pub(crate) async fn create_email_verification_code(
        &self,
        request: Request<pb::CreateEmailVerificationCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request).await
    }

    pub(crate) async fn create_password_reset_code(
        &self,
        request: Request<pb::CreatePasswordResetCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request).await
    }

    pub(crate) async fn create_email_change_code(
        &self,
        request: Request<pb::CreateEmailChangeCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request).await
    }

    pub(crate) async fn create_sign_up_code(
        &self,
        request: Request<pb::CreateSignUpCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        let Self(identity) = self;
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let input = SignUpCodeInput::try_from(request.into_inner())?;

        let tx = identity.begin_anonymous().await?;
        let issued = identity.codes.issue_sign_up_code(&tx, &input).await?;
        audit::append(&tx, &Event::new(Kind::SignUpRequested, issued.owner).by(&caller).from(&device))?;
        tx.commit().await?;
        identity.outbox.wake();

        Ok(Response::new(issued.into_wire()?))
    }
}
