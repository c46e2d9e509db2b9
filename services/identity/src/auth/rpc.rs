//! `AuthService`: registration, login and logout.

use proto::identity::v1 as pb;
use proto::identity::v1::who_am_i_response::Credential;
use shared::caller::Caller;
use shared::error::{Error, ErrorReason};
use shared::idempotency;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::login::{begin_session, create_account, log_in, log_in_again};
use super::{AccountDraft, LoginInput, RegisterInput};
use crate::audit::{self, Event, Kind};
use crate::handler::IdentityHandler;
use crate::limits::{Account, Attempt, Purpose};
use crate::second_factor::{self, ChallengeAnswer, ProofClaim};
use crate::sessions::{Device, SESSION_INVALID};
use crate::{NAME, RegistrationMode, sessions};

/// Registration in one step tells whether an address has an account.
fn sign_up_required() -> Error {
    Error::Precondition {
        reason: ErrorReason::SignUpRequired,
        message: "accounts are made in two steps here; begin with AuthService.BeginSignUp".to_owned(),
        metadata: vec![("method", "dafnck.identity.v1.AuthService/BeginSignUp".to_owned())],
    }
}

impl IdentityHandler {
    pub(crate) async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        if self.registration == RegistrationMode::Confirmed {
            return Err(sign_up_required().into());
        }
        let RegisterInput { key, email, account } = request.into_inner().try_into()?;
        self.limiter.admit(&Attempt::new(Purpose::Register, &device)).await?;
        let password_hash = self.passwords.hash(account.password.clone()).await?;
        let (user_id, nobody) = (Uuid::now_v7(), Uuid::nil());

        let tx = self.begin_anonymous().await?;
        let claim = idempotency::claim(&tx, NAME, nobody, "Register", key.as_ref(), user_id).await?;
        let outcome = if let Some(created) = claim {
            tx.finish();
            let (password, device_token) = (account.password, String::new());
            let input = LoginInput { login: email, password, device_token };
            log_in_again(self, input, created, &device).await?
        } else {
            let (email, account, password_hash) = (&email, &account, &password_hash);
            let draft = AccountDraft { user_id, email, email_verified: false, account, password_hash };
            create_account(self, tx, draft, &device).await?
        };

        Ok(Response::new(outcome.into_wire(&self.keys)?))
    }

    pub(crate) async fn login(
        &self,
        request: Request<pb::LoginRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        let input = LoginInput::try_from(request.into_inner())?;

        let password = self.verifier.verify_login(input, &device).await?;
        let outcome = log_in(self, password, &device).await?;

        Ok(Response::new(outcome.into_wire(&self.keys)?))
    }

    pub(crate) async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> Result<Response<pb::SessionGrant>, Status> {
        let device = Device::of(&request);
        let ChallengeAnswer { token, proof } = request.into_inner().try_into()?;

        let now = self.now();
        let user_id = second_factor::count_attempt(&self.context.database, &token, now).await?;
        let complete = async {
            let tx = self.begin_as(user_id).await?;
            let claim = ProofClaim { user_id, proof: &proof, now };
            second_factor::complete_challenge(&tx, &self.keys, &token, &claim).await?;
            audit::append(&tx, &Event::new(proof.login_kind(), user_id).by_user(user_id).from(&device))?;
            begin_session(self, tx, user_id, &device).await
        };
        let attempt = Attempt::new(Purpose::SecondFactor, &device).on(Account::Known(user_id));
        let grant = self.limiter.guard(attempt, complete).await?;

        Ok(Response::new(grant.into_wire(&self.keys)?))
    }

    pub(crate) async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (current, user_id) = (caller.user()?.session_id, caller.user()?.user_id);
        let event = Event::new(Kind::Logout, user_id).by(&caller).from(&Device::of(&request));

        let tx = self.begin(&caller).await?;
        audit::append(&tx, &event)?;
        let revoke = async move {
            let revoked = sessions::queries::revoke(tx, current).await?;
            Ok(((), revoked.into_iter().map(|(_, hash)| hash).collect()))
        };
        self.revocations.announce_after(revoke).await?;

        Ok(Response::new(pb::LogoutResponse {}))
    }

    pub(crate) async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let caller = Caller::of(&request)?;
        let current = caller.user()?;

        let found = self.caller_reads.read(&caller, current.session_id).await?;
        let (user, session, api_token) = found.ok_or(SESSION_INVALID)?;

        let session = session.map(|session| session.into_wire(current.session_id));
        let api_token = api_token.map(Into::into);
        let credential = session.map(Credential::Session).or(api_token.map(Credential::ApiToken));
        Ok(Response::new(pb::WhoAmIResponse {
            user: Some(user.into_wire(&self.keys)?),
            credential: Some(credential.ok_or(SESSION_INVALID)?),
        }))
    }
}
