//! The caller's own second factor.

use chrono::{DateTime, SubsecRound as _, Utc};
use futures::try_join;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::idempotency::{self, RequestKey};
use shared::json::to_timestamp;
use shared::mail::Outbox;
use shared::service::ServiceContext;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::proof::{open, prove, prove_first};
use super::queries::Factor;
use super::recovery::RecoveryKey;
use super::totp::SharedSecret;
use super::wire::{self, Enrolment, Shown};
use super::{Claim, ENROLMENT_LIFE, Gate, Proof, State, is_off, is_on_already, queries};
use crate::audit::{self, Event, Kind};
use crate::auth::PasswordVerifier;
use crate::encryption::{KeyRing, Place, TOTP_SECRET};
use crate::sessions::{Device, SESSION_INVALID};
use crate::users::{self, User};
use crate::{NAME, emails};

/// Serves `SecondFactorService`.
pub struct SecondFactorApi {
    context: ServiceContext,
    keys: KeyRing,
    recovery: RecoveryKey,
    proofs: PasswordVerifier,
    gate: Gate,
    outbox: Outbox,
}

/// The transaction of a call, and the account and the factor that it is about, locked.
struct Claimed {
    tx: Transaction,
    user: User,
    factor: Option<Factor>,
    /// What the first call made, if this is a retry.
    made: Option<Uuid>,
}

impl SecondFactorApi {
    /// On this context, with secrets sealed under these keys.
    pub fn new(
        context: ServiceContext,
        keys: KeyRing,
        proofs: PasswordVerifier,
        gate: Gate,
        outbox: Outbox,
    ) -> Self {
        let recovery = RecoveryKey::new(&context.options.service_secret);
        Self { context, keys, recovery, proofs, gate, outbox }
    }

    /// Claims the request for what it is about to make. The account is locked first, so that nobody waits in a circle.
    async fn claim(
        &self,
        caller: &Caller,
        method: &str,
        key: Option<&RequestKey>,
        makes: Uuid,
    ) -> Result<Claimed> {
        let user_id = caller.user()?.user_id;
        let tx = self.context.database.begin(caller).await?;
        users::queries::lock_ahead(&tx, user_id)?;
        let claim = idempotency::claim(&tx, NAME, user_id, method, key, makes);
        let (made, user, factor) =
            try_join!(claim, users::queries::find(&tx, user_id), queries::lock(&tx, user_id))?;
        Ok(Claimed { tx, user: user.ok_or(SESSION_INVALID)?, factor, made })
    }

    /// Has the account's owner told what became of its second factor.
    fn tell(&self, tx: &Transaction, kind: &'static str, user: &User) -> Result<()> {
        let told = emails::second_factor(kind, user.id, &user.email, self.context.clock.now());
        self.outbox.queue(tx, &told)
    }

    fn begun(
        &self,
        secret: &SharedSecret,
        email: &str,
        at: DateTime<Utc>,
    ) -> Result<pb::BeginSecondFactorResponse> {
        Ok(pb::BeginSecondFactorResponse {
            otpauth_uri: secret.to_uri(email)?,
            secret: secret.to_base32(),
            expires_at: Some(to_timestamp(at + ENROLMENT_LIFE)),
        })
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

    fn hashes(&self, set: Uuid, secret: &SharedSecret) -> Result<Vec<Vec<u8>>> {
        self.recovery.set(set).iter().map(|code| code.hash(secret)).collect()
    }

    fn claim_of<'a>(&self, user_id: Uuid, proof: &'a Proof) -> Claim<'a> {
        Claim { user_id, proof, now: self.context.clock.now() }
    }
}

impl SecondFactorApi {
    pub(crate) async fn get_second_factor(
        &self,
        request: Request<pb::GetSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;

        let tx = self.context.database.begin(&caller).await?;
        let state = queries::state(&tx, user_id).await?;
        tx.finish();

        Ok(Response::new(state.into()))
    }

    pub(crate) async fn begin_second_factor(
        &self,
        request: Request<pb::BeginSecondFactorRequest>,
    ) -> Result<Response<pb::BeginSecondFactorResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let Enrolment { key, password } = request.into_inner().try_into()?;

