//! What users do with their own accounts.

use futures::stream::BoxStream;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::{Transaction, explain};
use shared::error::Result;
use shared::json::to_timestamp;
use shared::mail::Outbox;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{EmailChange, PasswordChange, Reset, queries, wire};
use crate::audit::{self, Event, Kind};
use crate::auth::PasswordVerifier;
use crate::codes::{self, CodeGate, Codes, Issued, Purpose, Redemption, Used, Wish};
use crate::encryption::KeyRing;
use crate::limits::{Account, Attempt, Limits, Purpose as Budget};
use crate::passwords::Passwords;
use crate::sessions::{
    Device, Revocations,
    queries::{Ending, revoke_all},
};
use crate::user_administration;
use crate::{CONSTRAINTS, emails, users};

/// Serves `AccountService`.
#[derive(Clone)]
pub struct AccountApi {
    /// What it stands on.
    pub context: ServiceContext,
    /// Opens names.
    pub keys: KeyRing,
    /// Proves passwords, within the limits on guessing.
    pub proofs: PasswordVerifier,
    /// Hashes new ones.
    pub passwords: Passwords,
    /// Codes.
    pub codes: Codes,
    /// Letters.
    pub outbox: Outbox,
    /// Ends sessions everywhere.
    pub revocations: Revocations,
    /// Limits on asking for codes.
    pub limits: Limits,
    /// Limits on guessing at them.
    pub gate: CodeGate,
}

impl AccountApi {
    /// Counts a letter that somebody wants sent: to an account by id, or by an address that may be nobody's.
    async fn count_letter(&self, account: Account, device: &Device) -> Result<()> {
        self.limits.admit(Attempt::new(Budget::SendCode).on(account).from(device)).await.map(drop)
    }

