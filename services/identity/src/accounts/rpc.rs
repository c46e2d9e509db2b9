//! The caller's own account.

use futures::stream::BoxStream;
use futures::try_join;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::{Transaction, explain};
use shared::error::{ErrorReason, Result};
use shared::idempotency::{self, RequestKey};
use shared::json::to_timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{ChangeEmailInput, ChangePasswordInput, ResetPasswordInput, queries, wire};
use crate::audit::{self, Event, Kind};
use crate::auth::Owner;
use crate::codes::{self, CodeInput, IssuedCode, Purpose, RedeemInput, RedeemedCode};
use crate::handler::IdentityHandler;
use crate::limits::{Account, Attempt, Purpose as AttemptPurpose};
use crate::sessions::Device;
use crate::sessions::queries::{RevokeScope, revoke_all};
use crate::{CONSTRAINTS, NAME, api_tokens, emails, sessions, user_administration, users};

/// The method of the idempotency key.
const CHANGE_PASSWORD: &str = "ChangePassword";

impl IdentityHandler {
    /// Counts an email to an account, given by id or by an address that may be nobody's.
    async fn admit_email(&self, account: Account, device: &Device) -> Result<()> {
        self.limiter.admit(&Attempt::new(AttemptPurpose::SendCode, device).on(account)).await
    }

