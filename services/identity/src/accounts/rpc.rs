//! What users do with their own accounts.

use futures::try_join;
use shared::caller::Caller;
use shared::database::explain;
use shared::error::{Error, ErrorReason, Result};
use shared::json::to_timestamp;
use shared::mail::Outbox;
use shared::proto::identity::v1 as pb;
use shared::proto::identity::v1::account_service_server::AccountService;
use shared::service::Ground;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries::{self, Names};
use super::{EmailChange, PasswordChange, Redemption, Reset, wire};
use crate::codes::{Codes, Issued, Purpose, Wish};
use crate::passwords::Passwords;
use crate::sessions::{Device, Revocations, SESSION_INVALID, queries::revoke_others};
use crate::signing_in::{Login, Proofs};
use crate::{CONSTRAINTS, letters};

/// Serves `AccountService`.
pub struct AccountApi {
    /// What it stands on.
    pub ground: Ground,
    /// Proves passwords, within the limits on guessing.
    pub proofs: Proofs,
    /// Hashes new ones.
    pub passwords: Passwords,
    /// Codes.
    pub codes: Codes,
    /// Letters.
    pub outbox: Outbox,
    /// Ends sessions everywhere.
    pub revocations: Revocations,
}

impl AccountApi {
    /// The calling user's names. Their account may have ended since the session was looked up.
    async fn own(&self, caller: &Caller) -> Result<Names> {
        let tx = self.ground.database.begin(caller).await?;
        let names = queries::find_names(&tx, caller.user()?.user_id).await?;
        tx.finish();
        names.ok_or(SESSION_INVALID)
    }

    /// Whether this is the account's password.
    async fn prove(&self, names: &Names, password: String, device: &Device) -> Result<()> {
        let login = Login { login: names.email.clone(), password };
        match self.proofs.of(login, device.address).await {
            Ok(proven) if proven.user_id == names.id => Ok(()),
            Err(error) if error.reason() != ErrorReason::BadCredentials => Err(error),
            _ => Err(Error::PermissionDenied {
                reason: ErrorReason::PasswordWrong,
                message: "the password is not yours".to_owned(),
                metadata: Vec::new(),
            }),
        }
    }

    /// Makes a code for somebody who may not be there.
    async fn issue(&self, wish: Wish) -> Result<Issued> {
        let tx = self.ground.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue(&tx, &wish).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(issued)
    }

    /// Sets a password with a code whose transaction is open.
    async fn reset(&self, reset: &Reset) -> Result<()> {
        let Redemption { request_id, code } = &reset.redemption;
        // First only to look: whoever has no code costs no hash, and a weak password does not cost the code.
        let tx = self.ground.database.begin_as(Uuid::nil()).await?;
        let used = self.codes.redeem(&tx, Purpose::ResetPassword, code, *request_id).await?;
        drop(tx);
        if used.is_replay {
            return Ok(());
        }
        wire::check_words(&reset.new_password, &used.username, &used.former_email)?;
        let hash = self.passwords.hash(reset.new_password.clone()).await?;

        let tx = self.ground.database.begin_as(Uuid::nil()).await?;
        let used = self.codes.redeem(&tx, Purpose::ResetPassword, code, *request_id).await?;
        if used.is_replay {
            return Ok(());
        }
        let told = letters::password_changed(used.user_id, &used.former_email, self.ground.clock.now());
        try_join!(queries::set_password_hash(&tx, used.user_id, &hash), self.outbox.queue(&tx, &told))?;
        self.revocations.announce_after(revoke_others(tx, Uuid::nil())).await?;
        self.outbox.wake();
        Ok(())
    }
}

