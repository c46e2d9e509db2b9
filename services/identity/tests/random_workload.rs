//! All changes of accounts, concurrently and on few of them: no deadlock, and every error is a documented one.

use crate::fixtures::*;
use crate::harness::harness;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl as _;
use identity::IdentityOptions;
use identity::encryption::{AssociatedData, FIRST_NAME, KeyRing};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

use futures::future::join_all;
use proto::common::CodeDelivery;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::user_admin_service_client::UserAdminServiceClient;
use proto::identity::backend::v1 as backend;
use proto::identity::v1 as pb;
use proto::identity::v1::login_response::Result as LoginResult;
use shared::siblings::{Sibling, SiblingChannel};
use testkit::*;
use tonic::{Request, Status};

use crate::authenticator::{App, by_recovery};

const WORKERS: u64 = 16;
/// So many of them are in the database at once.
const CONNECTIONS: u32 = 12;
const STEPS: u64 = 16;
/// Long enough for transactions to meet.
const ROUND_TRIP: Duration = Duration::from_millis(5);
const LONG_DEADLINE: Duration = Duration::from_secs(30);
/// Of all of them, so that whoever signs in need not know who has which name by now.
const PASSWORD: &str = "correct horse battery";
const NAMES: [&str; 5] = ["olga", "gus", "eva", "ina", "tom"];
const MAX_SESSIONS: u32 = 3;

/// 32 bytes under the name `former`.
const FORMER_KEY: &str = "former:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

/// What is done; each must succeed at least once.
const VERBS: [&str; 17] = [
    "sign in",
    "refresh",
    "log out",
    "end other sessions",
    "end all sessions",
    "change password",
    "reset password",
    "change address",
    "verify address",
    "rename",
    "edit profile",
    "token",
    "second factor",
    "suspend and reactivate",
    "remove second factor",
    "erase",
    "rotate keys",
];

/// What one worker does at the account of somebody whose session the others there do not end: so it gets through with
/// all that a second factor takes.
const SECOND_FACTOR: [&str; 1] = ["second factor"];
const QUIET_VERBS: [&str; 6] =
    ["edit profile", "rename", "verify address", "edit profile", "rename", "remove second factor"];

/// What may be answered beside success.
const DOCUMENTED: [&str; 14] = [
    "ABORTED ETAG_MISMATCH",
    "ALREADY_EXISTS ALREADY_EXISTS",
    "FAILED_PRECONDITION CODE_INVALID",
    "FAILED_PRECONDITION SECOND_FACTOR_NOT_ENABLED",
    "FAILED_PRECONDITION SECOND_FACTOR_ENABLED",
    "NOT_FOUND RESOURCE_NOT_FOUND",
    "PERMISSION_DENIED PASSWORD_WRONG",
    "PERMISSION_DENIED SECOND_FACTOR_INVALID",
    "RESOURCE_EXHAUSTED RATE_LIMITED",
    "UNAUTHENTICATED INVALID_CREDENTIALS",
    "UNAUTHENTICATED CHALLENGE_INVALID",
    "UNAUTHENTICATED REFRESH_TOKEN_REUSED",
    "UNAUTHENTICATED SECOND_FACTOR_INVALID",
    "UNAUTHENTICATED SESSION_INVALID",
];

