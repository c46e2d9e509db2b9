//! Round trips to PostgreSQL, told by time over a link on which each takes 200 ms.

use std::time::{Duration, Instant};

use prost_types::FieldMask;
use shared::proto::identity::v1 as pb;
use suite::testing::*;

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
