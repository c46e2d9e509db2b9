//! The caller's own second factor.

use shared::caller::Caller;
use shared::error::{Error, Result};
use shared::json::to_timestamp;
use shared::proto::identity::v1 as pb;
use shared::proto::identity::v1::second_factor_service_server::SecondFactorService;
use shared::service::Ground;
use shared::validation::Violations;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::proof::{prove, prove_first};
use super::totp::SharedSecret;
use super::{Claim, ENROLMENT_LIFE, Gate, Proof, State, is_on_already, queries, recovery, wire};
use crate::audit::{self, Event, Kind};
use crate::sealing::{KeyRing, Place, TOTP_SECRET};
use crate::sessions::Device;
use crate::signing_in::{Login, Proofs};
use crate::users;

/// Serves `SecondFactorService`.
pub struct SecondFactorApi {
    ground: Ground,
    keys: KeyRing,
    proofs: Proofs,
    gate: Gate,
}

impl SecondFactorApi {
    /// On this ground, with secrets sealed under these keys.
    pub fn new(ground: Ground, keys: KeyRing, proofs: Proofs, gate: Gate) -> Self {
        Self { ground, keys, proofs, gate }
    }

    /// Runs what looks at a code of the caller, who is known: a wrong one is no reason to sign in again.
    async fn guard<T>(
        &self,
        user_id: Uuid,
        device: &Device,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.gate.guard(user_id, device, work).await.map_err(|error| match error {
            Error::Unauthenticated { reason, message } => {
                Error::PermissionDenied { reason, message: message.to_owned(), metadata: Vec::new() }
            }
            other => other,
        })
    }

    fn claim<'a>(&self, user_id: Uuid, proof: &'a Proof) -> Claim<'a> {
        Claim { user_id, proof, challenge: None, now: self.ground.clock.now() }
    }
}

#[tonic::async_trait]
impl SecondFactorService for SecondFactorApi {
    async fn get_second_factor(
        &self,
        request: Request<pb::GetSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;

        let tx = self.ground.database.begin(&caller).await?;
        let state = queries::state(&tx, user_id).await?;
        tx.finish();

        Ok(Response::new(state.into()))
    }

    async fn begin_second_factor(
        &self,
        request: Request<pb::BeginSecondFactorRequest>,
    ) -> Result<Response<pb::BeginSecondFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let device = Device::of(&request);
        let password = request.into_inner().password;

        let tx = self.ground.database.begin(&caller).await?;
        let user = users::queries::find(&tx, user_id).await?;
        let email = user.ok_or_else(|| Error::not_found("user", user_id))?.email;
        let is_on = queries::is_on(&tx, user_id).await?;
        tx.finish();
        if is_on {
            return Err(is_on_already().into());
        }
        let login = Login::try_from(pb::LoginRequest { login: email.clone(), password })?;
        let proof = self.proofs.of_owner(user_id, login, &device).await?;
        let (secret, now) = (SharedSecret::random(), self.ground.clock.now());
        let sealed = self.keys.seal(Place::of(TOTP_SECRET, user_id), &secret.to_base32())?;
        let tx = self.ground.database.begin(&caller).await?;
        proof.hold(&tx).await?;
        queries::begin(tx, user_id, &sealed, now).await?;

        Ok(Response::new(pb::BeginSecondFactorResponse {
            otpauth_uri: secret.to_uri(&email)?,
            secret: secret.to_base32(),
            expires_at: Some(to_timestamp(now + ENROLMENT_LIFE)),
        }))
    }

    async fn confirm_second_factor(
        &self,
        request: Request<pb::ConfirmSecondFactorRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let device = Device::of(&request);
        let mut v = Violations::new();
        let code = wire::code(&mut v, "code", request.into_inner().code);
        v.finish()?;

        let (codes, now) = (recovery::new_set(), self.ground.clock.now());
        let confirm = async {
            let tx = self.ground.database.begin(&caller).await?;
            let secret = prove_first(&tx, &self.keys, user_id, &code, now).await?;
            let hashes = codes.iter().map(|code| code.hash(&secret)).collect::<Result<_>>()?;
            audit::append(&tx, &Event::new(Kind::SecondFactorAdded, user_id).by(&caller).from(&device))?;
            queries::store_recovery_codes(tx, user_id, hashes, now).await
        };
        self.guard(user_id, &device, confirm).await?;

        Ok(Response::new(wire::recovery_codes(&codes)))
    }

    async fn create_recovery_codes(
        &self,
        request: Request<pb::CreateRecoveryCodesRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let device = Device::of(&request);
        let proof = Proof::of(request.into_inner().proof)?;

        let codes = recovery::new_set();
        let claim = self.claim(user_id, &proof);
        let replace = async {
            let tx = self.ground.database.begin(&caller).await?;
            let secret = prove(&tx, &self.keys, &claim).await?;
            let hashes = codes.iter().map(|code| code.hash(&secret)).collect::<Result<_>>()?;
            audit::append(&tx, &Event::new(Kind::RecoveryCodesCreated, user_id).by(&caller).from(&device))?;
            queries::store_recovery_codes(tx, user_id, hashes, claim.now).await
        };
        self.guard(user_id, &device, replace).await?;

        Ok(Response::new(wire::recovery_codes(&codes)))
    }

    async fn remove_second_factor(
        &self,
        request: Request<pb::RemoveSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;
        let device = Device::of(&request);
        let proof = Proof::of(request.into_inner().proof)?;

        let claim = self.claim(user_id, &proof);
        let remove = async {
            let tx = self.ground.database.begin(&caller).await?;
            prove(&tx, &self.keys, &claim).await?;
            audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
            queries::remove(tx, user_id).await
        };
        self.guard(user_id, &device, remove).await?;

        Ok(Response::new(State::default().into()))
    }
}
