//! Accounts by when they were made and last used.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::{DateTime, TimeDelta, Utc};
use proto::identity::admin::v1 as admin;

use super::names;

fn days_ago(days: i64) -> Option<prost_types::Timestamp> {
    let at: DateTime<Utc> = Utc::now() - TimeDelta::days(days);
    Some(prost_types::Timestamp { seconds: at.timestamp(), nanos: 0 })
}

#[tokio::test]
async fn list_users_filters_by_creation_and_last_login() {
    let suite = harness().start().await;
    let _people = suite.guests(["olga", "gus", "eva"]).await;
    execute(&suite, "UPDATE identity.users SET created_at = now() - interval '30 days' WHERE username IN ('olga', 'gus'); \
         UPDATE identity.users SET last_login_at = now() - interval '20 days' WHERE username = 'olga'; \
         UPDATE identity.users SET last_login_at = now() - interval '2 days' WHERE username = 'gus'",
    )
    .await;
    let all = admin::ListUsersRequest::default;
    let mut operator = operator(&suite);

    let young = admin::ListUsersRequest { created_since: days_ago(10), ..all() };
    assert_eq!(names(&mut operator, young).await, ["eva"]);
    let old = admin::ListUsersRequest { created_before: days_ago(10), ..all() };
    let mut found = names(&mut operator, old).await;
    found.sort();
    assert_eq!(found, ["gus", "olga"]);
    let resting =
        admin::ListUsersRequest { created_before: days_ago(10), unused_since: days_ago(10), ..all() };
    assert_eq!(names(&mut operator, resting).await, ["olga"]);
    let nobody =
        admin::ListUsersRequest { created_since: days_ago(10), created_before: days_ago(10), ..all() };
    assert_eq!(names(&mut operator, nobody).await, [""; 0]);
}