    /// Issues a code, with the same work whether there is such an account or not.
    async fn issue_code(&self, input: CodeInput, device: &Device) -> Result<IssuedCode> {
        let tx = self.begin_anonymous().await?;
        let issued = self.codes.issue(&tx, &input).await?;
        if let Some(kind) = input.purpose.request_event() {
            let user_id = issued.addressee.as_ref().map(|addressee| addressee.user_id);
            audit::append(&tx, &Event::new(kind, user_id).from(device))?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(issued)
    }

    /// Uses a code up in a new transaction.
    async fn redeem_code(
        &self,
        purpose: Purpose,
        input: &RedeemInput,
        device: &Device,
    ) -> Result<(Transaction, RedeemedCode)> {
        let redeem = async {
            let tx = self.begin_anonymous().await?;
            let code = self.codes.redeem(&tx, purpose, input).await?;
            Ok((tx, code))
        };
        self.limiter.guard(Attempt::new(AttemptPurpose::RedeemCode, device), redeem).await
    }

    async fn set_password_with_code(&self, input: ResetPasswordInput, device: &Device) -> Result<()> {
        let ResetPasswordInput { redeem, new_password } = input;
        // A first look, undone: without a code nobody costs a hash, and a weak password does not cost the code.
        let (tx, code) = self.redeem_code(Purpose::ResetPassword, &redeem, device).await?;
        if code.is_replay {
            tx.undo();
            return Ok(());
        }
        let user = users::queries::find(&tx, code.user_id).await?.ok_or_else(codes::invalid)?;
        tx.undo();
        wire::check_new_password(&new_password, &wire::own_words(&user, &self.keys)?)?;
        let hash = self.passwords.hash(new_password).await?;

        let (tx, code) = self.redeem_code(Purpose::ResetPassword, &redeem, device).await?;
        if code.is_replay {
            return Ok(());
        }
        let user_id = code.user_id;
        audit::append(&tx, &Event::new(Kind::PasswordReset, user_id).by_user(user_id).from(device))?;
        let email = emails::password_reset(user_id, &code.former_email, self.now());
        self.outbox.queue(&tx, &email)?;
        queries::set_password_hash(&tx, user_id, &hash).await?;
        let revoke = revoke_all(tx, RevokeScope::SessionsAndApiTokens, self.now());
        self.revocations.announce_after(revoke).await?;
        self.outbox.wake();
        self.limiter.reset_logins([&user.email, &user.username], device).await;
        Ok(())
    }

    /// Sets the password and ends all other sessions, perhaps also the API tokens. Returns the number of sessions.
    async fn set_password(
        &self,
        caller: &Caller,
        owner: Owner,
        input: ChangePasswordInput,
        device: &Device,
    ) -> Result<i64> {
        let (id, current) = (owner.user.id, caller.user()?.session_id);
        let address = owner.user.email.clone();
        let password = self.verifier.verify_owner(caller, owner, input.old_password, device).await?;
        let hash = self.passwords.hash(input.new_password).await?;

        let tx = self.begin(caller).await?;
        let now = self.now();
        let ((), others, tokens) = try_join!(
            password.lock(&tx),
            sessions::queries::count_others(&tx, current, now),
            api_tokens::queries::list_valid(&tx, now)
        )?;
        audit::append(&tx, &Event::new(Kind::PasswordChanged, id).by(caller).from(device))?;
        let kept = if input.revoke_api_tokens { &[][..] } else { &tokens };
        self.outbox.queue(&tx, &emails::password_changed(id, &address, kept, now))?;
        // The id holds the number for a retry.
        let number = Uuid::from_u128(u128::from(others.unsigned_abs()));
        let claim = idempotency::claim(&tx, NAME, id, CHANGE_PASSWORD, input.key.as_ref(), number);
        let (claimed, ()) = try_join!(claim, queries::set_password_hash(&tx, id, &hash))?;
        if let Some(number) = claimed {
            tx.undo();
            return Ok(number_of(number));
        }
        let scope = match input.revoke_api_tokens {
            true => RevokeScope::OtherSessionsAndApiTokens(current),
            false => RevokeScope::OtherSessions(current),
        };
        self.revocations.announce_after(revoke_all(tx, scope, now)).await?;
        self.outbox.wake();
        Ok(others)
    }

    /// The number of sessions that an earlier call with this key ended.
    async fn find_password_change(&self, caller: &Caller, key: Option<&RequestKey>) -> Result<Option<i64>> {
        let Some(key) = key else { return Ok(None) };
        let tx = self.begin(caller).await?;
        let user_id = caller.user()?.user_id;
        let claimed = idempotency::claim(&tx, NAME, user_id, CHANGE_PASSWORD, Some(key), Uuid::nil()).await?;
        tx.undo();
        Ok(claimed.map(number_of))
    }

    pub(crate) async fn request_email_verification(
        &self,
        request: Request<pb::RequestEmailVerificationRequest>,
    ) -> Result<Response<pb::RequestEmailVerificationResponse>, Status> {
        let (user_id, device) = (Caller::of(&request)?.user()?.user_id, Device::of(&request));
        self.admit_email(Account::Known(user_id), &device).await?;

        let user_id = Some(user_id);
        let input = CodeInput { purpose: Purpose::VerifyEmail, user_id, email: None, is_mailed: true };
        let issued = self.issue_code(input, &device).await?;

        let expires_at = Some(to_timestamp(issued.expires_at));
        Ok(Response::new(pb::RequestEmailVerificationResponse { expires_at }))
    }

    pub(crate) async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let device = Device::of(&request);
        let input = request.into_inner().try_into()?;

        let (tx, code) = self.redeem_code(Purpose::VerifyEmail, &input, &device).await?;
        if !code.is_replay {
            let event = Event::new(Kind::EmailVerified, code.user_id).by_user(code.user_id);
            audit::append(&tx, &event.from(&device))?;
            if !queries::verify_email(&tx, code.user_id, &code.email).await? {
                return Err(codes::invalid().into());
            }
        }
        tx.commit().await?;

        Ok(Response::new(pb::VerifyEmailResponse { email: code.email }))
    }