/// A number that looks random and is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// Somebody who does one thing after another to an account that others work on, too.
struct Worker<'a> {
    suite: &'a Suite,
    dice: Dice,
    verbs: &'static [&'static str],
    /// Whose account, and a session that others may have ended by now.
    actor: Actor,
    answers: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Worker<'_> {
    async fn act(&mut self, step: u64) {
        let verb = self.verbs[self.dice.roll(self.verbs.len())];
        let outcome = match verb {
            "suspend and reactivate" | "remove second factor" | "erase" | "rotate keys" => {
                self.operate(verb, step).await
            }
            "reset password" | "change address" | "verify address" => self.redeem(verb).await,
            "sign in" => self.sign_in().await,
            "second factor" => self.second_factor().await,
            _ => self.with_a_session(verb).await,
        };
        let answer = outcome.map_or_else(|refusal| summary(&refusal), |()| "OK".to_owned());
        self.answers.entry(verb).or_default().insert(answer);
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.dice.roll(NAMES.len())]
    }

    async fn sign_in(&mut self) -> Result<(), Status> {
        let request = login(self.name(), PASSWORD);
        let response = self.suite.anonymous().auth().login(request).await?;
        let LoginResult::SessionGrant(granted) = response.result() else { return Ok(()) };
        if granted.user.as_ref().is_some_and(|user| user.id == self.actor.id.to_string()) {
            self.actor = with_tokens(&self.actor, &granted);
        }
        Ok(())
    }

    /// By hand: hashing a password would leave the database idle.
    async fn fresh_session(&mut self) {
        let mut sessions = self.suite.admin().await;
        let token = format!("dfs_{:0<43}", uuid::Uuid::now_v7().simple().to_string());
        let hash = shared::authentication::token_hash(&token).to_hex();
        let begin = format!(
            "INSERT INTO identity.user_sessions (user_id, session_token, expires_at, refresh_expires_at) \
             SELECT id, '{hash}', now() + interval '1 hour', now() + interval '1 hour' FROM identity.users \
             WHERE id = '{}'",
            self.actor.id
        );
        diesel_async::SimpleAsyncConnection::batch_execute(&mut sessions, &begin).await.unwrap();
        self.actor.session_token = Some(token);
    }

    async fn with_a_session(&mut self, verb: &str) -> Result<(), Status> {
        self.fresh_session().await;
        let (refresh_token, actor) = (self.actor.refresh_token.clone(), &self.actor);
        match verb {
            "refresh" => {
                let request = pb::RefreshSessionRequest { refresh_token };
                let granted = actor.auth().refresh_session(request).await?.into_inner();
                self.actor = with_tokens(&self.actor, &granted);
            }
            "log out" => drop(actor.auth().logout(pb::LogoutRequest {}).await?),
            "end other sessions" => {
                drop(actor.account().revoke_other_sessions(pb::RevokeOtherSessionsRequest {}).await?);
            }
            "end all sessions" => {
                drop(actor.account().revoke_all_sessions(pb::RevokeAllSessionsRequest {}).await?);
            }
            "change password" => {
                let [old_password, new_password] = [PASSWORD, PASSWORD].map(str::to_owned);
                let request = pb::ChangePasswordRequest { old_password, new_password, ..Default::default() };
                actor.account().change_password(with_long_deadline(request)).await?;
            }
            "token" => {
                let made = actor
                    .account()
                    .create_api_token(create_api_token_request(&["account:read"]))
                    .await?
                    .into_inner();
                let request = pb::RevokeApiTokenRequest { api_token_id: made.api_token.unwrap().id };
                actor.account().revoke_api_token(request).await?;
            }
            _ => self.edit(verb).await?,
        }
        Ok(())
    }

    async fn edit(&mut self, verb: &str) -> Result<(), Status> {
        let (username, user_id) = (self.name().to_owned(), self.actor.id.to_string());
        let mask = |path: &str| Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
        if verb == "rename" {
            let user = Some(pb::User { id: user_id, username, ..Default::default() });
            let request = pb::UpdateUserRequest { user, update_mask: mask("username"), ..Default::default() };
            return self.actor.account().update_user(request).await.map(drop);
        }
        let profile = Some(pb::UserProfile { user_id, location: Some(username), ..Default::default() });
        let request =
            pb::UpdateUserProfileRequest { profile, update_mask: mask("location"), ..Default::default() };
        self.actor.account().update_user_profile(request).await.map(drop)
    }

    async fn redeem(&mut self, verb: &str) -> Result<(), Status> {
        let (mut backend, mut account) = (backend(self.suite), self.suite.anonymous().auth());
        let (user_id, request_id) = (self.actor.id.to_string(), new_id());
        if verb == "reset password" {
            let account_wanted = backend::create_password_reset_code_request::Account::UserId(user_id);
            let request = backend::CreatePasswordResetCodeRequest {
                account: Some(account_wanted),
                ..returned_reset("")
            };
            let code = backend.create_password_reset_code(request).await?.into_inner().code.unwrap();
            let request = pb::ResetPasswordRequest { request_id, code, new_password: PASSWORD.to_owned() };
            return account.reset_password(with_long_deadline(request)).await.map(drop);
        }
        if verb == "change address" {
            let delivery = CodeDelivery::Response.into();
            let new_email = format!("{}@example.org", self.name());
            let request = backend::CreateEmailChangeCodeRequest { user_id, new_email, delivery };
            let code = backend.create_email_change_code(request).await?.into_inner().code.unwrap();
            let request = pb::ConfirmEmailChangeRequest { request_id, code };
            return self.suite.anonymous().account().confirm_email_change(request).await.map(drop);
        }
        let delivery = CodeDelivery::Response.into();
        let request = backend::CreateEmailVerificationCodeRequest { user_id, delivery };
        let code = backend.create_email_verification_code(request).await?.into_inner().code.unwrap();
        self.suite
            .anonymous()
            .account()
            .verify_email(pb::VerifyEmailRequest { request_id, code })
            .await
            .map(drop)
    }

    /// On, signed in with, new codes, and off again, as far as it goes.
    async fn second_factor(&mut self) -> Result<(), Status> {
        self.fresh_session().await;
        let mut factors = self.actor.account();
        if factors.get_second_factor(pb::GetSecondFactorRequest {}).await?.into_inner().enabled {
            // Left by a former round that did not get to its end.
            self.operate("remove second factor", 0).await?;
        }
        let request =
            pb::BeginSecondFactorRequest { request_id: String::new(), password: PASSWORD.to_owned() };
        let secret = factors.begin_second_factor(request).await?.into_inner().secret;
        let code = App::new(self.suite, &secret).code_in(0);
        let request = pb::ConfirmSecondFactorRequest { request_id: String::new(), code };
        let codes = factors.confirm_second_factor(request).await?.into_inner().codes;
        let user_id = self.actor.id.to_string();
        let name = self.actor.account().get_user(pb::GetUserRequest { user_id }).await?.into_inner().username;
        let mut auth = self.suite.anonymous().auth();
        let begun = auth.login(login(&name, PASSWORD)).await?.result();
        if let LoginResult::SecondFactorChallenge(challenge) = begun {
            let proof = by_recovery(&codes[0]);
            let answer = pb::CompleteLoginRequest { challenge_token: challenge.challenge_token, proof };
            auth.complete_login(answer).await?;
        }
        let (request_id, proof) = (String::new(), by_recovery(&codes[1]));
        let request = pb::CreateRecoveryCodesRequest { request_id, proof };
        let codes = factors.create_recovery_codes(request).await?.into_inner().codes;
        let (request_id, proof) = (String::new(), by_recovery(&codes[0]));
        factors.remove_second_factor(pb::RemoveSecondFactorRequest { request_id, proof }).await.map(drop)
    }

    async fn operate(&mut self, verb: &str, step: u64) -> Result<(), Status> {
        let operator = || self.suite.as_service("operator-eva").channel(Sibling::Identity);
        let mut users: UserAdminServiceClient<SiblingChannel> = UserAdminServiceClient::new(operator());
        let mut factors = UserAdminServiceClient::new(operator());
        let user_id = self.actor.id.to_string();
        match verb {
            "suspend and reactivate" => {
                users.suspend_user(admin::SuspendUserRequest { user_id: user_id.clone() }).await?;
                users.reactivate_user(admin::ReactivateUserRequest { user_id }).await?;
            }
            "remove second factor" => {
                let request = admin::RemoveUserSecondFactorRequest { user_id };
                factors.remove_user_second_factor(request).await?;
            }
            "erase" => {
                let victim = self.suite.guest(&format!("victim{}-{step}", self.dice.0)).await;
                let user_id = victim.id.to_string();
                let erase = admin::EraseUserRequest { user_id: user_id.clone() };
                let remove = admin::RemoveUserSecondFactorRequest { user_id };
                let mut again = users.clone();
                let acts = futures::join!(
                    users.erase_user(erase.clone()),
                    factors.remove_user_second_factor(remove),
                    again.erase_user(erase)
                );
                acts.0?;
                acts.1?;
                acts.2?;
            }
            _ => {
                encrypt_under_former_key(self.suite, user_id.parse().unwrap()).await;
                rotate_keys(self.suite).await;
            }
        }
        Ok(())
    }
}

