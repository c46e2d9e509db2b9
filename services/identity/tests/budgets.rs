//! Round trips to PostgreSQL, told by time over a link on which each takes 200 ms.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use prost_types::FieldMask;
use shared::proto::identity::v1 as pb;
use suite::testing::*;

use crate::authenticator::{App, by_code, by_recovery};
use crate::{login, with_tokens};

const ROUND_TRIP: Duration = Duration::from_millis(200);

/// How many round trips a call waits for: the quickest of several, when connections stand and statements are
/// prepared on them.
async fn round_trips(call: impl AsyncFn()) -> u128 {
    quickest(call).await.as_millis() / ROUND_TRIP.as_millis()
}

async fn quickest(call: impl AsyncFn()) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..8 {
        let start = Instant::now();
        call().await;
        quickest = quickest.min(start.elapsed());
    }
    quickest
}

async fn far_from_the_database() -> (Suite, Actor) {
    let suite = Suite::start_with_slow_database(ROUND_TRIP).await;
    let olga = suite.guest("olga").await;
    (suite, olga)
}

#[tokio::test]
async fn reading_is_one_round_trip() {
    let (_suite, olga) = far_from_the_database().await;
    let user_id = || olga.id.to_string();
    let get_user = round_trips(async || {
        olga.users().get_user(pb::GetUserRequest { user_id: user_id() }).await.unwrap();
    });
    let get_profile = round_trips(async || {
        let request = pb::GetUserProfileRequest { user_id: user_id() };
        olga.users().get_user_profile(request).await.unwrap();
    });
    let who_am_i = round_trips(async || {
        olga.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap();
    });
    let list = round_trips(async || {
        crate::list_sessions(&olga).await;
    });
    let factor = round_trips(async || {
        olga.second_factor().get_second_factor(pb::GetSecondFactorRequest {}).await.unwrap();
    });
    let events = round_trips(async || {
        olga.security_events().list_security_events(pb::ListSecurityEventsRequest::default()).await.unwrap();
    });
    let tokens = round_trips(async || {
        olga.api_tokens().list_api_tokens(pb::ListApiTokensRequest::default()).await.unwrap();
    });
    assert_eq!([get_user.await, get_profile.await, who_am_i.await, list.await], [1; 4]);
    assert_eq!([factor.await, events.await, tokens.await], [1; 3]);
}

/// Codes are asked for on behalf of nobody, and redeemed once to look and once, after the hash, to act.
#[tokio::test]
async fn codes_take_two_round_trips_to_ask_for_and_three_to_sign_up_with() {
    let (suite, _olga) = far_from_the_database().await;
    let address = || format!("u{}@example.org", uuid::Uuid::now_v7().simple());
    let reset = round_trips(async || {
        let request = pb::RequestPasswordResetRequest { email: address() };
        suite.anonymous().account().request_password_reset(request).await.unwrap();
    });
    let begin = round_trips(async || {
        crate::sign_up::begin(&suite, &address()).await;
    });
    assert_eq!([reset.await, begin.await], [2, 2]);

    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(crate::sign_up::returned_code(&suite, &address()).await);
    }
    let codes = std::cell::RefCell::new(codes);
    let complete = quickest(async || {
        let completion = crate::sign_up::completion(&codes.borrow_mut().pop().unwrap());
        let username = format!("u{}", uuid::Uuid::now_v7().simple());
        let completion = pb::CompleteSignUpRequest { username, ..completion };
        suite.anonymous().sign_up().complete_sign_up(completion).await.unwrap();
    });
    let complete = complete.await;
    // A hash takes its time as well, on a busy machine as long as a round trip: so does this call, with one of them.
    let look = quickest(async || {
        let nobody = uuid::Uuid::now_v7().to_string();
        suite.anonymous().auth().login(crate::login(&nobody, "a wrong password")).await.unwrap_err();
    });
    let look = look.await;
    assert!(
        complete < look + 3 * ROUND_TRIP,
        "{complete:?} with a hash, beside {look:?} for it and one round trip"
    );
}

