//! Second factors on the wire.

use proto::identity::v1 as pb;
use proto::identity::v1::second_factor_proof::Proof as ProofField;
use shared::error::{Error, Result};
use shared::idempotency::RequestKey;
use shared::json::to_timestamp;
use shared::validation::Violations;

use super::recovery::RecoveryCode;
use super::{Challenge, Proof, State};
use crate::passwords;

/// Longest code that is looked at, in characters.
const MAX_CODE_CHARS: usize = 64;

/// A challenge's answer.
pub struct ChallengeAnswer {
    /// The challenge's token.
    pub token: String,
    /// What is shown.
    pub proof: Proof,
}

impl TryFrom<pb::CompleteLoginRequest> for ChallengeAnswer {
    type Error = Error;

    fn try_from(request: pb::CompleteLoginRequest) -> Result<Self> {
        let mut v = Violations::new();
        let token = v.text("challenge_token", request.challenge_token, 1, MAX_CODE_CHARS);
        let proof = proof(&mut v, request.proof);
        v.finish()?;
        Ok(Self { token, proof })
    }
}

/// A wish to begin.
pub(super) struct Enrolment {
    /// Makes a retry safe; does not cover the password, which its hash would let somebody try.
    pub(super) key: Option<RequestKey>,
    pub(super) password: String,
}

impl TryFrom<pb::BeginSecondFactorRequest> for Enrolment {
    type Error = Error;

    fn try_from(mut request: pb::BeginSecondFactorRequest) -> Result<Self> {
        let mut v = Violations::new();
        let password = std::mem::take(&mut request.password);
        let enrolment = Self {
            key: RequestKey::of(&mut v, &request.request_id, &request),
            password: passwords::check_given(&mut v, "password", password),
        };
        v.finish()?;
        Ok(enrolment)
    }
}

/// A wish that a code opens.
pub(super) struct Shown {
    /// Makes a retry safe.
    pub(super) key: Option<RequestKey>,
    pub(super) proof: Proof,
}

impl TryFrom<pb::ConfirmSecondFactorRequest> for Shown {
    type Error = Error;

    fn try_from(request: pb::ConfirmSecondFactorRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let proof = Proof::Code(code(&mut v, "code", request.code));
        v.finish()?;
        Ok(Self { key, proof })
    }
}

impl TryFrom<pb::CreateRecoveryCodesRequest> for Shown {
    type Error = Error;

    fn try_from(request: pb::CreateRecoveryCodesRequest) -> Result<Self> {
        let mut v = Violations::new();
        let key = RequestKey::of(&mut v, &request.request_id, &request);
        let proof = proof(&mut v, request.proof);
        v.finish()?;
        Ok(Self { key, proof })
    }
}

impl TryFrom<pb::RemoveSecondFactorRequest> for Shown {
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
    match proof.and_then(|proof| proof.proof) {
        Some(ProofField::Code(code)) => Proof::Code(self::code(v, "proof.code", code)),
        Some(ProofField::RecoveryCode(text)) => match RecoveryCode::parse(&text) {
            Some(code) => Proof::Recovery(code),
            None => {
                v.add("proof.recovery_code", "must be a recovery code, as ABCD-EFGH-JKMN");
                Proof::Code(String::new())
            }
        },
        None => {
            v.add("proof", "must have a code or a recovery code");
            Proof::Code(String::new())
        }
    }
}

/// Six digits, with or without blanks between them.
fn code(v: &mut Violations, field: &str, text: String) -> String {
    let code: String = text.chars().filter(|letter| *letter != ' ').take(MAX_CODE_CHARS).collect();
    let valid = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    v.require(valid, field, "must be six digits");
    code
}

impl From<Challenge> for pb::LoginResponse {
    fn from(challenge: Challenge) -> Self {
        Self {
            second_factor_challenge: Some(pb::SecondFactorChallenge {
                challenge_token: challenge.token,
                expires_at: Some(to_timestamp(challenge.expires_at)),
            }),
            ..Self::default()
        }
    }
}

impl From<State> for pb::SecondFactor {
    fn from(state: State) -> Self {
        Self {
            enabled: state.is_on(),
            confirmed_at: state.confirmed_at.map(to_timestamp),
            remaining_recovery_codes: i32::try_from(state.remaining_recovery_codes).unwrap_or(i32::MAX),
        }
    }
}

/// The codes, shown this once.
pub(super) fn recovery_codes(codes: &[RecoveryCode]) -> pb::RecoveryCodes {
    pb::RecoveryCodes { codes: codes.iter().map(RecoveryCode::to_text).collect() }
}
