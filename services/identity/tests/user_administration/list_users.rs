//! Accounts by when they were made and last used.

use crate::fixtures::*;
use crate::harness::harness;
use chrono::{DateTime, TimeDelta, Utc};
use proto::common::TimeRange;
use proto::identity::admin::v1 as admin;

use super::{matching, names};

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
    let all = admin::UserFilter::default;
    let since = |time| Some(TimeRange { start_time: time, end_time: None });
    let before = |time| Some(TimeRange { start_time: None, end_time: time });
    let mut operator = operator(&suite);

    let young = admin::UserFilter { created_at: since(days_ago(10)), ..all() };
    assert_eq!(names(&mut operator, matching(young)).await, ["eva"]);
    let old = admin::UserFilter { created_at: before(days_ago(10)), ..all() };
    let mut found = names(&mut operator, matching(old)).await;
    found.sort();
    assert_eq!(found, ["gus", "olga"]);
    let resting =
        admin::UserFilter { created_at: before(days_ago(10)), no_login_since: days_ago(10), ..all() };
    assert_eq!(names(&mut operator, matching(resting)).await, ["olga"]);
    let between = Some(TimeRange { start_time: days_ago(11), end_time: days_ago(10) });
    let nobody = admin::UserFilter { created_at: between, ..all() };
    assert_eq!(names(&mut operator, matching(nobody)).await, [""; 0]);
}

#[tokio::test]
async fn a_page_of_large_accounts_ends_early() {
    let suite = harness().start().await;
    execute(
        &suite,
        "INSERT INTO identity.users (email, username, password_hash, metadata) \
         SELECT 'u' || n || '@example.org', 'user' || n, '!', jsonb_build_object('x', repeat('m', 64000)) \
         FROM generate_series(1, 70) n",
    )
    .await;
    let mut operator = operator(&suite);
    let (mut request, mut found, mut pages) =
        (admin::ListUsersRequest { page_size: 1_000, ..Default::default() }, Vec::new(), 0);
    loop {
        let page = operator.list_users(request.clone()).await.unwrap().into_inner();
        found.extend(page.users.into_iter().map(|user| user.username));
        pages += 1;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 70);
    assert!(pages > 1, "{pages}");
}
