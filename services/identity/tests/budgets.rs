//! Round trips to PostgreSQL, counted on the link.

use crate::fixtures::*;
use crate::harness::harness;
use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::FieldMask;
use proto::identity::v1 as pb;
use testkit::*;

use crate::authenticator::{App, by_code, by_recovery};

const MAIL_TIMEOUT: Duration = Duration::from_secs(10);

async fn somebody() -> (Suite, RoundTrips, Actor) {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.guest("olga").await;
    (suite, counted, olga)
}

#[tokio::test]
async fn a_read_takes_one_round_trip() {
    let (_suite, counted, olga) = somebody().await;
    let user_id = || olga.id.to_string();
    let get_user = counted.of(async || {
        olga.account().get_user(pb::GetUserRequest { user_id: user_id() }).await.unwrap();
    });
    let get_profile = counted.of(async || {
        let request = pb::GetUserProfileRequest { user_id: user_id() };
        olga.account().get_user_profile(request).await.unwrap();
    });
    let who_am_i = counted.of(async || {
        olga.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
    });
    let list = counted.of(async || {
        list_sessions(&olga).await;
    });
    let factor = counted.of(async || {
        olga.account().get_second_factor(pb::GetSecondFactorRequest {}).await.unwrap();
    });
    let events = counted.of(async || {
        olga.account().list_security_events(pb::ListSecurityEventsRequest::default()).await.unwrap();
    });
    let tokens = counted.of(async || {
        olga.account().list_api_tokens(pb::ListApiTokensRequest::default()).await.unwrap();
    });
    assert_eq!([get_user.await, get_profile.await, who_am_i.await, list.await], [1; 4]);
    assert_eq!([factor.await, events.await, tokens.await], [1; 3]);
}

/// Codes are asked for on behalf of nobody, and redeemed once to look and once, after the hash, to act.
#[tokio::test]
async fn a_code_takes_two_round_trips_to_request_and_three_to_sign_up_with() {
    let (suite, counted, _olga) = somebody().await;
    let address = || format!("u{}@example.org", uuid::Uuid::now_v7().simple());
    let reset = counted.of(async || {
        let request = pb::RequestPasswordResetRequest { email: address() };
        suite.anonymous().auth().request_password_reset(request).await.unwrap();
    });
    let begin = counted.of(async || {
        begin_sign_up(&suite, &address()).await;
    });
    assert_eq!([reset.await, begin.await], [2, 2]);

    let mut codes = Vec::new();
    for _ in 0..RoundTrips::CALLS {
        codes.push(returned_sign_up_code(&suite, &address()).await);
    }
    let complete = counted.of(async || {
        let completion = complete_sign_up_request(&codes.pop().unwrap());
        let username = format!("u{}", uuid::Uuid::now_v7().simple());
        let completion = pb::CompleteSignUpRequest { username, ..completion };
        suite.anonymous().auth().complete_sign_up(completion).await.unwrap();
    });
    assert_eq!(complete.await, 3);
}

#[tokio::test]
async fn creating_and_revoking_an_api_token_take_two_round_trips() {
    let (_suite, counted, olga) = somebody().await;
    let mut ids = Vec::new();
    let create = counted.of(async || {
        let (_, token) = api_client(&olga, &["tasks:read"]).await;
        ids.push(token.id);
    });
    let create = create.await;
    let revoke = counted.of(async || {
        let request = pb::RevokeApiTokenRequest { api_token_id: ids.pop().unwrap() };
        olga.account().revoke_api_token(request).await.unwrap();
    });
    let revoke = revoke.await;
    assert!(create <= 2 && revoke <= 2, "{create}, {revoke}");
}

#[tokio::test]
async fn an_update_takes_two_round_trips() {
    let (_suite, counted, olga) = somebody().await;
    let user = counted.of(async || {
        let user = pb::User { id: olga.id.to_string(), first_name: Some(new_id()), ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["first_name".to_owned()] });
        olga.account()
            .update_user(pb::UpdateUserRequest { user: Some(user), update_mask, ..Default::default() })
            .await
            .unwrap();
    });
    let profile = counted.of(async || {
        let user_id = olga.id.to_string();
        let profile = Some(pb::UserProfile { user_id, bio: Some(new_id()), ..Default::default() });
        let update_mask = Some(FieldMask { paths: vec!["bio".to_owned()] });
        let request = pb::UpdateUserProfileRequest { profile, update_mask, ..Default::default() };
        olga.account().update_user_profile(request).await.unwrap();
    });
    let register = counted.of(async || {
        let name = format!("u{}", uuid::Uuid::now_v7().simple());
        let request = pb::RegisterRequest {
            request_id: new_id(),
            email: format!("{name}@example.org"),
            username: name,
            password: "correct horse".to_owned(),
            ..Default::default()
        };
        olga.auth().register(request).await.unwrap();
    });
    let (user, profile, register) = (user.await, profile.await, register.await);
    assert!([user, profile, register].iter().all(|trips| *trips <= 2), "{user}, {profile}, {register}");
}

