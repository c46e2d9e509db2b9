//! Signing up, in and out.

use futures::try_join;
use shared::caller::Caller;
use shared::database::explain;
use shared::error::{Error, ErrorReason};
use shared::idempotency;
use shared::proto::identity::v1 as pb;
use shared::proto::identity::v1::auth_service_server::AuthService;
use shared::service::Ground;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::limits::Limits;
use super::proof::{Proofs, Proven};
use super::refresh::{REFRESH_TOKEN_REUSED, Refreshed, refresh};
use super::{BAD_CREDENTIALS, Login, Opened, Passwords, Registration, queries};
use crate::sealing::KeyRing;
use crate::sessions::{Device, Revocations, SESSION_INVALID, SessionStore, Succession, Tokens};
use crate::{CONSTRAINTS, NAME, sessions, users};

/// Serves `AuthService`.
pub struct AuthApi {
    ground: Ground,
    keys: KeyRing,
    passwords: Passwords,
    limits: Limits,
    proofs: Proofs,
    succession: Succession,
    store: SessionStore,
    revocations: Revocations,
}

impl AuthApi {
    /// On this ground, with personal data sealed under these keys.
    pub fn new(
        ground: Ground,
        keys: KeyRing,
        passwords: Passwords,
        store: SessionStore,
        revocations: Revocations,
    ) -> Self {
        let limits = Limits::new(ground.redis.clone());
        let proofs = Proofs::new(ground.database.clone(), limits.clone(), passwords.clone());
        let succession = Succession::new(&ground.options.service_secret);
        Self { ground, keys, passwords, limits, proofs, succession, store, revocations }
    }

    /// Begins a session for somebody who gave the password.
    async fn sign_in(&self, proven: Proven, device: &Device) -> Result<Response<pb::SignedIn>, Status> {
        let tokens = Tokens::random();
        let tx = self.ground.database.begin_as(proven.user_id).await?;
        if let Some(hash) = &proven.new_hash {
            queries::set_password_hash(&tx, proven.user_id, hash).await?;
        }
        let opened = queries::sign_in(tx, proven.user_id, &tokens, device).await?;
        self.answer(opened, tokens)
    }

    /// A registration that has been done before is a sign-in, for whoever knows the password.
    async fn sign_in_again(
        &self,
        registration: Registration,
        registered: Uuid,
        device: &Device,
    ) -> Result<Response<pb::SignedIn>, Status> {
        let login = Login { login: registration.email, password: registration.password };
        let another = || {
            Error::precondition(ErrorReason::RequestIdReused, "this request_id was used for another request")
        };
        match self.proofs.of(login, device.address).await {
            Ok(proven) if proven.user_id == registered => self.sign_in(proven, device).await,
            Ok(_) => Err(another().into()),
            Err(error) if error.reason() == BAD_CREDENTIALS.reason() => Err(another().into()),
            Err(error) => Err(error.into()),
        }
    }

    fn answer(&self, opened: Opened, tokens: Tokens) -> Result<Response<pb::SignedIn>, Status> {
        self.store.publish(tokens.session_hash(), opened.working());
        Ok(Response::new(opened.into_wire(&self.keys, tokens)?))
    }
}

#[tonic::async_trait]
impl AuthService for AuthApi {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::SignedIn>, Status> {
        let device = Device::of(&request);
        let wish = Registration::try_from(request.into_inner())?;
        self.limits.count_registration(device.address).await?;
        let hash = self.passwords.hash(wish.password.clone()).await?;
        let (user_id, tokens, nobody) = (Uuid::now_v7(), Tokens::random(), Uuid::nil());

        let tx = self.ground.database.begin_as(nobody).await?;
        let claim = idempotency::claim(&tx, NAME, nobody, "Register", wish.key.as_ref(), user_id);
        if let Some(registered) = claim.await? {
            tx.finish();
            return self.sign_in_again(wish, registered, &device).await;
        }
        tx.act_as(user_id)?;
        let names = wish.sealed_names(&self.keys, user_id)?;
        let opened = queries::register(tx, user_id, &wish, &names, &hash, &tokens, &device)
            .await
            .map_err(explain(CONSTRAINTS))?
            .ok_or_else(|| Error::internal("a registration answered with nothing"))?;

        self.answer(opened, tokens)
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::SignedIn>, Status> {
        let device = Device::of(&request);
        let login = Login::try_from(request.into_inner())?;

        let proven = self.proofs.of(login, device.address).await?;
        self.sign_in(proven, &device).await
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::SignedIn>, Status> {
        let token = request.into_inner().refresh_token;

        let (database, succession) = (self.ground.database.clone(), self.succession.clone());
        let exchange = async move {
            let refreshed = refresh(&database, &succession, &token).await?;
            let ended = refreshed.ended();
            Ok((refreshed, ended))
        };

        match self.revocations.announce_after(exchange).await? {
            Refreshed::GoesOn(opened, tokens) => self.answer(*opened, tokens),
            Refreshed::Ended(_) => Err(REFRESH_TOKEN_REUSED.into()),
        }
    }

    async fn logout(
        &self,
        request: Request<pb::LogoutRequest>,
    ) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = Caller::of(&request)?;
        let current = caller.user()?.session_id;

        let tx = self.ground.database.begin(&caller).await?;
        let ended = async move {
            let ended = sessions::queries::revoke(tx, current).await?;
            Ok(((), ended.into_iter().map(|(_, hash)| hash).collect()))
        };

        self.revocations.announce_after(ended).await?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn who_am_i(
        &self,
        request: Request<pb::WhoAmIRequest>,
    ) -> Result<Response<pb::WhoAmIResponse>, Status> {
        let caller = Caller::of(&request)?;
        let current = caller.user()?;

        let tx = self.ground.database.begin(&caller).await?;
        let (user, session) = try_join!(
            users::queries::find(&tx, current.user_id),
            sessions::queries::find(&tx, current.session_id)
        )?;
        tx.finish();

        let (session, _) = session.ok_or(SESSION_INVALID)?;
        Ok(Response::new(pb::WhoAmIResponse {
            user: Some(user.ok_or(SESSION_INVALID)?.into_wire(&self.keys)?),
            session: Some(session.into_wire(current.session_id)),
        }))
    }
}
