//! The caller's own second factor.

use chrono::{DateTime, SubsecRound as _, Utc};
use futures::try_join;
use proto::identity::v1 as pb;
use shared::caller::Caller;
use shared::database::Transaction;
use shared::error::{Error, Result};
use shared::idempotency::{self, RequestKey};
use shared::json::to_timestamp;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::queries::Factor;
use super::totp::SharedSecret;
use super::verification::{decrypt_secret, verify_first_code, verify_proof};
use super::wire::{self, BeginInput, ProofInput};
use super::{ENROLMENT_LIFETIME, FactorStatus, Proof, ProofClaim, already_enabled, not_enabled, queries};
use crate::audit::{self, Event, Kind};
use crate::encryption::{AssociatedData, TOTP_SECRET};
use crate::handler::IdentityHandler;
use crate::limits::{Account, Attempt, Purpose};
use crate::sessions::{Device, SESSION_INVALID};
use crate::users::{self, User};
use crate::{NAME, emails};

/// The transaction of a call, with the account and its factor locked.
struct LockedFactor {
    tx: Transaction,
    user: User,
    factor: Option<Factor>,
    /// The id that the first call claimed, if this is a retry.
    replayed: Option<Uuid>,
}

impl IdentityHandler {
    /// Claims the request. The account is locked first, so that concurrent calls do not deadlock.
    async fn claim_factor(
        &self,
        caller: &Caller,
        method: &str,
        key: Option<&RequestKey>,
        id: Uuid,
    ) -> Result<LockedFactor> {
        let user_id = caller.user()?.user_id;
        let tx = self.begin(caller).await?;
        users::queries::send_lock(&tx, user_id)?;
        let claim = idempotency::claim(&tx, NAME, user_id, method, key, id);
        let (replayed, user, factor) =
            try_join!(claim, users::queries::find(&tx, user_id), queries::lock(&tx, user_id))?;
        Ok(LockedFactor { tx, user: user.ok_or(SESSION_INVALID)?, factor, replayed })
    }

    fn queue_email(&self, tx: &Transaction, kind: &'static str, user: &User) -> Result<()> {
        let email = emails::second_factor(kind, user.id, &user.email, self.now());
        self.outbox.queue(tx, &email)
    }

    /// Runs `work`, which checks a code of the caller. A wrong code is no reason to log in again.
    async fn guard_proof<T>(
        &self,
        caller: &Caller,
        device: &Device,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let attempt = Attempt::new(Purpose::SecondFactor, device).on(Account::own(caller)?);
        self.limiter.guard(attempt, work).await.map_err(|error| match error {
            Error::Unauthenticated { reason, message } => {
                Error::PermissionDenied { reason, message: message.to_owned(), metadata: Vec::new() }
            }
            other => other,
        })
    }

    fn recovery_hashes(&self, set: Uuid, secret: &SharedSecret) -> Result<Vec<Vec<u8>>> {
        self.recovery_key.codes(set).iter().map(|code| code.hash(secret)).collect()
    }

    fn proof_claim<'a>(&self, user_id: Uuid, proof: &'a Proof) -> ProofClaim<'a> {
        ProofClaim { user_id, proof, now: self.now() }
    }
}

fn begin_response(
    secret: &SharedSecret,
    email: &str,
    created_at: DateTime<Utc>,
) -> Result<pb::BeginSecondFactorResponse> {
    Ok(pb::BeginSecondFactorResponse {
        otpauth_uri: secret.to_uri(email)?,
        secret: secret.to_base32(),
        expires_at: Some(to_timestamp(created_at + ENROLMENT_LIFETIME)),
    })
}

impl IdentityHandler {
    pub(crate) async fn get_second_factor(
        &self,
        request: Request<pb::GetSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let caller = Caller::of(&request)?;
        let user_id = caller.user()?.user_id;

        let tx = self.begin(&caller).await?;
        let status = queries::find_status(&tx, user_id).await?;
        tx.finish();

        Ok(Response::new(status.into()))
    }

    pub(crate) async fn begin_second_factor(
        &self,
        request: Request<pb::BeginSecondFactorRequest>,
    ) -> Result<Response<pb::BeginSecondFactorResponse>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let BeginInput { key, password } = request.into_inner().try_into()?;

        let owner = self.verifier.find_owner(&caller).await?;
        if owner.has_second_factor {
            return Err(already_enabled().into());
        }
        let email = owner.user.email.clone();
        let password = self.verifier.verify_owner(&caller, owner, password, &device).await?;
        // In the precision of the database, so that a retry returns the same time.
        let (secret, now) = (SharedSecret::random(), self.now().trunc_subsecs(6));
        let associated_data = AssociatedData::new(TOTP_SECRET, user_id);
        let encrypted = self.keys.encrypt(associated_data, &secret.to_base32())?;

