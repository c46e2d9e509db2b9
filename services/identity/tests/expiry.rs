//! Sessions that have ended are forgotten.

use crate::fixtures::*;
use crate::harness::harness;
use std::time::Instant;

use diesel_async::SimpleAsyncConnection;
use testkit::*;

fn end(name: &str, ago: &str) -> String {
    format!(
        "UPDATE identity.user_sessions SET expires_at = now() - interval '{ago}', \
         refresh_expires_at = now() - interval '{ago}' \
         WHERE user_id = (SELECT id FROM identity.users WHERE username = '{name}')"
    )
}

/// Starts a replica, which looks at once, and waits until there are so many rows.
async fn looks_until(suite: &Suite, left: i64, rows: &str) {
    let replica = suite.start_replica(&suite.options).await;
    let start = Instant::now();
    loop {
        let found = suite.count(rows).await;
        if found == left {
            break;
        }
        assert!(found > left && start.elapsed() < TIMEOUT, "{found} of {rows} are left");
    }
    replica.stop().await;
}

#[tokio::test]
async fn a_session_is_deleted_a_day_after_its_end() {
    let suite = harness().start().await;
    let [_olga, _gus, _eva] = suite.guests(["olga", "gus", "eva"]).await;
    execute(&suite, &end("olga", "25 hours")).await;
    execute(&suite, &end("gus", "23 hours")).await;
    looks_until(&suite, 2, "identity.user_sessions").await;
}

#[tokio::test]
async fn locked_sessions_are_left_to_the_next_run() {
    let suite = harness().start().await;
    let [_olga, _gus] = suite.guests(["olga", "gus"]).await;
    for name in ["olga", "gus"] {
        execute(&suite, &end(name, "25 hours")).await;
        let code = format!(
            "INSERT INTO identity.account_codes (id, purpose, code_hash, email, created_at, expires_at) \
             VALUES (gen_random_uuid(), 'verify_email', '{name}', '', now(), now() - interval '1 hour')"
        );
        execute(&suite, &code).await;
    }
    let mut writing = suite.admin().await;
    let hold = "BEGIN; SELECT FROM identity.account_codes WHERE code_hash = 'olga' FOR UPDATE; \
        SELECT FROM identity.user_sessions ORDER BY created_at LIMIT 1 FOR UPDATE";
    writing.batch_execute(hold).await.unwrap();

    looks_until(&suite, 1, "identity.user_sessions").await;
    looks_until(&suite, 1, "identity.account_codes").await;

    writing.batch_execute("ROLLBACK").await.unwrap();
    looks_until(&suite, 0, "identity.user_sessions").await;
    looks_until(&suite, 0, "identity.account_codes").await;
}
