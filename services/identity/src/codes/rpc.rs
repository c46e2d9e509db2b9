//! Codes for calling backends: mailed, or returned.

use shared::database::Database;
use shared::error::Result;
use shared::mail::Outbox;
use shared::proto::identity::internal::v1 as pb;
use shared::proto::identity::internal::v1::account_code_service_server::AccountCodeService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Codes, Purpose, Wish};
use crate::letters;

/// Serves `AccountCodeService`.
pub struct AccountCodeApi {
    /// Under the role that serves requests.
    pub database: Database,
    /// The codes.
    pub codes: Codes,
    /// Their letters.
    pub outbox: Outbox,
}

impl AccountCodeApi {
    async fn create(&self, wish: Wish) -> Result<Response<pb::AccountCode>, Status> {
        let tx = self.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue(&tx, &wish).await?;
        if let (Purpose::ChangeEmail, Some(addressee)) = (wish.purpose, &issued.addressee) {
            let told = letters::email_change_asked(addressee.user_id, &addressee.email, issued.expires_at);
            self.outbox.queue(&tx, &told).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(Response::new(issued.into_wire()?))
    }
}

#[tonic::async_trait]
impl AccountCodeService for AccountCodeApi {
    async fn create_email_verification_code(
        &self,
        request: Request<pb::CreateEmailVerificationCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request.into_inner().try_into()?).await
    }

    async fn create_password_reset_code(
        &self,
        request: Request<pb::CreatePasswordResetCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request.into_inner().try_into()?).await
    }

    async fn create_email_change_code(
        &self,
        request: Request<pb::CreateEmailChangeCodeRequest>,
    ) -> Result<Response<pb::AccountCode>, Status> {
        self.create(request.into_inner().try_into()?).await
    }
}