/// Leaves a name for a rotation to encrypt again.
async fn encrypt_under_former_key(suite: &Suite, user_id: Uuid) {
    let keys = KeyRing::parse(FORMER_KEY).unwrap();
    let name = keys.encrypt(AssociatedData::new(FIRST_NAME, user_id), "Former").unwrap();
    sql_query("UPDATE identity.users SET first_name = $1 WHERE id = $2")
        .bind::<Text, _>(name)
        .bind::<diesel::sql_types::Uuid, _>(user_id)
        .execute(&mut suite.admin().await)
        .await
        .unwrap();
}

/// Hashing takes its time where other tests use the processors as well.
fn with_long_deadline<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(LONG_DEADLINE);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_one_account_do_not_deadlock() {
    let (mut suite, _) = harness()
        .start_with_latency(ROUND_TRIP, |options| {
            options.database_pool_size = 2 * CONNECTIONS;
            let own = options.own_mut::<IdentityOptions>();
            own.sessions.max_sessions_per_user = MAX_SESSIONS;
            own.keys.encryption_keys = Some(format!("{ENCRYPTION_KEYS},{FORMER_KEY}").as_str().into());
        })
        .await;
    let people = suite.users(["olga", "gus", "eva", "ina"]).await;
    // From elsewhere, so that signing in also replaces it.
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    execute(&suite, &format!("UPDATE identity.users SET password_hash = '{hash}'")).await;

    let workers = (0..WORKERS).map(|number| {
        let whose = usize::try_from(number).unwrap() % people.len();
        let verbs: &[&str] = match (number, whose) {
            (0, _) => &SECOND_FACTOR,
            (_, 0) => &QUIET_VERBS,
            _ => &VERBS,
        };
        let (dice, actor) = (Dice(number + 1), people[whose].clone());
        let mut worker = Worker { suite: &suite, dice, verbs, actor, answers: BTreeMap::new() };
        async move {
            for step in 0..STEPS {
                worker.act(step).await;
            }
            worker.answers
        }
    });
    let mut answers: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (verb, told) in join_all(workers).await.into_iter().flatten() {
        answers.entry(verb).or_default().extend(told);
    }

    for verb in VERBS {
        let told = &answers[verb];
        let strange: Vec<_> =
            told.iter().filter(|answer| *answer != "OK" && !DOCUMENTED.contains(&answer.as_str())).collect();
        assert!(strange.is_empty() && told.contains("OK"), "{verb}: {told:?}");
    }
    suite.stop().await;
    assert_eq!(suite.deadlocks().await, 0);
}
