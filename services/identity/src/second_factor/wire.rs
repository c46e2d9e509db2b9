//! Conversions of second factors.

use proto::identity::v1 as pb;
use proto::identity::v1::second_factor_proof::Proof as ProofField;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::Violations;

use super::recovery::RecoveryCode;
use super::{Challenge, FactorStatus, Proof};
use crate::passwords;

const MAX_TOKEN_CHARS: usize = 64;
/// With hyphens and blanks, in characters.
const RECOVERY_CODE_CHARS: std::ops::RangeInclusive<usize> = 12..=64;

/// A validated answer to a challenge.
pub struct ChallengeAnswer {
    /// Of the challenge.
    pub token: String,
    pub proof: Proof,
}

impl TryFrom<pb::CompleteLoginRequest> for ChallengeAnswer {
    type Error = Error;

    fn try_from(request: pb::CompleteLoginRequest) -> Result<Self> {
        let mut v = Violations::new();
        let token = v.text("challenge_token", request.challenge_token, 1, MAX_TOKEN_CHARS);
        let proof = proof(&mut v, request.proof);
        v.finish()?;
        Ok(Self { token, proof })
    }
}

/// A validated request to begin.
pub(super) struct BeginInput {
    /// Does not cover the password: the stored hash would allow guessing it.
    pub(super) key: Option<RequestKey>,
    pub(super) password: String,
}

impl TryFrom<pb::BeginSecondFactorRequest> for BeginInput {
    type Error = Error;

    fn try_from(mut request: pb::BeginSecondFactorRequest) -> Result<Self> {
        let mut v = Violations::new();
        let password = std::mem::take(&mut request.password);
        let input = Self {
            key: RequestKey::of(&mut v, &request.request_id, &request),
            password: passwords::check_given(&mut v, "password", password),
        };
        v.finish()?;
        Ok(input)
    }
}

/// A validated request that a code authorizes.
pub(super) struct ProofInput {
    pub(super) key: Option<RequestKey>,
    pub(super) proof: Proof,
}

impl TryFrom<pb::ConfirmSecondFactorRequest> for ProofInput {
    type Error = Error;

    fn try_from(request: pb::ConfirmSecondFactorRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let proof = Proof::Code(code(&mut v, "code", request.code));
        v.finish()?;
        Ok(Self { key, proof })
    }
}

impl TryFrom<pb::CreateRecoveryCodesRequest> for ProofInput {
    type Error = Error;

    fn try_from(request: pb::CreateRecoveryCodesRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let proof = proof(&mut v, request.proof);
        v.finish()?;
        Ok(Self { key, proof })
    }
}

impl TryFrom<pb::RemoveSecondFactorRequest> for ProofInput {
    type Error = Error;

    fn try_from(request: pb::RemoveSecondFactorRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let proof = proof(&mut v, request.proof);
        v.finish()?;
        Ok(Self { key, proof })
    }
}

fn proof(v: &mut Violations, proof: Option<pb::SecondFactorProof>) -> Proof {
    let field = if proof.is_some() { "proof.proof" } else { "proof" };
    match proof.and_then(|proof| proof.proof) {
        Some(ProofField::Code(code)) => Proof::Code(self::code(v, "proof.code", code)),
        Some(ProofField::RecoveryCode(text)) => {
            match RecoveryCode::parse(&text).filter(|_| RECOVERY_CODE_CHARS.contains(&text.chars().count())) {
                Some(code) => Proof::Recovery(code),
                None => {
                    v.add("proof.recovery_code", "must be a recovery code, as ABCD-EFGH-JKMN");
                    Proof::Code(String::new())
                }
            }
        }
        None => {
            v.add(field, "must have a code or a recovery code");
            Proof::Code(String::new())
        }
    }
}

/// Six digits, with or without blanks around them.
fn code(v: &mut Violations, field: &str, text: String) -> String {
    let code = text.replace(' ', "");
    let valid = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    v.require(valid, field, "must be six digits");
    code
}

impl From<Challenge> for pb::SecondFactorChallenge {
    fn from(challenge: Challenge) -> Self {
        Self { challenge_token: challenge.token, expires_at: Some(to_timestamp(challenge.expires_at)) }
    }
}

impl From<FactorStatus> for pb::SecondFactor {
    fn from(status: FactorStatus) -> Self {
        Self {
            enabled: status.is_enabled(),
            confirmed_at: status.confirmed_at.map(to_timestamp),
            remaining_recovery_codes: i32::try_from(status.remaining_recovery_codes).unwrap_or(i32::MAX),
        }
    }
}

/// Shown this once.
pub(super) fn recovery_codes(codes: &[RecoveryCode]) -> pb::RecoveryCodes {
    pb::RecoveryCodes { codes: codes.iter().map(RecoveryCode::to_text).collect() }
}
