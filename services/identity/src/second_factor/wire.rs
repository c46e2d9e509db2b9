//! Second factors on the wire.

use shared::error::{Error, Result};
use shared::json::to_timestamp;
use shared::proto::identity::v1 as pb;
use shared::proto::identity::v1::second_factor_proof::Proof as Shown;
use shared::validation::Violations;

use super::recovery::RecoveryCode;
use super::{Challenge, Proof, State};

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

impl Proof {
    /// Of a request that has nothing else.
    pub(super) fn of(proof: Option<pb::SecondFactorProof>) -> Result<Self> {
        let mut v = Violations::new();
        let proof = self::proof(&mut v, proof);
        v.finish()?;
        Ok(proof)
    }
}

fn proof(v: &mut Violations, proof: Option<pb::SecondFactorProof>) -> Proof {
    match proof.and_then(|proof| proof.proof) {
        Some(Shown::Code(code)) => Proof::Code(self::code(v, "proof.code", code)),
        Some(Shown::RecoveryCode(text)) => match RecoveryCode::parse(&text) {
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
pub(super) fn code(v: &mut Violations, field: &str, text: String) -> String {
    let code: String = text.chars().filter(|letter| *letter != ' ').take(MAX_CODE_CHARS).collect();
    let valid = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    v.require(valid, field, "must be six digits");
    code
}

impl From<Challenge> for pb::SignedIn {
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
            is_on: state.confirmed_at.is_some(),
            confirmed_at: state.confirmed_at.map(to_timestamp),
            recovery_codes_left: i32::try_from(state.recovery_codes_left).unwrap_or(i32::MAX),
        }
    }
}

/// The codes, shown this once.
pub(super) fn recovery_codes(codes: &[RecoveryCode]) -> pb::RecoveryCodes {
    pb::RecoveryCodes { codes: codes.iter().map(RecoveryCode::to_text).collect() }
}