#[tonic::async_trait]
impl AccountService for AccountApi {
    async fn request_email_verification(
        &self,
        request: Request<pb::RequestEmailVerificationRequest>,
    ) -> Result<Response<pb::RequestEmailVerificationResponse>, Status> {
        let user_id = Some(Caller::of(&request)?.user()?.user_id);

        let wish = Wish { purpose: Purpose::VerifyEmail, user_id, email: None, is_mailed: true };
        let issued = self.issue(wish).await?;

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::RequestEmailVerificationResponse { expires_at }))
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let Redemption { request_id, code } = request.into_inner().try_into()?;

        let tx = self.ground.database.begin_as(Uuid::nil()).await?;
        let used = self.codes.redeem(&tx, Purpose::VerifyEmail, &code, request_id).await?;
        if !used.is_replay && !queries::verify(&tx, used.user_id, &used.email).await? {
            return Err(crate::codes::invalid().into());
        }
        tx.commit().await?;

        Ok(Response::new(pb::VerifyEmailResponse { email: used.email }))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let email = Some(wire::forgetful(request.get_ref())?);

        let wish = Wish { purpose: Purpose::ResetPassword, user_id: None, email, is_mailed: true };
        self.issue(wish).await?;

        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let reset = Reset::try_from(request.into_inner())?;
        self.reset(&reset).await?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let kept = caller.user()?.session_id;
        let names = self.own(&caller).await?;
        let PasswordChange { old_password, new_password } = PasswordChange::of(request.into_inner(), &names)?;
        self.prove(&names, old_password, &device).await?;
        let hash = self.passwords.hash(new_password).await?;

        let told = letters::password_changed(names.id, &names.email, self.ground.clock.now());
        let tx = self.ground.database.begin(&caller).await?;
        try_join!(queries::set_password_hash(&tx, names.id, &hash), self.outbox.queue(&tx, &told))?;
        let revoked = self.revocations.announce_after(revoke_others(tx, kept)).await?;
        self.outbox.wake();

        let revoked_session_count = i32::try_from(revoked).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ChangePasswordResponse { revoked_session_count }))
    }

    async fn request_email_change(
        &self,
        request: Request<pb::RequestEmailChangeRequest>,
    ) -> Result<Response<pb::RequestEmailChangeResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let names = self.own(&caller).await?;
        let EmailChange { password, new_email } = EmailChange::of(request.into_inner(), &names)?;
        self.prove(&names, password, &device).await?;

        let told = letters::email_change_asked(names.id, &names.email, self.ground.clock.now());
        let (user_id, email) = (Some(names.id), Some(new_email));
        let wish = Wish { purpose: Purpose::ChangeEmail, user_id, email, is_mailed: true };
        let tx = self.ground.database.begin(&caller).await?;
        let (issued, ()) = try_join!(self.codes.issue(&tx, &wish), self.outbox.queue(&tx, &told))?;
        tx.commit().await?;
        self.outbox.wake();

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::RequestEmailChangeResponse { expires_at }))
    }

    async fn confirm_email_change(
        &self,
        request: Request<pb::ConfirmEmailChangeRequest>,
    ) -> Result<Response<pb::ConfirmEmailChangeResponse>, Status> {
        let Redemption { request_id, code } = request.into_inner().try_into()?;

        let tx = self.ground.database.begin_as(Uuid::nil()).await?;
        let used = self.codes.redeem(&tx, Purpose::ChangeEmail, &code, request_id).await?;
        if used.is_replay {
            tx.finish();
            return Ok(Response::new(pb::ConfirmEmailChangeResponse { email: used.email }));
        }
        queries::set_email(&tx, used.user_id, &used.email).await.map_err(explain(CONSTRAINTS))?;
        let told = |recipient: &str| {
            letters::email_changed(used.user_id, recipient, &used.email, self.ground.clock.now())
        };
        let (former, new) = (told(&used.former_email), told(&used.email));
        try_join!(self.outbox.queue(&tx, &former), self.outbox.queue(&tx, &new))?;
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(pb::ConfirmEmailChangeResponse { email: used.email }))
    }

    async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let password = wire::confirmation(request.into_inner())?;
        let names = self.own(&caller).await?;
        self.prove(&names, password, &device).await?;

        let told = letters::account_deleted(names.id, &names.email, self.ground.clock.now());
        let tx = self.ground.database.begin(&caller).await?;
        try_join!(queries::delete(&tx, names.id), self.outbox.queue(&tx, &told))?;
        self.revocations.announce_after(revoke_others(tx, Uuid::nil())).await?;
        self.outbox.wake();

        Ok(Response::new(pb::DeleteAccountResponse {}))
    }
}
