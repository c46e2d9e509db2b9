//! How long sessions live, how many there are, and where calls come from; by a clock that the tests move.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::TimeDelta;
use futures::StreamExt as _;
use identity::IdentityOptions;
use identity::SessionOptions;
use proto::identity::backend::v1 as backend;
use proto::identity::v1 as pb;
use testkit::*;
use tonic::{Response, Status};
use uuid::Uuid;

async fn refresh(suite: &Suite, actor: &Actor) -> Result<Response<pb::SessionGrant>, Status> {
    let request = pb::RefreshSessionRequest { refresh_token: actor.refresh_token.clone() };
    suite.anonymous().auth().refresh_session(request).await
}

async fn who_am_i(actor: &Actor) -> Result<Response<pb::WhoAmIResponse>, Status> {
    actor.auth().who_am_i(pb::WhoAmIRequest {}).await
}

async fn with_options(sessions: SessionOptions) -> Suite {
    harness().start_with(|options| options.own_mut::<IdentityOptions>().sessions = sessions).await
}

#[tokio::test]
async fn an_expired_session_token_is_refused_and_another_service_asks_identity_about_it() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    call_every_service(&olga).await.unwrap();

    suite.options.clock.advance(TimeDelta::minutes(59));
    call_every_service(&olga).await.unwrap();
    suite.options.clock.advance(TimeDelta::minutes(2));

    assert_eq!(refusal(who_am_i(&olga).await), "UNAUTHENTICATED SESSION_INVALID");
    // Another process has a clock of its own; it asks identity once its copies of the session are gone.
    suite.forget_session(olga.session_token.as_ref().unwrap()).await;
    assert_eq!(refused_elsewhere_within(&olga, TIMEOUT).await, "UNAUTHENTICATED SESSION_INVALID");
    let new = with_tokens(&olga, &refresh(&suite, &olga).await.unwrap().into_inner());
    call_every_service(&new).await.unwrap();
}

#[tokio::test]
async fn an_idle_session_expires() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    suite.options.clock.advance(TimeDelta::hours(719));
    let new = with_tokens(&olga, &refresh(&suite, &olga).await.unwrap().into_inner());
    suite.options.clock.advance(TimeDelta::hours(721));
    assert_eq!(refusal(refresh(&suite, &new).await), "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_session_ends_after_its_absolute_lifetime_despite_refreshes() {
    let options = SessionOptions { session_absolute_days: 2, ..SessionOptions::default() };
    let suite = with_options(options).await;
    let mut olga = suite.user("olga").await;
    for _ in 0..3 {
        suite.options.clock.advance(TimeDelta::hours(15));
        olga = with_tokens(&olga, &refresh(&suite, &olga).await.unwrap().into_inner());
    }
    suite.options.clock.advance(TimeDelta::hours(4));
    assert_eq!(refusal(refresh(&suite, &olga).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refusal(who_am_i(&olga).await), "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn concurrent_refreshes_get_the_same_tokens_and_a_late_replay_ends_the_session() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;

    let (one, two) = tokio::join!(refresh(&suite, &olga), refresh(&suite, &olga));
    let one = with_tokens(&olga, &one.unwrap().into_inner());
    let two = with_tokens(&olga, &two.unwrap().into_inner());
    call_every_service(&one).await.unwrap();
    call_every_service(&two).await.unwrap();
    suite.options.clock.advance(TimeDelta::seconds(29));
    refresh(&suite, &olga).await.unwrap();
    suite.options.clock.advance(TimeDelta::seconds(2));

    assert_eq!(refusal(refresh(&suite, &olga).await), "UNAUTHENTICATED REFRESH_TOKEN_REUSED");
    assert_eq!(refusal(who_am_i(&two).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&one).await, "UNAUTHENTICATED SESSION_INVALID");
}

#[tokio::test]
async fn a_login_beyond_the_limit_ends_the_oldest_session_everywhere() {
    let suite = with_options(SessionOptions { max_sessions_per_user: 2, ..SessionOptions::default() }).await;
    let first = suite.user("olga").await;
    call_every_service(&first).await.unwrap();
    let second = log_in_again(&first).await;
    call_every_service(&first).await.unwrap();

    let third = log_in_again(&first).await;

    assert_eq!(refusal(who_am_i(&first).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&first).await, "UNAUTHENTICATED SESSION_INVALID");
    call_every_service(&second).await.unwrap();
    call_every_service(&third).await.unwrap();
    assert_eq!(list_sessions(&third).await.len(), 2);
    let events = events_of(&third, &[pb::SecurityEventKind::SessionLimitReached]).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].details["count"], "1");
}

#[tokio::test]
async fn concurrent_logins_do_not_exceed_the_limit_of_sessions() {
    let suite = with_options(SessionOptions { max_sessions_per_user: 2, ..SessionOptions::default() }).await;
    let olga = suite.user("olga").await;
    let devices = futures::future::join_all((0..4).map(|_| log_in_again(&olga))).await;
    let mut working = 0;
    for device in &devices {
        working += usize::from(who_am_i(device).await.is_ok());
    }
    assert_eq!(working, 2);
}

