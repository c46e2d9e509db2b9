//! The caller's own sessions.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::v1 as pb;
use testkit::*;
use uuid::Uuid;

fn revoke(session_id: impl ToString) -> pb::RevokeSessionRequest {
    pb::RevokeSessionRequest { session_id: session_id.to_string() }
}

/// Devices of a user that nobody holds.
async fn plant_sessions(suite: &Suite, user: &Actor, count: u32) {
    let statement = format!(
        "INSERT INTO identity.user_sessions (user_id, session_token, expires_at, refresh_expires_at, created_at) \
         SELECT '{}', 'planted ' || n, now() + interval '1 hour', now() + interval '1 day', \
         now() - interval '1 minute' * (n / 2) FROM generate_series(1, {count}) n",
        user.id
    );
    execute(suite, &statement).await;
}

#[tokio::test]
async fn sessions_are_listed_newest_first_over_pages() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    plant_sessions(&suite, &olga, 10).await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSessionsRequest { page_size: 4, page_token };
        let page = olga.account().list_sessions(request).await.unwrap().into_inner();
        assert!(page.sessions.len() <= 4);
        seen.extend(
            page.sessions.into_iter().map(|session| (session.created_at.unwrap().seconds, session.id)),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 11);
    assert!(seen.is_sorted_by(|a, b| a.0 > b.0 || (a.0 == b.0 && a.1 != b.1)), "{seen:?}");
    let distinct: std::collections::HashSet<_> = seen.iter().map(|(_, id)| id).collect();
    assert_eq!(distinct.len(), 11);
}

#[tokio::test]
async fn list_sessions_returns_only_the_callers_valid_sessions() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    plant_sessions(&suite, &olga, 3).await;
    suite
        .execute("UPDATE identity.user_sessions SET is_active = false WHERE session_token = 'planted 1'")
        .await;
    suite
        .execute(
            "UPDATE identity.user_sessions SET refresh_expires_at = now() WHERE session_token = 'planted 2'",
        )
        .await;

    let sessions = list_sessions(&olga).await;

    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session.current).count(), 1);
    assert!(sessions.iter().all(|session| session.active && session.user_id == olga.id.to_string()));
    assert_eq!(list_sessions(&gus).await.len(), 1);
}

#[tokio::test]
async fn list_sessions_rejects_malformed_paging() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    plant_sessions(&suite, &olga, 2).await;
    let first = pb::ListSessionsRequest { page_size: 1, ..Default::default() };
    let page_token = olga.account().list_sessions(first).await.unwrap().into_inner().next_page_token;

    let of_another = pb::ListSessionsRequest { page_size: 1, page_token };
    let negative = pb::ListSessionsRequest { page_size: -1, ..Default::default() };

    let answer = gus.account().list_sessions(of_another).await;
    assert_eq!(refusal(answer), "INVALID_ARGUMENT PAGE_TOKEN_INVALID");
    let refused = gus.account().list_sessions(negative).await.unwrap_err();
    assert_eq!(violations(&refused), ["page_size"]);
}

#[tokio::test]
async fn a_revoked_session_is_refused_by_every_service_at_once() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let lost = log_in_again(&olga).await;
    call_every_service(&lost).await.unwrap();
    let id = session_of(&lost).await.id;

    let ended = olga.account().revoke_session(revoke(&id)).await.unwrap().into_inner();

    assert!(!ended.active && !ended.current);
    assert_eq!(refusal(lost.auth().who_am_i(pb::WhoAmIRequest {}).await), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&lost).await, "UNAUTHENTICATED SESSION_INVALID");
    call_every_service(&olga).await.unwrap();
    let again = olga.account().revoke_session(revoke(&id)).await.unwrap().into_inner();
    assert_eq!(again, ended);
}

#[tokio::test]
async fn revoke_session_does_not_find_sessions_of_others() {
    let suite = harness().start().await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    let id = session_of(&olga).await.id;

    let strangers = gus.account().revoke_session(revoke(id)).await;
    let unknown = gus.account().revoke_session(revoke(Uuid::now_v7())).await;
    let anonymous = suite.anonymous().account().revoke_session(revoke(Uuid::now_v7())).await;
    let malformed = gus.account().revoke_session(revoke("x")).await.unwrap_err();

    assert_eq!(refusal(strangers), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refusal(unknown), "NOT_FOUND RESOURCE_NOT_FOUND");
    assert_eq!(refusal(anonymous), "UNAUTHENTICATED SESSION_REQUIRED");
    assert_eq!(violations(&malformed), ["session_id"]);
    call_every_service(&olga).await.unwrap();
}

#[tokio::test]
async fn revoke_other_sessions_spares_the_caller_and_other_users() {
    let suite = harness().start().await;
    let [olga, gus] = suite.users(["olga", "gus"]).await;
    let lost = log_in_again(&olga).await;
    let stolen = log_in_again(&olga).await;
    let request = pb::RevokeOtherSessionsRequest {};

    let first = olga.account().revoke_other_sessions(request).await.unwrap().into_inner();
    let second = olga.account().revoke_other_sessions(request).await.unwrap().into_inner();

    assert_eq!((first.revoked_count, second.revoked_count), (2, 0));
    for actor in [&lost, &stolen] {
        assert_eq!(refused_elsewhere(actor).await, "UNAUTHENTICATED SESSION_INVALID");
    }
    for actor in [&olga, &gus] {
        call_every_service(actor).await.unwrap();
    }
}

#[tokio::test]
async fn revoke_other_sessions_announces_earlier_revocations_again() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let lost = log_in_again(&olga).await;
    call_every_service(&lost).await.unwrap();
    let id = session_of(&lost).await.id;
    execute(&suite, &format!("UPDATE identity.user_sessions SET is_active = false WHERE id = '{id}'")).await;
    call_every_service(&lost).await.unwrap();

    let request = pb::RevokeOtherSessionsRequest {};
    let answer = olga.account().revoke_other_sessions(request).await.unwrap().into_inner();

    assert_eq!(answer.revoked_count, 0);
    assert_eq!(refused_elsewhere(&lost).await, "UNAUTHENTICATED SESSION_INVALID");
    call_every_service(&olga).await.unwrap();
}
