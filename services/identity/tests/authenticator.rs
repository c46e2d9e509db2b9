//! Somebody's authenticator app, and what is done with it.

use crate::fixtures::*;
use chrono::TimeDelta;
use proto::identity::v1 as pb;
use proto::identity::v1::second_factor_proof::Proof;
use testkit::*;
use tonic::{Response, Status};
use totp_rs::{Builder, Secret, Totp};

const STEP_SECONDS: i64 = 30;

/// Somebody's authenticator app, with a clock that is right.
pub struct App<'a> {
    totp: Totp,
    suite: &'a Suite,
}

impl<'a> App<'a> {
    pub fn new(suite: &'a Suite, secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).unwrap();
        Self { totp: Builder::new().with_secret(secret).build().unwrap(), suite }
    }

    /// The code that is shown so many steps from now.
    pub fn code_in(&self, steps: i64) -> String {
        let now = self.suite.options.clock.now().timestamp();
        self.totp.generate(u64::try_from(now + steps * STEP_SECONDS).unwrap()).to_string()
    }

    /// A code that was not shown before: waits, by the suite's clock, for the next.
    pub fn next_code(&self) -> String {
        self.suite.options.clock.advance(TimeDelta::seconds(STEP_SECONDS));
        self.code_in(0)
    }
}

pub fn by_code(code: &str) -> Option<pb::SecondFactorProof> {
    Some(pb::SecondFactorProof { proof: Some(Proof::Code(code.to_owned())) })
}

pub fn by_recovery(code: &str) -> Option<pb::SecondFactorProof> {
    Some(pb::SecondFactorProof { proof: Some(Proof::RecoveryCode(code.to_owned())) })
}

pub async fn begin(actor: &Actor) -> pb::BeginSecondFactorResponse {
    let request =
        pb::BeginSecondFactorRequest { request_id: String::new(), password: actor.password.clone() };
    actor.account().begin_second_factor(request).await.unwrap().into_inner()
}

pub async fn confirm(actor: &Actor, code: String) -> Result<Response<pb::RecoveryCodes>, Status> {
    actor
        .account()
        .confirm_second_factor(pb::ConfirmSecondFactorRequest { request_id: String::new(), code })
        .await
}

/// Turns the second factor on; the app, and the recovery codes.
pub async fn enable<'a>(suite: &'a Suite, actor: &Actor) -> (App<'a>, Vec<String>) {
    let app = App::new(suite, &begin(actor).await.secret);
    let codes = confirm(actor, app.code_in(0)).await.unwrap().into_inner().codes;
    (app, codes)
}

pub async fn challenge(actor: &Actor) -> String {
    let request = login(&actor.name, &actor.password);
    let answer = without_session(actor).auth().login(request).await.unwrap().into_inner();
    assert!(answer.user.is_none() && answer.session.is_none() && answer.tokens.is_none());
    answer.second_factor_challenge.unwrap().challenge_token
}

pub async fn complete(
    suite: &Suite,
    challenge_token: &str,
    proof: Option<pb::SecondFactorProof>,
) -> Result<Response<pb::LoginResponse>, Status> {
    let request = pb::CompleteLoginRequest { challenge_token: challenge_token.to_owned(), proof };
    suite.anonymous().auth().complete_login(request).await
}

pub async fn state(actor: &Actor) -> (bool, i32) {
    let state = actor.account().get_second_factor(pb::GetSecondFactorRequest {}).await.unwrap();
    (state.get_ref().enabled, state.get_ref().remaining_recovery_codes)
}
