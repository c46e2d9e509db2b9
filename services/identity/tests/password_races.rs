//! What was checked with a password opens nothing once there is another, however close the two come.

use crate::fixtures::*;
use crate::harness::harness;
use std::pin::pin;

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use proto::identity::v1 as pb;
use testkit::*;

use crate::authenticator::{by_code, by_recovery, challenge, complete, enable};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(conn: &mut AsyncPgConnection, what: &str) -> i64 {
    sql_query(format!("SELECT count(*) FROM {what}")).get_result::<Count>(conn).await.unwrap().count
}

/// Sets another password in a transaction that lasts until the call, which has seen the former one, waits for it.
async fn while_it_changes<T: std::fmt::Debug>(suite: &Suite, call: impl Future<Output = T>) -> T {
    meanwhile(suite, ["UPDATE identity.users SET password_hash = 'another'", ""], call).await
}

/// Runs the first statement in a transaction until the call waits for it, and then the second.
pub async fn meanwhile<T: std::fmt::Debug>(
    suite: &Suite,
    [first, second]: [&str; 2],
    call: impl Future<Output = T>,
) -> T {
    let mut changing = suite.admin().await;
    changing.batch_execute(&format!("BEGIN; {first}")).await.unwrap();
    let mut call = pin!(call);
    tokio::select! {
        answer = &mut call => panic!("it did not wait: {answer:?}"),
        () = somebody_waits(suite) => {}
    }
    changing.batch_execute(&format!("{second}; COMMIT")).await.unwrap();
    call.await
}

async fn somebody_waits(suite: &Suite) {
    let mut conn = suite.admin().await;
    let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("somebody waits", TIMEOUT, async || count(&mut conn, waiting).await > 0).await;
}

#[tokio::test]
async fn a_login_with_the_former_password_begins_no_session() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let mut auth = without_session(&olga).auth();

    let answer = while_it_changes(&suite, auth.login(login("olga", &olga.password))).await;

    assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    assert_eq!(
        count(&mut suite.admin().await, "identity.user_sessions").await,
        1,
        "that of the registration"
    );
}

#[tokio::test]
async fn a_rehash_during_a_login_does_not_refuse_it() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let rehash = "SET LOCAL app.same_password = 'on'; UPDATE identity.users SET password_hash = 'another'";
    let mut auth = without_session(&olga).auth();
    meanwhile(&suite, [rehash, ""], auth.login(login("olga", &olga.password))).await.unwrap();
}

#[tokio::test]
async fn a_password_change_ends_a_login_that_came_first() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    // A sign-in that has begun its session and does not end yet: the change waits for it.
    let mut signing_in = suite.admin().await;
    let begun = "BEGIN; UPDATE identity.users SET last_login_at = now(); \
        INSERT INTO identity.user_sessions (user_id, session_token, refresh_token, expires_at, refresh_expires_at) \
        SELECT id, 'a', 'b', now() + interval '1 hour', now() + interval '1 hour' FROM identity.users";
    signing_in.batch_execute(begun).await.unwrap();
    let request = pb::ChangePasswordRequest {
        request_id: String::new(),
        old_password: olga.password.clone(),
        new_password: "battery staple horse".to_owned(),
        ..Default::default()
    };
    let mut account = olga.account();
    let mut change = pin!(account.change_password(request));
    tokio::select! {
        answer = &mut change => panic!("it did not wait: {answer:?}"),
        () = somebody_waits(&suite) => {}
    }
    signing_in.batch_execute("COMMIT").await.unwrap();
    assert_eq!(change.await.unwrap().into_inner().revoked_session_count, 1);
}

#[tokio::test]
async fn the_former_password_begins_and_completes_no_challenge() {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    let (app, codes) = enable(&suite, &olga).await;
    let open = challenge(&olga).await;

    let code = by_code(&app.next_code());
    let answer = while_it_changes(&suite, complete(&suite, &open, code)).await;

    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");
    let answer = complete(&suite, &open, by_recovery(&codes[0])).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED CHALLENGE_INVALID");

    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    enable(&suite, &olga).await;
    let mut auth = without_session(&olga).auth();
    let answer = while_it_changes(&suite, auth.login(login("olga", &olga.password))).await;
    assert_eq!(refusal(answer), "UNAUTHENTICATED INVALID_CREDENTIALS");
    assert_eq!(count(&mut suite.admin().await, "identity.second_factor_challenges").await, 0);
}

/// How a call with the former password is refused to somebody who holds a session, when both come at once.
async fn refused_to_a_thief<T: std::fmt::Debug>(
    call: impl AsyncFnOnce(Actor) -> Result<tonic::Response<T>, tonic::Status>,
) -> String {
    let suite = harness().start().await;
    let olga = suite.user("olga").await;
    refusal(while_it_changes(&suite, call(olga)).await)
}

#[tokio::test]
async fn a_session_with_the_former_password_changes_nothing() {
    let refusals = [
        refused_to_a_thief(async |olga| {
            let new_password = "battery staple horse".to_owned();
            let request = pb::ChangePasswordRequest {
                old_password: olga.password.clone(),
                new_password,
                ..Default::default()
            };
            olga.account().change_password(request).await
        })
        .await,
        refused_to_a_thief(async |olga| {
            let new_email = "new@example.org".to_owned();
            let request = pb::RequestEmailChangeRequest { password: olga.password.clone(), new_email };
            olga.account().request_email_change(request).await
        })
        .await,
        refused_to_a_thief(async |olga| {
            olga.account().delete_account(pb::DeleteAccountRequest { password: olga.password.clone() }).await
        })
        .await,
        refused_to_a_thief(async |olga| {
            let request =
                pb::BeginSecondFactorRequest { request_id: String::new(), password: olga.password.clone() };
            olga.account().begin_second_factor(request).await
        })
        .await,
    ];
    assert_eq!(refusals, ["PERMISSION_DENIED PASSWORD_WRONG"; 4]);
}