    /// Makes a code for somebody who may not be there.
    async fn issue(&self, wish: Wish, device: &Device) -> Result<Issued> {
        let tx = self.context.database.begin_as(Uuid::nil()).await?;
        let issued = self.codes.issue(&tx, &wish).await?;
        if let Some(kind) = wish.purpose.asked() {
            // Also for nobody: whether there is an account shows in nothing that takes time.
            let user_id = issued.addressee.as_ref().map(|addressee| addressee.user_id);
            audit::append(&tx, &Event::new(kind, user_id).from(device))?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(issued)
    }

    /// Uses a code up in a new transaction, within the limits on guessing.
    async fn redeem(
        &self,
        purpose: Purpose,
        redemption: &Redemption,
        device: &Device,
    ) -> Result<(Transaction, Used)> {
        let redeem = async {
            let tx = self.context.database.begin_as(Uuid::nil()).await?;
            let used = self.codes.redeem(&tx, purpose, redemption).await?;
            Ok((tx, used))
        };
        self.gate.guard(device, redeem).await
    }

    /// Sets a password with a code.
    async fn reset(&self, reset: &Reset, device: &Device) -> Result<()> {
        // First only to look: whoever has no code costs no hash, and a weak password does not cost the code.
        let (tx, used) = self.redeem(Purpose::ResetPassword, &reset.redemption, device).await?;
        if used.is_replay {
            tx.undo();
            return Ok(());
        }
        let user = users::queries::find(&tx, used.user_id).await?.ok_or_else(codes::invalid)?;
        tx.undo();
        wire::check_words(&reset.new_password, &wire::words_of(&user, &self.keys)?)?;
        let hash = self.passwords.hash(reset.new_password.clone()).await?;

        let (tx, used) = self.redeem(Purpose::ResetPassword, &reset.redemption, device).await?;
        if used.is_replay {
            return Ok(());
        }
        let told = emails::password_changed(used.user_id, &used.former_email, self.context.clock.now());
        audit::append(
            &tx,
            &Event::new(Kind::PasswordReset, used.user_id).by_user(used.user_id).from(device),
        )?;
        self.outbox.queue(&tx, &told)?;
        queries::set_password_hash(&tx, used.user_id, &hash).await?;
        self.revocations.announce_after(revoke_all(tx, Ending::Everything, self.context.clock.now())).await?;
        self.outbox.wake();
        Ok(())
    }
}

impl AccountApi {
    pub(crate) async fn request_email_verification(
        &self,
        request: Request<pb::RequestEmailVerificationRequest>,
    ) -> Result<Response<pb::RequestEmailVerificationResponse>, Status> {
        let (user_id, device) = (Caller::of(&request)?.user()?.user_id, Device::of(&request));
        self.count_letter(Account::Known(user_id), &device).await?;

        let user_id = Some(user_id);
        let wish = Wish { purpose: Purpose::VerifyEmail, user_id, email: None, is_mailed: true };
        let issued = self.issue(wish, &device).await?;

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::RequestEmailVerificationResponse { expires_at }))
    }

    pub(crate) async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let device = Device::of(&request);
        let redemption = request.into_inner().try_into()?;

        let (tx, used) = self.redeem(Purpose::VerifyEmail, &redemption, &device).await?;
        if !used.is_replay {
            let event = Event::new(Kind::EmailVerified, used.user_id).by_user(used.user_id);
            audit::append(&tx, &event.from(&device))?;
            if !queries::verify(&tx, used.user_id, &used.email).await? {
                return Err(codes::invalid().into());
            }
        }
        tx.commit().await?;

        Ok(Response::new(pb::VerifyEmailResponse { email: used.email }))
    }

    pub(crate) async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let device = Device::of(&request);
        let email = wire::forgetful(request.get_ref())?;
        self.count_letter(Account::Unknown(email.clone()), &device).await?;

        let email = Some(email);
        let wish = Wish { purpose: Purpose::ResetPassword, user_id: None, email, is_mailed: true };
        self.issue(wish, &device).await?;

        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    pub(crate) async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let device = Device::of(&request);
        let reset = Reset::try_from(request.into_inner())?;
        self.reset(&reset, &device).await?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    pub(crate) async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let kept = caller.user()?.session_id;
        let owner = self.proofs.owner(&caller).await?;
        let own = wire::words_of(&owner.user, &self.keys)?;
        let PasswordChange { old_password, new_password } = PasswordChange::of(request.into_inner(), &own)?;
        let (id, now) = (owner.user.id, self.context.clock.now());
        let told = emails::password_changed(id, &owner.user.email, now);
        let proof = self.proofs.of_owner(owner, old_password, &device).await?;
        let hash = self.passwords.hash(new_password).await?;

        let tx = self.context.database.begin(&caller).await?;
        proof.hold(&tx).await?;
        audit::append(&tx, &Event::new(Kind::PasswordChanged, id).by(&caller).from(&device))?;
        self.outbox.queue(&tx, &told)?;
        queries::set_password_hash(&tx, id, &hash).await?;
        let revoked = self
            .revocations
            .announce_after(revoke_all(tx, Ending::OtherSessions(kept), self.context.clock.now()))
            .await?;
        self.outbox.wake();

        let revoked_session_count = i32::try_from(revoked).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ChangePasswordResponse { revoked_session_count }))
    }

    pub(crate) async fn request_email_change(
        &self,
        request: Request<pb::RequestEmailChangeRequest>,
    ) -> Result<Response<pb::RequestEmailChangeResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let owner = self.proofs.owner(&caller).await?;
        let id = owner.user.id;
        let EmailChange { password, new_email } = EmailChange::of(request.into_inner(), &owner.user.email)?;
        let told = emails::email_change_asked(id, &owner.user.email, self.context.clock.now());
        let proof = self.proofs.of_owner(owner, password, &device).await?;
        self.count_letter(Account::Known(id), &device).await?;

        let (user_id, email) = (Some(id), Some(new_email));
        let wish = Wish { purpose: Purpose::ChangeEmail, user_id, email, is_mailed: true };
        let tx = self.context.database.begin(&caller).await?;
        proof.hold(&tx).await?;
        audit::append(&tx, &Event::new(Kind::EmailChangeRequested, id).by(&caller).from(&device))?;
        self.outbox.queue(&tx, &told)?;
        let issued = self.codes.issue(&tx, &wish).await?;
        tx.commit().await?;
        self.outbox.wake();

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::RequestEmailChangeResponse { expires_at }))
    }

    pub(crate) async fn confirm_email_change(
        &self,
        request: Request<pb::ConfirmEmailChangeRequest>,
    ) -> Result<Response<pb::ConfirmEmailChangeResponse>, Status> {
        let device = Device::of(&request);
        let redemption = request.into_inner().try_into()?;

        let (tx, used) = self.redeem(Purpose::ChangeEmail, &redemption, &device).await?;
        if used.is_replay {
            tx.finish();
            return Ok(Response::new(pb::ConfirmEmailChangeResponse { email: used.email }));
        }
        let event = Event::new(Kind::EmailChanged, used.user_id).by_user(used.user_id);
        audit::append(&tx, &event.from(&device))?;
        queries::set_email(&tx, used.user_id, &used.email).await.map_err(explain(CONSTRAINTS))?;
        let told = |recipient: &str| {
            emails::email_changed(used.user_id, recipient, &used.email, self.context.clock.now())
        };
        self.outbox.queue(&tx, &told(&used.former_email))?;
        self.outbox.queue(&tx, &told(&used.email))?;
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(pb::ConfirmEmailChangeResponse { email: used.email }))
    }

    pub(crate) async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let password = wire::confirmation(request.into_inner())?;
        let owner = self.proofs.owner(&caller).await?;
        let id = owner.user.id;
        let told = emails::account_deleted(id, &owner.user.email, self.context.clock.now());
        let proof = self.proofs.of_owner(owner, password, &device).await?;

        let tx = self.context.database.begin(&caller).await?;
        proof.hold(&tx).await?;
        audit::append(&tx, &Event::new(Kind::AccountDeleted, id).by(&caller).from(&device))?;
        self.outbox.queue(&tx, &told)?;
        queries::delete(&tx, id).await?;
        self.revocations.announce_after(revoke_all(tx, Ending::Everything, self.context.clock.now())).await?;
        self.outbox.wake();

        Ok(Response::new(pb::DeleteAccountResponse {}))
    }

    pub(crate) async fn export_account(
        &self,
        request: Request<pb::ExportAccountRequest>,
    ) -> Result<Response<BoxStream<'static, Result<pb::UserRecord, Status>>>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;

        let event = Event::new(Kind::AccountExported, user_id).by(&caller).from(&device);
        let records =
            user_administration::export(self.context.worker.clone(), &self.keys, user_id, &event).await?;
        Ok(Response::new(records))
    }
}
