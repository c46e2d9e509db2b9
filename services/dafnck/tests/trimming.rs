//! The log of changes is trimmed by every replica, at the same time if it comes to that.

use crate::harness::harness;
use std::pin::pin;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use testkit::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The log of this schema: one holds the horizon and goes on to trim when the other has begun to.
async fn is_trimmed_by_two_at_once(suite: &Suite, schema: &str) {
    let log = format!("{schema}.change_log");
    assert!(suite.count(&log).await > 0, "{schema} has changes to forget");
    let trim = format!("SELECT {schema}.trim_change_log('0 seconds', 1000)");
    let [mut one, mut other] = [suite.admin_of(schema).await, suite.admin_of(schema).await];
    let hold = format!("BEGIN; SELECT FROM {schema}.change_log_horizon FOR UPDATE");
    one.batch_execute(&hold).await.unwrap();

    let mut second = pin!(other.batch_execute(&trim));
    let waiting = format!(
        "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
         AND query LIKE '%{schema}.trim_change_log%'"
    );
    tokio::select! {
        ended = &mut second => panic!("{schema}: a second trim does not wait: {ended:?}"),
        () = until("the second waits", TIMEOUT, async || suite.count(&waiting).await > 0) => (),
    }
    let trim_as_well = format!("{trim}; COMMIT");
    let (first, second) = tokio::join!(one.batch_execute(&trim_as_well), second);

    first.unwrap();
    second.unwrap();
    assert_eq!(suite.count(&log).await, 0, "{schema}");
}

#[tokio::test]
async fn two_who_trim_the_log_at_once_do_not_wait_in_a_circle() {
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    olga.task(&project, "fly").await;
    olga.document(&project, "plan", "up").await;
    for schema in local_servers::suite::NAMES {
        is_trimmed_by_two_at_once(&suite, schema).await;
    }
}
