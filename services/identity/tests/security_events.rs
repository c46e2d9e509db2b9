//! What the log knows of people's security, and who reads it.

use crate::fixtures::*;
use crate::harness::harness;
use std::time::Instant;

use proto::common::TimeRange;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use proto::identity::v1 as pb;
use proto::identity::v1::SecurityEventKind as Kind;
use shared::siblings::Sibling;
use testkit::*;

fn at_address(address: &str) -> Option<pb::SecurityEventFilter> {
    Some(pb::SecurityEventFilter { ip_address: address.to_owned(), ..Default::default() })
}

/// Failures are written a moment later.
async fn failures_of(actor: &Actor, kinds: &[Kind]) -> Vec<pb::SecurityEvent> {
    let start = Instant::now();
    loop {
        let events = events_of(actor, kinds).await;
        if !events.is_empty() {
            return events;
        }
        assert!(start.elapsed() < TIMEOUT, "no failure is recorded");
    }
}

#[tokio::test]
async fn users_list_their_own_events_newest_first() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let lost = log_in_again(&olga).await;
    let session = session_of(&lost).await;
    let revoke = pb::RevokeSessionRequest { session_id: session.id.clone() };
    olga.account().revoke_session(revoke).await.unwrap();
    olga.account().revoke_other_sessions(pb::RevokeOtherSessionsRequest {}).await.unwrap();

    let events = events_of(&olga, &[]).await;

    let kinds: Vec<_> = events.iter().map(pb::SecurityEvent::kind).collect();
    assert_eq!(kinds, [Kind::OtherSessionsRevoked, Kind::SessionRevoked, Kind::Login, Kind::Registered]);
    assert_eq!(events[1].details["session_id"], session.id);
    for event in &events {
        assert_eq!((&event.user_id, &event.actor_user_id), (&olga.id.to_string(), &olga.id.to_string()));
        assert_eq!((event.ip_address.as_str(), event.count), ("127.0.0.1", 1));
        assert!(event.user_agent.contains("tonic"), "{event:?}");
        assert_eq!(event.trace_id.len(), 32);
    }
    let of_gus: Vec<_> = events_of(&gus, &[]).await.iter().map(pb::SecurityEvent::kind).collect();
    assert_eq!(of_gus, [Kind::Registered]);
}

#[tokio::test]
async fn events_are_paged_and_filtered() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    for _ in 0..3 {
        log_in_again(&olga).await;
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSecurityEventsRequest { page_size: 2, page_token, ..Default::default() };
        let page = olga.account().list_security_events(request).await.unwrap().into_inner();
        seen.extend(page.events.into_iter().map(|event| event.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let distinct: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (4, 4));
    assert_eq!(events_of(&olga, &[Kind::Login]).await.len(), 3);

    let wrong = pb::ListSecurityEventsRequest { page_size: -1, ..Default::default() };
    let refused = olga.account().list_security_events(wrong).await.unwrap_err();
    assert_eq!(violations(&refused), ["page_size"]);
    let unknown = pb::ListSecurityEventsRequest {
        filter: Some(pb::SecurityEventFilter {
            kinds: vec![0, 4711],
            occurred_at: Some(TimeRange::default()),
            ip_address: "x".to_owned(),
        }),
        ..Default::default()
    };
    let refused = olga.account().list_security_events(unknown).await.unwrap_err();
    assert_eq!(
        violations(&refused),
        ["filter.ip_address", "filter.kinds[0]", "filter.kinds[1]", "filter.occurred_at"]
    );
    let elsewhere = pb::SecurityEventFilter { ip_address: "192.0.2.7".to_owned(), ..Default::default() };
    let request = pb::ListSecurityEventsRequest { filter: Some(elsewhere), ..Default::default() };
    assert_eq!(olga.account().list_security_events(request).await.unwrap().into_inner().events, []);
    let request = pb::ListSecurityEventsRequest::default();
    let anonymous = suite.anonymous().account().list_security_events(request).await;
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn failures_and_lockouts_are_recorded_with_a_count() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = suite.anonymous().auth();
    for _ in 0..12 {
        auth.login(login("olga", "a wrong password")).await.unwrap_err();
    }

    let lockout = failures_of(&olga, &[Kind::Lockout]).await;
    let failures = failures_of(&olga, &[Kind::LoginFailure]).await;

    assert_eq!(lockout.len(), 1);
    assert!((1..=10).contains(&failures.len()), "{failures:?}");
    assert_eq!((failures[0].actor_user_id.as_str(), failures[0].ip_address.as_str()), ("", "127.0.0.1"));
}

#[tokio::test]
async fn pending_failures_are_written_when_the_service_stops() {
    let mut suite = harness().start().await;
    let _olga = suite.user("olga").await;
    suite.anonymous().auth().login(login("olga", "a wrong password")).await.unwrap_err();
    suite.anonymous().auth().login(login("olga", "another wrong password")).await.unwrap_err();

    suite.stop().await;

    let mut conn = suite.admin().await;
    let query = "SELECT sum((new_values ->> 'count')::bigint)::bigint AS count FROM identity.change_log \
        WHERE entity = 'security_event' AND new_values ->> 'kind' = 'login_failure'";
    let sum: Sum = diesel_async::RunQueryDsl::get_result(diesel::sql_query(query), &mut conn).await.unwrap();
    assert_eq!(sum.count, 2);
}

#[derive(diesel::QueryableByName)]
struct Sum {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[tokio::test]
async fn only_operators_list_all_events() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let list = async |name: &str, request: admin::ListSecurityEventsRequest| {
        let channel = suite.as_service(name).channel(Sibling::Identity);
        let answer = SecurityAdminServiceClient::new(channel).list_security_events(request).await;
        answer.map(|answer| answer.into_inner().events)
    };

    let all = list("operator-eva", admin::ListSecurityEventsRequest::default()).await.unwrap();
    let of_gus = admin::ListSecurityEventsRequest { user_id: gus.id.to_string(), ..Default::default() };
    let of_gus = list("operator", of_gus).await.unwrap();
    let elsewhere =
        admin::ListSecurityEventsRequest { filter: at_address("192.0.2.7"), ..Default::default() };

    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|event| event.user_id == olga.id.to_string()));
    assert_eq!(of_gus.len(), 1);
    assert_eq!(list("operator", elsewhere).await.unwrap(), []);
    let service = list("task", admin::ListSecurityEventsRequest::default()).await;
    assert_eq!(summary(&service.unwrap_err()), "PERMISSION_DENIED AUDIENCE_REFUSED");
    let wrong = admin::ListSecurityEventsRequest { user_id: "x".to_owned(), ..Default::default() };
    assert_eq!(violations(&list("operator", wrong).await.unwrap_err()), ["user_id"]);
    let wrong = admin::ListSecurityEventsRequest { filter: at_address("y"), ..Default::default() };
    assert_eq!(violations(&list("operator", wrong).await.unwrap_err()), ["filter.ip_address"]);
}

#[tokio::test]
async fn a_change_whose_event_cannot_be_written_fails() {
    let suite = harness().start().await;
    suite
        .execute(
            "CREATE OR REPLACE FUNCTION identity.append_security_events(events jsonb) RETURNS void \
         LANGUAGE plpgsql AS $$BEGIN RAISE 'no room'; END$$",
        )
        .await;
    let request = pb::BeginSignUpRequest { email: "olga@example.org".to_owned() };
    let refused = suite.anonymous().auth().begin_sign_up(request).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(suite.count("identity.account_codes").await, 0);
    assert_eq!(suite.count("identity.mail_outbox").await, 0);
}