/// The fewest round trips of several calls each, of which one needs what the other made. Each begins when the mail of
/// those before is sent, which goes over the same link.
struct RoundTripMinimums<'a> {
    suite: &'a Suite,
    counted: RoundTrips,
    of: BTreeMap<&'static str, u64>,
}

impl RoundTripMinimums<'_> {
    async fn of<T>(
        &mut self,
        verb: &'static str,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> T {
        let is_sent = async || self.suite.count("identity.mail_outbox").await == 0;
        until("all mail is sent", MAIL_TIMEOUT, is_sent).await;
        let (answer, round_trips) = self.counted.during(call).await;
        self.of.entry(verb).and_modify(|fewest| *fewest = round_trips.min(*fewest)).or_insert(round_trips);
        answer.unwrap().into_inner()
    }
}

/// A password is read in a round trip of its own before it is hashed, so that no transaction is open meanwhile; an
/// attempt at a code is committed before the code is looked at; and a recovery code is found by a hash that takes the
/// factor's secret.
#[tokio::test]
async fn second_factor_calls_take_two_or_three_round_trips() {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.user("olga").await;
    let (mut factors, mut auth) = (olga.account(), suite.anonymous().auth());
    let mut fewest = RoundTripMinimums { suite: &suite, counted, of: BTreeMap::new() };
    for _ in 0..6 {
        let begin = pb::BeginSecondFactorRequest { request_id: new_id(), password: olga.password.clone() };
        let begun = fewest.of("begin", factors.begin_second_factor(begin)).await;
        let app = App::new(&suite, &begun.secret);
        let confirm = pb::ConfirmSecondFactorRequest { request_id: new_id(), code: app.code_in(0) };
        let codes = fewest.of("confirm", factors.confirm_second_factor(confirm)).await.codes;
        let challenge = fewest.of("sign in", auth.login(login("olga", &olga.password))).await;
        let challenge_token = challenge.challenge_token();
        let answer = pb::CompleteLoginRequest { challenge_token, proof: by_code(&app.next_code()) };
        fewest.of("complete", auth.complete_login(answer)).await;
        let renew = |proof| pb::CreateRecoveryCodesRequest { request_id: new_id(), proof };
        let by_recovery = renew(by_recovery(&codes[0]));
        fewest.of("renew by a recovery code", factors.create_recovery_codes(by_recovery)).await;
        let by_app = renew(by_code(&app.next_code()));
        fewest.of("renew", factors.create_recovery_codes(by_app)).await;
        let proof = by_code(&app.next_code());
        let remove = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
        fewest.of("remove", factors.remove_second_factor(remove)).await;
    }
    let budgets = [
        ("begin", 3),
        ("confirm", 2),
        ("sign in", 3),
        ("complete", 3),
        ("renew by a recovery code", 3),
        ("renew", 2),
        ("remove", 2),
    ];
    assert_eq!(fewest.of, budgets.into());
}

/// Who gives a password again holds the account at it in one round trip, and changes it in the next ones: codes are made
/// and sessions are ended by statements of their own.
#[tokio::test]
async fn calls_that_take_a_password_have_round_trip_budgets() {
    let (suite, counted) = harness().start_counted().await;
    let olga = suite.user("olga").await;
    let mut fewest = RoundTripMinimums { suite: &suite, counted, of: BTreeMap::new() };
    for round in 0..4 {
        let mut auth = suite.anonymous().auth();
        let granted = fewest.of("sign in", auth.login(login("olga", &olga.password))).await;
        let device = with_tokens(&olga, &granted.grant());
        let refresh = pb::RefreshSessionRequest { refresh_token: device.refresh_token.clone() };
        let refreshed = fewest.of("refresh", auth.refresh_session(refresh)).await;
        let device = with_tokens(&olga, &refreshed);
        let [old_password, new_password] = [(); 2].map(|()| olga.password.clone());
        let change = pb::ChangePasswordRequest { old_password, new_password, ..Default::default() };
        fewest.of("change password", device.account().change_password(change)).await;
        let new_email = format!("new{round}@example.org");
        let change = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
        fewest.of("ask for a change of address", device.account().request_email_change(change)).await;
        fewest.of("sign out", device.auth().logout(pb::LogoutRequest {})).await;
        let code = suite.mail_to(&format!("new{round}@example.org"), 1).await.code();
        let confirm = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
        fewest.of("change address", suite.anonymous().account().confirm_email_change(confirm)).await;
    }
    let budgets = [
        ("sign in", 3),
        ("refresh", 2),
        ("change password", 4),
        ("ask for a change of address", 4),
        ("sign out", 1),
        ("change address", 3),
    ];
    assert_eq!(fewest.of, budgets.into());
}