        let owner = self.proofs.owner(&caller).await?;
        if owner.has_second_factor {
            return Err(is_on_already().into());
        }
        let email = owner.user.email.clone();
        let proof = self.proofs.of_owner(owner, password, &device).await?;
        // As exact as the database keeps it, so that a retry finds the same.
        let (secret, now) = (SharedSecret::random(), self.context.clock.now().trunc_subsecs(6));
        let sealed = self.keys.seal(Place::of(TOTP_SECRET, user_id), &secret.to_base32())?;

        let tx = self.context.database.begin(&caller).await?;
        users::queries::lock_ahead(&tx, user_id)?;
        let claim = idempotency::claim(&tx, NAME, user_id, "BeginSecondFactor", key.as_ref(), user_id);
        let ((), made) = try_join!(proof.hold(&tx), claim)?;
        if made.is_some() {
            let waiting = queries::lock(&tx, user_id).await?.ok_or_else(is_off)?;
            tx.finish();
            if waiting.confirmed_at.is_some() {
                return Err(is_on_already().into());
            }
            let secret = open(&self.keys, user_id, &waiting)?;
            return Ok(Response::new(self.begun(&secret, &email, waiting.created_at)?));
        }
        queries::begin(tx, user_id, &sealed, now).await?;

        Ok(Response::new(self.begun(&secret, &email, now)?))
    }

    pub(crate) async fn confirm_second_factor(
        &self,
        request: Request<pb::ConfirmSecondFactorRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let Shown { key, proof } = request.into_inner().try_into()?;

        let (set, claim) = (Uuid::now_v7(), self.claim_of(user_id, &proof));
        let confirm = async {
            let Claimed { tx, user, factor, made } =
                self.claim(&caller, "ConfirmSecondFactor", key.as_ref(), set).await?;
            if let Some(set) = made {
                tx.finish();
                return Ok(set);
            }
            let secret = prove_first(&tx, &self.keys, factor, &claim)?;
            audit::append(&tx, &Event::new(Kind::SecondFactorAdded, user_id).by(&caller).from(&device))?;
            self.tell(&tx, emails::SECOND_FACTOR_ENABLED, &user)?;
            queries::store_recovery_codes(tx, user_id, self.hashes(set, &secret)?, claim.now).await?;
            Ok(set)
        };
        let set = self.guard(user_id, &device, confirm).await?;
        self.outbox.wake();

        Ok(Response::new(wire::recovery_codes(&self.recovery.set(set))))
    }

    pub(crate) async fn create_recovery_codes(
        &self,
        request: Request<pb::CreateRecoveryCodesRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let Shown { key, proof } = request.into_inner().try_into()?;

        let (set, claim) = (Uuid::now_v7(), self.claim_of(user_id, &proof));
        let replace = async {
            let Claimed { tx, user, factor, made } =
                self.claim(&caller, "CreateRecoveryCodes", key.as_ref(), set).await?;
            if let Some(set) = made {
                tx.finish();
                return Ok(set);
            }
            let secret = prove(&tx, &self.keys, factor, &claim).await?;
            audit::append(&tx, &Event::new(Kind::RecoveryCodesCreated, user_id).by(&caller).from(&device))?;
            self.tell(&tx, emails::RECOVERY_CODES, &user)?;
            queries::store_recovery_codes(tx, user_id, self.hashes(set, &secret)?, claim.now).await?;
            Ok(set)
        };
        let set = self.guard(user_id, &device, replace).await?;
        self.outbox.wake();

        Ok(Response::new(wire::recovery_codes(&self.recovery.set(set))))
    }

    pub(crate) async fn remove_second_factor(
        &self,
        request: Request<pb::RemoveSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let Shown { key, proof } = request.into_inner().try_into()?;

        let claim = self.claim_of(user_id, &proof);
        let remove = async {
            let Claimed { tx, user, factor, made } =
                self.claim(&caller, "RemoveSecondFactor", key.as_ref(), user_id).await?;
            if made.is_some() {
                tx.finish();
                return Ok(());
            }
            prove(&tx, &self.keys, factor, &claim).await?;
            audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
            self.tell(&tx, emails::SECOND_FACTOR_NOT_ENABLED, &user)?;
            queries::remove(tx, user_id).await.map(drop)
        };
        self.guard(user_id, &device, remove).await?;
        self.outbox.wake();

        Ok(Response::new(State::default().into()))
    }
}
