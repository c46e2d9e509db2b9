//! A rotation of keys that is interrupted.

use crate::harness::harness;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use shared::siblings::Sibling;
use testkit::*;

use super::{NEW_KEY, count, rotate, with_keys};
use crate::by_hand;

/// Rows of a batch, and rows in all.
const BATCH: i64 = 500;
const ROWS: i64 = 4_000;

#[tokio::test]
async fn an_interrupted_rotation_leaves_whole_batches_and_is_finished_by_another() {
    let mut suite = harness().start().await;
    by_hand(
        &suite,
        &format!(
            "INSERT INTO identity.users (email, username, password_hash, last_name) SELECT 'u' || n || \
             '@example.org', 'user' || n, '!', 'Family ' || n FROM generate_series(1, {ROWS}) n"
        ),
    )
    .await;
    rotate(&suite).await;
    assert_eq!(count(&suite, "last_name NOT LIKE 'sealed:test.%'").await, 0);
    let running = with_keys(&mut suite, &format!("{NEW_KEY},{ENCRYPTION_KEYS}")).await;

    let channel = suite.as_service("operator").channel(Sibling::Identity);
    let mut telling = SecurityAdminServiceClient::new(channel)
        .rotate_keys(admin::RotateKeysRequest {})
        .await
        .unwrap()
        .into_inner();
    while telling.message().await.unwrap().unwrap().sealed_count == 0 {}
    drop(telling);

    let told = rotate(&suite).await;

    let left = told[0].total_count;
    assert!(left > 0 && left < ROWS && left % BATCH == 0, "it goes on where the other ended: {told:?}");
    assert_eq!(count(&suite, "last_name LIKE 'sealed:new.%'").await, ROWS);
    running.stop().await;
}