        let tx = self.begin(&caller).await?;
        users::queries::send_lock(&tx, user_id)?;
        let claim = idempotency::claim(&tx, NAME, user_id, "BeginSecondFactor", key.as_ref(), user_id);
        let ((), replayed) = try_join!(password.lock(&tx), claim)?;
        if replayed.is_some() {
            let waiting = queries::lock(&tx, user_id).await?.ok_or_else(not_enabled)?;
            tx.finish();
            if waiting.confirmed_at.is_some() {
                return Err(already_enabled().into());
            }
            let secret = decrypt_secret(&self.keys, user_id, &waiting)?;
            return Ok(Response::new(begin_response(&secret, &email, waiting.created_at)?));
        }
        queries::upsert_unconfirmed(tx, user_id, &encrypted, now).await?;

        Ok(Response::new(begin_response(&secret, &email, now)?))
    }

    pub(crate) async fn confirm_second_factor(
        &self,
        request: Request<pb::ConfirmSecondFactorRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let ProofInput { key, proof } = request.into_inner().try_into()?;

        let (set, claim) = (Uuid::now_v7(), self.proof_claim(user_id, &proof));
        let confirm = async {
            let LockedFactor { tx, user, factor, replayed } =
                self.claim_factor(&caller, "ConfirmSecondFactor", key.as_ref(), set).await?;
            if let Some(set) = replayed {
                tx.finish();
                return Ok(set);
            }
            let secret = verify_first_code(&tx, &self.keys, factor, &claim)?;
            audit::append(&tx, &Event::new(Kind::SecondFactorAdded, user_id).by(&caller).from(&device))?;
            self.queue_email(&tx, emails::SECOND_FACTOR_ENABLED, &user)?;
            queries::replace_recovery_codes(tx, user_id, self.recovery_hashes(set, &secret)?, claim.now)
                .await?;
            Ok(set)
        };
        let set = self.guard_proof(&caller, &device, confirm).await?;
        self.outbox.wake();

        Ok(Response::new(wire::recovery_codes(&self.recovery_key.codes(set))))
    }

    pub(crate) async fn create_recovery_codes(
        &self,
        request: Request<pb::CreateRecoveryCodesRequest>,
    ) -> Result<Response<pb::RecoveryCodes>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let ProofInput { key, proof } = request.into_inner().try_into()?;

        let (set, claim) = (Uuid::now_v7(), self.proof_claim(user_id, &proof));
        let replace = async {
            let LockedFactor { tx, user, factor, replayed } =
                self.claim_factor(&caller, "CreateRecoveryCodes", key.as_ref(), set).await?;
            if let Some(set) = replayed {
                tx.finish();
                return Ok(set);
            }
            let secret = verify_proof(&tx, &self.keys, factor, &claim).await?;
            audit::append(&tx, &Event::new(Kind::RecoveryCodesCreated, user_id).by(&caller).from(&device))?;
            self.queue_email(&tx, emails::RECOVERY_CODES_CREATED, &user)?;
            queries::replace_recovery_codes(tx, user_id, self.recovery_hashes(set, &secret)?, claim.now)
                .await?;
            Ok(set)
        };
        let set = self.guard_proof(&caller, &device, replace).await?;
        self.outbox.wake();

        Ok(Response::new(wire::recovery_codes(&self.recovery_key.codes(set))))
    }

    pub(crate) async fn remove_second_factor(
        &self,
        request: Request<pb::RemoveSecondFactorRequest>,
    ) -> Result<Response<pb::SecondFactor>, Status> {
        let (caller, device) = (Caller::of(&request)?, Device::of(&request));
        let user_id = caller.user()?.user_id;
        let ProofInput { key, proof } = request.into_inner().try_into()?;

        let claim = self.proof_claim(user_id, &proof);
        let remove = async {
            let LockedFactor { tx, user, factor, replayed } =
                self.claim_factor(&caller, "RemoveSecondFactor", key.as_ref(), user_id).await?;
            if replayed.is_some() {
                tx.finish();
                return Ok(());
            }
            verify_proof(&tx, &self.keys, factor, &claim).await?;
            audit::append(&tx, &Event::new(Kind::SecondFactorRemoved, user_id).by(&caller).from(&device))?;
            self.queue_email(&tx, emails::SECOND_FACTOR_DISABLED, &user)?;
            queries::delete(tx, user_id).await.map(drop)
        };
        self.guard_proof(&caller, &device, remove).await?;
        self.outbox.wake();

        Ok(Response::new(FactorStatus::default().into()))
    }
}
