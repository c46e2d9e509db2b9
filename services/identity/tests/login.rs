//! Signing in and out.

use crate::fixtures::*;
use crate::harness::harness;
use argon2::{Argon2, Params, PasswordHash, PasswordHasher};
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl;
use proto::identity::v1 as pb;
use testkit::*;

#[tokio::test]
async fn login_takes_a_username_or_an_email_address() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    for name in ["olga", "olga@example.org", " OLGA@example.ORG"] {
        let granted = suite.anonymous().auth().login(login(name, &olga.password)).await.unwrap().grant();
        assert_eq!(granted.user.as_ref().unwrap().id, olga.id.to_string());
        call_every_service(&with_tokens(&olga, &granted)).await.unwrap();
    }
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_error() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let _imported = suite.guest("gus").await;
    let mut auth = suite.anonymous().auth();
    let mut refusals = Vec::new();
    for (name, password) in [("olga", "wrong password"), ("nobody", olga.password.as_str()), ("gus", "!")] {
        let status = auth.login(login(name, password)).await.unwrap_err();
        refusals.push((summary(&status), status.message().to_owned(), status.details().to_owned()));
    }
    assert_eq!(refusals[0].0, "UNAUTHENTICATED INVALID_CREDENTIALS");
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

#[tokio::test]
async fn a_suspended_user_cannot_log_in() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    execute(&suite, "UPDATE identity.users SET status = 'suspended'").await;
    let answer = suite.anonymous().auth().login(login("olga", &olga.password)).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
}

#[tokio::test]
async fn login_names_malformed_fields() {
    let suite = harness().start().await;
    let long = "x".repeat(1025);
    for request in [login("", ""), login("\0", &long), login(&long, "")] {
        let refused = suite.anonymous().auth().login(request).await.unwrap_err();
        assert_eq!(violations(&refused), ["login", "password"]);
    }
}

#[tokio::test]
async fn login_updates_last_login_at() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let again = log_in_again(&olga).await;

    let who = again.auth().who_am_i(pb::WhoAmIRequest {}).await.unwrap().into_inner();

    let (user, session) = (who.user.unwrap(), session_of(&again).await);
    assert_eq!(user.last_login_at, session.created_at);
    assert_ne!(user.last_login_at, user.created_at);
    assert!(session.current);
}

#[tokio::test]
async fn calls_without_a_session_are_refused() {
    let suite = harness().start().await;
    let answer = suite.anonymous().auth().who_am_i(pb::WhoAmIRequest {}).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_REQUIRED");
    let answer = suite.anonymous().auth().logout(pb::LogoutRequest {}).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_REQUIRED");
}

#[tokio::test]
async fn logout_ends_the_session_at_every_service() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let other = log_in_again(&olga).await;
    call_every_service(&olga).await.unwrap();

    olga.auth().logout(pb::LogoutRequest {}).await.unwrap();

    let answer = olga.auth().who_am_i(pb::WhoAmIRequest {}).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_INVALID");
    assert_eq!(refused_elsewhere(&olga).await, "UNAUTHENTICATED SESSION_INVALID");
    let refresh = pb::RefreshSessionRequest { refresh_token: olga.refresh_token.clone() };
    let answer = without_session(&olga).auth().refresh_session(refresh).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED SESSION_INVALID");
    call_every_service(&other).await.unwrap();
}

#[derive(QueryableByName)]
struct PasswordHashRow {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

#[tokio::test]
async fn a_hash_with_former_parameters_is_replaced_at_login() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let former = Argon2::from(Params::new(8_192, 1, 1, None).unwrap());
    let hash: PasswordHash = former.hash_password(olga.password.as_bytes()).unwrap();
    execute(&suite, &format!("UPDATE identity.users SET password_hash = '{hash}'")).await;

    for _ in 0..2 {
        suite.anonymous().auth().login(login("olga", &olga.password)).await.unwrap();
    }

    let mut conn = suite.admin().await;
    let stored: PasswordHashRow =
        sql_query("SELECT password_hash FROM identity.users").get_result(&mut conn).await.unwrap();
    assert!(stored.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.password_hash);
}
