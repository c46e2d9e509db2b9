//! Signing up, in and out.

use futures::try_join;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::{Transaction, explain};
use shared::error::{Error, ErrorReason};
use shared::idempotency;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::proof::{PasswordVerifier, VerifiedPassword};
use super::queries::Beginning;
use super::refresh::{Exchange, REFRESH_TOKEN_REUSED, Refreshed, refresh};
use super::{AccountDraft, INVALID_CREDENTIALS, Login, Opened, Registration, queries};
use crate::audit::{Audit, Event, Kind};
use crate::encryption::KeyRing;
use crate::limits::{Attempt, Limits, Purpose};
use crate::passwords::Passwords;
use crate::second_factor::{self, ChallengeAnswer, Claim, Gate};
use crate::sessions::{Device, Revocations, SESSION_INVALID, SessionStore, Succession, Tokens};
use crate::{CONSTRAINTS, NAME, RegistrationMode, api_tokens, audit, sessions, users};

/// Serves `AuthService`.
#[derive(Clone)]
pub struct AuthApi {
    pub(super) context: ServiceContext,
    keys: KeyRing,
    pub(super) passwords: Passwords,
    pub(super) limits: Limits,
    audit: Audit,
    proofs: PasswordVerifier,
    gate: Gate,
    exchange: Exchange,
    store: SessionStore,
    revocations: Revocations,
    registration: RegistrationMode,
}

impl AuthApi {
    /// On this context, with personal data sealed under these keys.
    pub fn new(
        context: ServiceContext,
        keys: KeyRing,
        passwords: Passwords,
        limits: Limits,
        audit: Audit,
        store: SessionStore,
        revocations: Revocations,
    ) -> Self {
        let proofs =
            PasswordVerifier::new(context.database.clone(), limits.clone(), passwords.clone(), audit.clone());
        let gate = Gate::new(limits.clone(), audit.clone());
        let succession = Succession::new(&context.options.service_secret);
        let exchange =
            Exchange { database: context.database.clone(), succession, options: store.options.clone() };
        Self {
            context,
            keys,
            passwords,
            limits,
            audit,
            proofs,
            gate,
            exchange,
            store,
            revocations,
            registration: RegistrationMode::default(),
        }
    }

    /// With registration in one step open or not.
    pub fn with_registration(self, registration: RegistrationMode) -> Self {
        Self { registration, ..self }
    }

    /// How passwords are proven here, within the same limits.
    pub fn proofs(&self) -> PasswordVerifier {
        self.proofs.clone()
    }

    /// Begins a session for somebody who gave the password, or a challenge if that is not enough.
    async fn sign_in(
        &self,
        proven: VerifiedPassword,
        device: &Device,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let tokens = Tokens::random();
        let tx = self.context.database.begin_as(proven.user_id).await?;
        if let Some(replacement) = &proven.new_hash {
            queries::replace_password_hash(&tx, replacement).await?;
        }
        if queries::lock_password_generation(&tx, &proven).await?.ok_or(INVALID_CREDENTIALS)? {
            let now = self.context.clock.now();
            let challenge = second_factor::begin_challenge(tx, proven.user_id, now).await?;
            return Ok(Response::new(challenge.into()));
        }
        audit::append(&tx, &Event::new(Kind::Login, proven.user_id).by_user(proven.user_id).from(device))?;
        let opened = self.begin_session(tx, proven.user_id, &tokens, device).await?;
        self.answer(opened, tokens)
    }

    /// Begins a session and commits; everybody is told of the sessions that end because it is one too many.
    async fn begin_session(
        &self,
        tx: Transaction,
        user_id: Uuid,
        tokens: &Tokens,
        device: &Device,
    ) -> Result<Opened, Error> {
        let options = &self.exchange.options;
        let lease = options.begin(self.context.clock.now());
        let others = i32::try_from(options.max_sessions_per_user.saturating_sub(1)).unwrap_or(i32::MAX);
        let (device, tokens) = (device.clone(), tokens.clone());
        let sign_in = async move {
            let beginning = Beginning { tokens: &tokens, device: &device, lease };
            let opened = queries::sign_in(tx, user_id, beginning, others).await?;
            let ended = opened.ended.clone();
            Ok((opened, ended))
        };
        self.revocations.announce_after(sign_in).await
    }

    /// Makes an account with its first session in this transaction, and commits.
    pub(super) async fn found(
        &self,
        tx: Transaction,
        founding: AccountDraft<'_>,
        device: &Device,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let (user_id, tokens) = (founding.user_id, Tokens::random());
        tx.act_as(user_id)?;
        audit::append(&tx, &Event::new(Kind::Registered, user_id).by_user(user_id).from(device))?;
        let names = founding.account.sealed_names(&self.keys, user_id)?;
        let lease = self.exchange.options.begin(self.context.clock.now());
        let opened = queries::register(tx, &founding, &names, Beginning { tokens: &tokens, device, lease })
            .await
            .map_err(explain(CONSTRAINTS))?
            .ok_or_else(|| Error::internal("a registration answered with nothing"))?;
        self.answer(opened, tokens)
    }