    pub(crate) async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Result<Response<pb::RequestPasswordResetResponse>, Status> {
        let device = Device::of(&request);
        let email = wire::parse_password_reset(request.get_ref())?;
        self.admit_email(Account::named(None, &email), &device).await?;

        let email = Some(email);
        let input = CodeInput { purpose: Purpose::ResetPassword, user_id: None, email, is_mailed: true };
        self.issue_code(input, &device).await?;

        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    pub(crate) async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> Result<Response<pb::ResetPasswordResponse>, Status> {
        let device = Device::of(&request);
        let input = request.into_inner().try_into()?;

        self.set_password_with_code(input, &device).await?;

        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    pub(crate) async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let owner = self.verifier.find_owner(&caller).await?;
        let own = wire::own_words(&owner.user, &self.keys)?;
        let input = ChangePasswordInput::parse(request.into_inner(), &own)?;
        let key = input.key.clone();

        let mut revoked = self.find_password_change(&caller, key.as_ref()).await?;
        if revoked.is_none() {
            let changed = self.set_password(&caller, owner, input, &device).await;
            revoked = match changed {
                // A concurrent retry has changed it.
                Err(error) if error.reason() == ErrorReason::PasswordWrong => {
                    Some(self.find_password_change(&caller, key.as_ref()).await?.ok_or(error)?)
                }
                changed => Some(changed?),
            };
        }

        let revoked_session_count = i32::try_from(revoked.unwrap_or_default()).unwrap_or(i32::MAX);
        Ok(Response::new(pb::ChangePasswordResponse { revoked_session_count }))
    }

    pub(crate) async fn request_email_change(
        &self,
        request: Request<pb::RequestEmailChangeRequest>,
    ) -> Result<Response<pb::RequestEmailChangeResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let owner = self.verifier.find_owner(&caller).await?;
        let id = owner.user.id;
        let ChangeEmailInput { password, new_email } =
            ChangeEmailInput::parse(request.into_inner(), &owner.user.email)?;
        let notification = emails::email_change_requested(id, &owner.user.email, self.now());
        let password = self.verifier.verify_owner(&caller, owner, password, &device).await?;
        self.admit_email(Account::Known(id), &device).await?;

        let (user_id, email) = (Some(id), Some(new_email));
        let input = CodeInput { purpose: Purpose::ChangeEmail, user_id, email, is_mailed: true };
        let tx = self.begin(&caller).await?;
        password.lock(&tx).await?;
        audit::append(&tx, &Event::new(Kind::EmailChangeRequested, id).by(&caller).from(&device))?;
        self.outbox.queue(&tx, &notification)?;
        let issued = self.codes.issue(&tx, &input).await?;
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
        let input = request.into_inner().try_into()?;

        let (tx, code) = self.redeem_code(Purpose::ChangeEmail, &input, &device).await?;
        if code.is_replay {
            tx.finish();
            return Ok(Response::new(pb::ConfirmEmailChangeResponse { email: code.email }));
        }
        let event = Event::new(Kind::EmailChanged, code.user_id).by_user(code.user_id);
        audit::append(&tx, &event.from(&device))?;
        queries::set_email(&tx, code.user_id, &code.email).await.map_err(explain(CONSTRAINTS))?;
        let email = |recipient: &str| emails::email_changed(code.user_id, recipient, &code.email, self.now());
        self.outbox.queue(&tx, &email(&code.former_email))?;
        self.outbox.queue(&tx, &email(&code.email))?;
        tx.commit().await?;
        self.outbox.wake();

        Ok(Response::new(pb::ConfirmEmailChangeResponse { email: code.email }))
    }

    pub(crate) async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let password = wire::parse_delete_account(request.into_inner())?;
        let owner = self.verifier.find_owner(&caller).await?;
        let id = owner.user.id;
        let email = emails::account_deleted(id, &owner.user.email, self.now());
        let password = self.verifier.verify_owner(&caller, owner, password, &device).await?;

        let tx = self.begin(&caller).await?;
        password.lock(&tx).await?;
        audit::append(&tx, &Event::new(Kind::AccountDeleted, id).by(&caller).from(&device))?;
        self.outbox.queue(&tx, &email)?;
        queries::delete(&tx, id).await?;
        let revoke = revoke_all(tx, RevokeScope::SessionsAndApiTokens, self.now());
        self.revocations.announce_after(revoke).await?;
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
        let records = user_administration::export(self.clone(), user_id, &event).await?;
        Ok(Response::new(records))
    }
}

fn number_of(id: Uuid) -> i64 {
    i64::try_from(id.as_u128()).unwrap_or(i64::MAX)
}