#[tokio::test]
async fn making_and_ending_an_api_token_is_two_round_trips() {
    let (_suite, olga) = far_from_the_database().await;
    let ids = std::cell::RefCell::new(Vec::new());
    let create = round_trips(async || {
        let (_, token) = crate::api_tokens::program(&olga, &["task:read"]).await;
        ids.borrow_mut().push(token.id);
    });
    let create = create.await;
    let revoke = round_trips(async || {
        let request = pb::RevokeApiTokenRequest { api_token_id: ids.borrow_mut().pop().unwrap() };
        olga.api_tokens().revoke_api_token(request).await.unwrap();
    });
    let revoke = revoke.await;
    assert!(create <= 2 && revoke <= 2, "{create}, {revoke}");
}

#[tokio::test]
async fn changing_is_two_round_trips() {
    let (_suite, olga) = far_from_the_database().await;
    let user = round_trips(async || {
        let user = pb::User { id: olga.id.to_string(), first_name: Some(new_id()), ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["first_name".to_owned()] });
        olga.users().update_user(pb::UpdateUserRequest { user: Some(user), update_mask }).await.unwrap();
    });
    let profile = round_trips(async || {
        let user_id = olga.id.to_string();
        let profile = Some(pb::UserProfile { user_id, bio: Some(new_id()), ..Default::default() });
        let update_mask = Some(FieldMask { paths: vec!["bio".to_owned()] });
        let request = pb::UpdateUserProfileRequest { profile, update_mask };
        olga.users().update_user_profile(request).await.unwrap();
    });
    let register = round_trips(async || {
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

/// The quickest of several calls each, of which one needs what the other made. Each begins when the mail of those before
/// is sent, which goes over the same link.
struct Quickest<'a>(BTreeMap<&'static str, Duration>, &'a Suite);

impl<'a> Quickest<'a> {
    fn over(suite: &'a Suite) -> Self {
        Self(BTreeMap::new(), suite)
    }

    async fn of<T>(
        &mut self,
        verb: &'static str,
        call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> T {
        self.time(verb, call).await.unwrap().into_inner()
    }

    async fn time<T>(&mut self, verb: &'static str, call: impl Future<Output = T>) -> T {
        while self.1.count("identity.mail_outbox").await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let start = Instant::now();
        let answer = call.await;
        let taken = start.elapsed();
        self.0.entry(verb).and_modify(|quickest| *quickest = taken.min(*quickest)).or_insert(taken);
        answer
    }

    /// A sign-in that fails: one round trip and one hash, which takes its time as well.
    async fn look_at_a_password(&mut self) {
        let mut auth = self.1.anonymous().auth();
        self.time(LOOK, auth.login(login(&new_id(), "a wrong password"))).await.unwrap_err();
    }

    fn round_trips(&self, verb: &str) -> u128 {
        self.0[verb].as_millis() / ROUND_TRIP.as_millis()
    }

    /// As [`Self::round_trips`], of a verb that also hashes so many passwords.
    fn with_hashes(&self, verb: &str, hashes: u32) -> u128 {
        let for_hashes = self.0[LOOK].saturating_sub(ROUND_TRIP) * hashes;
        // Beside others, hashes take longer than the quickest of them.
        let noise = ROUND_TRIP * 3 / 4;
        self.0[verb].saturating_sub(for_hashes + noise).as_millis() / ROUND_TRIP.as_millis()
    }
}

const LOOK: &str = "look at a password";

/// A password is read in a round trip of its own before it is hashed, so that no transaction is open meanwhile; an
/// attempt at a code is committed before the code is looked at; and a recovery code is found by a hash that takes the
/// factor's secret.
#[tokio::test]
async fn a_second_factor_takes_two_round_trips_and_one_for_what_must_come_before() {
    let suite = Suite::start_with_slow_database(ROUND_TRIP).await;
    let olga = suite.user("olga").await;
    let (mut factors, mut auth) = (olga.second_factor(), suite.anonymous().auth());
    let mut quickest = Quickest::over(&suite);
    for _ in 0..6 {
        quickest.look_at_a_password().await;
        let begin = pb::BeginSecondFactorRequest { request_id: new_id(), password: olga.password.clone() };
        let begun = quickest.of("begin", factors.begin_second_factor(begin)).await;
        let app = App::new(&suite, &begun.secret);
        let confirm = pb::ConfirmSecondFactorRequest { request_id: new_id(), code: app.code_in(0) };
        let codes = quickest.of("confirm", factors.confirm_second_factor(confirm)).await.codes;
        let challenge = quickest.of("sign in", auth.login(login("olga", &olga.password))).await;
        let challenge_token = challenge.second_factor_challenge.unwrap().challenge_token;
        let answer = pb::CompleteLoginRequest { challenge_token, proof: by_code(&app.next_code()) };
        quickest.of("complete", auth.complete_login(answer)).await;
        let renew = |proof| pb::CreateRecoveryCodesRequest { request_id: new_id(), proof };
        let by_recovery = renew(by_recovery(&codes[0]));
        quickest.of("renew by a recovery code", factors.create_recovery_codes(by_recovery)).await;
        let by_app = renew(by_code(&app.next_code()));
        quickest.of("renew", factors.create_recovery_codes(by_app)).await;
        let proof = by_code(&app.next_code());
        let remove = pb::RemoveSecondFactorRequest { request_id: new_id(), proof };
        quickest.of("remove", factors.remove_second_factor(remove)).await;
    }
    let written = ["confirm", "renew", "remove"].map(|verb| quickest.round_trips(verb));
    assert!(written.iter().all(|trips| *trips <= 2), "{:?}", quickest.0);
    let looked_up = ["complete", "renew by a recovery code"].map(|verb| quickest.round_trips(verb));
    let hashed = ["begin", "sign in"].map(|verb| quickest.with_hashes(verb, 1));
    assert!(looked_up.iter().chain(&hashed).all(|trips| *trips <= 3), "{:?}", quickest.0);
}

/// Who gives a password again holds the account at it in one round trip, and changes it in the next ones: codes are made
/// and sessions are ended by statements of their own.
#[tokio::test]
async fn signing_in_and_what_takes_the_password_again_have_budgets_as_well() {
    let suite = Suite::start_with_slow_database(ROUND_TRIP).await;
    let olga = suite.user("olga").await;
    let mut quickest = Quickest::over(&suite);
    for round in 0..4 {
        quickest.look_at_a_password().await;
        let mut auth = suite.anonymous().auth();
        let signed_in = quickest.of("sign in", auth.login(login("olga", &olga.password))).await;
        let device = with_tokens(&olga, &signed_in);
        let refresh = pb::RefreshSessionRequest { refresh_token: device.refresh_token.clone() };
        let refreshed = quickest.of("refresh", auth.refresh_session(refresh)).await;
        let device = with_tokens(&olga, &refreshed);
        let [old_password, new_password] = [(); 2].map(|()| olga.password.clone());
        let change = pb::ChangePasswordRequest { old_password, new_password };
        quickest.of("change password", device.account().change_password(change)).await;
        let new_email = format!("new{round}@example.org");
        let change = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
        quickest.of("ask for a change of address", device.account().request_email_change(change)).await;
        quickest.of("sign out", device.auth().logout(pb::LogoutRequest {})).await;
        let code = suite.mail_to(&format!("new{round}@example.org"), 1).await.code();
        let confirm = pb::ConfirmEmailChangeRequest { request_id: new_id(), code };
        quickest.of("change address", suite.anonymous().account().confirm_email_change(confirm)).await;
    }
    let budgets = [("sign out", 1), ("refresh", 2), ("change address", 3)];
    for (verb, most) in budgets {
        assert!(quickest.round_trips(verb) <= most, "{verb}: {:?}", quickest.0);
    }
    let budgets = [("sign in", 1, 3), ("change password", 2, 4), ("ask for a change of address", 1, 4)];
    for (verb, hashes, most) in budgets {
        assert!(quickest.with_hashes(verb, hashes) <= most, "{verb}: {:?}", quickest.0);
    }
}