    /// A registration that has been done before is a sign-in, for whoever knows the password.
    pub(super) async fn sign_in_again(
        &self,
        login: Login,
        registered: Uuid,
        device: &Device,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let another = || {
            Error::precondition(ErrorReason::RequestIdReused, "this request_id was used for another request")
        };
        match self.proofs.of(login, device).await {
            Ok(proven) if proven.user_id == registered => self.sign_in(proven, device).await,
            Ok(_) => Err(another().into()),
            Err(error) if error.reason() == INVALID_CREDENTIALS.reason() => Err(another().into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The caller does not wait for it.
    fn forgive_on_the_side(&self, attempt: Attempt) {
        let limits = self.limits.clone();
        tokio::spawn(async move { limits.forgive(&attempt).await });
    }

    fn answer(&self, opened: Opened, tokens: Tokens) -> Result<Response<pb::LoginResponse>, Status> {
        self.store.publish(tokens.session_hash(), opened.working());
        Ok(Response::new(opened.into_wire(&self.keys, tokens)?))
    }
}

/// The refusal to tell, by making an account at once, whether its address has one already.
fn sign_up_required() -> Error {
    Error::Precondition {
        reason: ErrorReason::SignUpRequired,
        message: "accounts are made in two steps here; begin with AuthService.BeginSignUp".to_owned(),
        metadata: vec![("method", "dafnck.identity.v1.AuthService/BeginSignUp".to_owned())],
    }
}

impl AuthApi {
    pub(crate) async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        if self.registration == RegistrationMode::Confirmed {
            return Err(sign_up_required().into());
        }
        let Registration { key, email, account } = request.into_inner().try_into()?;
        self.limits.admit(Attempt::new(Purpose::Register).from(&device)).await?;
        let password_hash = self.passwords.hash(account.password.clone()).await?;
        let (user_id, nobody) = (Uuid::now_v7(), Uuid::nil());

        let tx = self.context.database.begin_as(nobody).await?;
        let claim = idempotency::claim(&tx, NAME, nobody, "Register", key.as_ref(), user_id);
        if let Some(registered) = claim.await? {
            tx.finish();
            let login = Login { login: email, password: account.password };
            return self.sign_in_again(login, registered, &device).await;
        }
        let founding = AccountDraft {
            user_id,
            email: &email,
            email_verified: false,
            account: &account,
            password_hash: &password_hash,
        };
        self.found(tx, founding, &device).await
    }

    pub(crate) async fn login(
        &self,
        request: Request<pb::LoginRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        let login = Login::try_from(request.into_inner())?;

        let proven = self.proofs.of(login, &device).await?;
        self.sign_in(proven, &device).await
    }

    pub(crate) async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        let ChallengeAnswer { token, proof } = request.into_inner().try_into()?;

        let now = self.context.clock.now();
        let user_id = second_factor::take_attempt(&self.context.database, &token, now).await?;
        let claim = Claim { user_id, proof: &proof, now };
        let tokens = Tokens::random();
        let sign_in = async {
            let tx = self.context.database.begin_as(user_id).await?;
            second_factor::meet(&tx, &self.keys, &token, &claim).await?;
            audit::append(&tx, &Event::new(proof.login_kind(), user_id).by_user(user_id).from(&device))?;
            self.begin_session(tx, user_id, &tokens, &device).await
        };
        let opened = self.gate.guard(user_id, &device, sign_in).await?;

        self.answer(opened, tokens)
    }

    pub(crate) async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::LoginResponse>, Status> {
        let device = Device::of(&request);
        let token = request.into_inner().refresh_token;
        let attempt = self.limits.admit(Attempt::new(Purpose::Refresh).from(&device)).await?;

        let (exchange, from, now) = (self.exchange.clone(), device.clone(), self.context.clock.now());
        let exchange = async move {
            let refreshed = refresh(&exchange, &token, &from, now).await?;
            let ended = refreshed.ended();
            Ok((refreshed, ended))
        };

        match self.revocations.announce_after(exchange).await {
            Ok(Refreshed::GoesOn(opened, tokens)) => {
                self.forgive_on_the_side(attempt);
                self.answer(*opened, tokens)
            }
            Ok(Refreshed::Ended(_)) => Err(REFRESH_TOKEN_REUSED.into()),
            Err(error) => {
                if error.reason() == SESSION_INVALID.reason() {
                    self.audit.note_failure(Kind::RefreshFailure, None, &device);
                } else {
                    self.forgive_on_the_side(attempt);
                }
                Err(error.into())
            }
        }
    }

    pub(crate) async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (current, user_id) = (caller.user()?.session_id, caller.user()?.user_id);
        let event = Event::new(Kind::Logout, user_id).by(&caller).from(&Device::of(&request));

        let tx = self.context.database.begin(&caller).await?;
        audit::append(&tx, &event)?;
        let ended = async move {
            let ended = sessions::queries::revoke(tx, current).await?;
            Ok(((), ended.into_iter().map(|(_, hash)| hash).collect()))
        };

        self.revocations.announce_after(ended).await?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    pub(crate) async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let caller = Caller::of(&request)?;
        let current = caller.user()?;

        let tx = self.context.database.begin(&caller).await?;
        let (user, session, api_token) = try_join!(
            users::queries::find(&tx, current.user_id),
            sessions::queries::find(&tx, current.session_id),
            api_tokens::queries::find(&tx, current.session_id)
        )?;
        tx.finish();

        if session.is_none() && api_token.is_none() {
            return Err(SESSION_INVALID.into());
        }
        Ok(Response::new(pb::WhoAmIResponse {
            user: Some(user.ok_or(SESSION_INVALID)?.into_wire(&self.keys)?),
            session: session.map(|(session, _)| session.into_wire(current.session_id)),
            api_token: api_token.map(|(token, _)| token.into()),
        }))
    }
}
