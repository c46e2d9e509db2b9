//! An interrupted rotation of keys.

use crate::fixtures::*;
use crate::harness::harness;
use proto::identity::admin::v1 as admin;
use proto::identity::admin::v1::security_admin_service_client::SecurityAdminServiceClient;
use shared::siblings::Sibling;
use testkit::*;

use super::{NEW_KEY, count, import_users, with_keys};

const BATCH: i64 = 500;
const ROWS: u32 = 4_000;

#[tokio::test]
async fn a_rotation_continues_where_an_interrupted_one_ended() {
    let mut suite = harness().start().await;
    import_users(&suite, ROWS).await;
    assert_eq!(count(&suite, "last_name LIKE 'encrypted:test.%'").await, i64::from(ROWS));
    let running = with_keys(&mut suite, &format!("{NEW_KEY},{ENCRYPTION_KEYS}")).await;

    let channel = suite.as_service("operator").channel(Sibling::Identity);
    let mut interrupted = SecurityAdminServiceClient::new(channel)
        .rotate_keys(admin::RotateKeysRequest {})
        .await
        .unwrap()
        .into_inner();
    while interrupted.message().await.unwrap().unwrap().sealed_count == 0 {}
    drop(interrupted);

    let progress = rotate_keys(&suite).await;

    let left = progress[0].total_count;
    assert!(
        left > 0 && left < i64::from(ROWS) && left % BATCH == 0,
        "it continues where the other ended: {progress:?}"
    );
    assert_eq!(count(&suite, "last_name LIKE 'encrypted:new.%'").await, i64::from(ROWS));
    running.stop().await;
}