#[tokio::test]
async fn revoke_all_sessions_ends_the_calling_one_too() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let lost = log_in_again(&olga).await;

    let answer = olga.account().revoke_all_sessions(pb::RevokeAllSessionsRequest {}).await.unwrap();

    assert_eq!(answer.into_inner().revoked_count, 2);
    for actor in [&olga, &lost] {
        assert_eq!(refusal(who_am_i(actor).await), "UNAUTHENTICATED SESSION_INVALID");
        assert_eq!(refused_elsewhere(actor).await, "UNAUTHENTICATED SESSION_INVALID");
    }
    call_every_service(&gus).await.unwrap();
}

#[tokio::test]
async fn report_seen_sessions_updates_the_last_use() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let current = || async { list_sessions(&olga).await.remove(0) };
    let session = current().await;
    assert_eq!(session.last_seen_at, None);
    let report = async |session_id: &str, seconds: i64| {
        let seen_at =
            session.created_at.map(|at| prost_types::Timestamp { seconds: at.seconds + seconds, ..at });
        let sessions = vec![backend::SeenSession { session_id: session_id.to_owned(), seen_at }];
        let request = backend::ReportSeenSessionsRequest { sessions };
        suite.as_service("task").identity_sessions().report_seen_sessions(request).await
    };
    suite.options.clock.advance(TimeDelta::minutes(30));

    report(&session.id, 600).await.unwrap();
    report(&session.id, 630).await.unwrap();
    report(&session.id, 60).await.unwrap();
    report(&Uuid::now_v7().to_string(), 600).await.unwrap();

    let seen = current().await.last_seen_at.unwrap().seconds - session.created_at.unwrap().seconds;
    assert_eq!(seen, 600, "the time moves forward, and not within the minute");
    report(&session.id, 86_400).await.unwrap();
    let seen = current().await.last_seen_at.unwrap().seconds - session.created_at.unwrap().seconds;
    assert!((1_800..1_830).contains(&seen), "no session was used in the future: {seen}");
    assert_eq!(violations(&report("x", 0).await.unwrap_err()), ["sessions[0].session_id"]);
}

#[tokio::test]
async fn the_last_use_of_a_session_is_written_when_the_service_stops() {
    let mut suite = harness().start().await;
    let olga = suite.user("olga").await;
    who_am_i(&olga).await.unwrap();

    suite.stop().await;

    let mut conn = suite.admin().await;
    let query = "SELECT count(last_seen_at) AS count FROM identity.user_sessions";
    let seen: Count =
        diesel_async::RunQueryDsl::get_result(diesel::sql_query(query), &mut conn).await.unwrap();
    let query = "SELECT count(*) AS count FROM identity.change_log \
        WHERE entity = 'user_sessions' AND operation = 'update'";
    let changes: Count =
        diesel_async::RunQueryDsl::get_result(diesel::sql_query(query), &mut conn).await.unwrap();
    assert_eq!((seen.count, changes.count), (1, 0));
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[tokio::test]
async fn guesses_from_many_addresses_lock_one_account_only() {
    let suite = behind_a_proxy().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let mut auth = suite.anonymous().auth();
    let mut refusals = Vec::new();
    for number in 0..15 {
        let guess = from(&format!("192.0.2.{number}"), login("olga", "a wrong password"));
        refusals.push(refusal(auth.login(guess).await));
    }

    assert_eq!(refusals.iter().filter(|text| *text == "UNAUTHENTICATED INVALID_CREDENTIALS").count(), 10);
    let owner = auth.login(from("198.51.100.1", login("olga", &olga.password))).await;
    assert_eq!(refusal(owner), "RESOURCE_EXHAUSTED RATE_LIMITED");
    call_every_service(&with_tokens(&olga, &refresh(&suite, &olga).await.unwrap().into_inner()))
        .await
        .unwrap();
    auth.login(from("192.0.2.1", login("gus", &gus.password))).await.unwrap();
    suite.options.clock.advance(TimeDelta::minutes(16));
    let granted = auth.login(from("198.51.100.1", login("olga", &olga.password))).await.unwrap();
    assert_eq!(granted.grant().session.unwrap().ip_address, "198.51.100.1");
}

#[tokio::test]
async fn guesses_at_many_accounts_lock_one_address_only() {
    let suite = behind_a_proxy().await;
    let gus = suite.user("gus").await;
    let guesses = futures::stream::iter(0..110).map(|number| {
        let mut auth = suite.anonymous().auth();
        async move {
            let guess = from("192.0.2.1", login(&format!("somebody{number}"), "a wrong password"));
            refusal(auth.login(guess).await)
        }
    });
    let refusals: Vec<_> = guesses.buffered(4).collect().await;

    assert_eq!(refusals.iter().filter(|text| *text == "UNAUTHENTICATED INVALID_CREDENTIALS").count(), 100);
    let mut auth = suite.anonymous().auth();
    let same = auth.login(from("192.0.2.1", login("gus", &gus.password))).await;
    assert_eq!(refusal(same), "RESOURCE_EXHAUSTED RATE_LIMITED");
    auth.login(from("192.0.2.2", login("gus", &gus.password))).await.unwrap();
}
