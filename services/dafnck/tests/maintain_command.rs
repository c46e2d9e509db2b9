//! What `dafnck maintain` does, once whoever asks for it at the same time.

use crate::harness::harness;
use std::time::Duration;

use dafnck::maintain::{Outcome, maintain};
use diesel_async::SimpleAsyncConnection;
use shared::config::Secret;
use testkit::{Topology, terminate};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::dafnck::start_dafnck;

const TIMEOUT: Duration = Duration::from_secs(60);

/// What was done, of those jobs that were done.
async fn done(url: &Secret, now: bool) -> Vec<(String, Vec<String>)> {
    let outcomes = maintain(url, now).await.unwrap().into_iter();
    let done = outcomes.filter_map(|(what, outcome)| match outcome.unwrap() {
        Outcome::Skipped => None,
        Outcome::Done(things) => Some((what, things)),
    });
    done.collect()
}

fn of<'a>(done: &'a [(String, Vec<String>)], what: &str) -> &'a [String] {
    &done.iter().find(|(name, _)| name == what).unwrap().1
}

#[tokio::test]
async fn of_two_runs_at_once_each_job_is_done_by_one_and_then_it_is_not_due() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let url = &suite.admin_url;
    let (a, b) = tokio::join!(done(url, false), done(url, false));
    let mut jobs: Vec<String> = a.into_iter().chain(b).map(|(what, _)| what).collect();
    jobs.sort();
    let mut once = jobs.clone();
    once.dedup();
    assert_eq!(jobs, once, "none is done twice");
    assert_eq!(once.len(), 12, "three jobs in four schemas");
    assert_eq!(done(url, false).await, [], "nothing is due");
    assert_eq!(done(url, true).await.len(), 12, "unless everything is asked for");
}

#[tokio::test]
async fn a_process_that_maintains_forever_does_what_is_due_and_ends_when_it_is_told_to() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let mut process =
        start_dafnck(&["maintain", "--forever"], &[("DAFNCK_ADMIN_URL", suite.admin_url.expose())]);
    let is_done = async {
        for set in local_servers::suite::NAMES {
            let sizes = format!("{set}.table_sizes");
            while suite.count(&sizes).await == 0 {
                assert_eq!(process.try_wait().unwrap(), None, "it goes on");
            }
        }
    };
    tokio::time::timeout(TIMEOUT, is_done).await.expect("nothing is done");

    terminate(process.id().unwrap());
    let ended = tokio::time::timeout(TIMEOUT, process.wait()).await.expect("it does not end").unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_process_that_cannot_maintain_says_why_and_goes_on() {
    let nowhere = [("DAFNCK_ADMIN_URL", "postgres://a@127.0.0.1:1/a"), ("DAFNCK_LOG_FORMAT", "json")];
    let mut process = start_dafnck(&["maintain", "--forever"], &nowhere);
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let failure = async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let said: serde_json::Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "maintenance failed" {
                return said;
            }
        }
    };
    let said = tokio::time::timeout(TIMEOUT, failure).await.expect("it does not say so");
    assert_eq!(said["level"], "WARN");
    assert!(said["error"].as_str().unwrap().contains("Connection refused"), "{said}");
    assert_eq!(process.try_wait().unwrap(), None, "it tries again later");
    terminate(process.id().unwrap());
    assert_eq!(process.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn tables_that_changed_are_counted_again_and_their_sizes_noted() {
    let suite = harness().start().await;
    let mut admin = suite.admin_of("task").await;
    admin.batch_execute("ALTER TABLE task.idempotency_keys SET (autovacuum_enabled = off)").await.unwrap();
    let rows = "INSERT INTO task.idempotency_keys SELECT gen_random_uuid(), 'CreateTask', gen_random_uuid(), '\\x00', \
                gen_random_uuid(), now() FROM generate_series(1, 2000)";
    admin.batch_execute(rows).await.unwrap();
    // What was changed is told to the statistics when the transaction's process is idle, or asked to.
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();

    let first = done(&suite.admin_url_of("task"), true).await;
    let second = done(&suite.admin_url_of("task"), true).await;

    assert!(of(&first, "task analyze").contains(&"idempotency_keys".to_owned()), "{first:?}");
    assert!(!of(&second, "task analyze").contains(&"idempotency_keys".to_owned()), "{second:?}");
    assert_eq!(
        suite.count("task.table_sizes WHERE table_name = 'tasks' AND bytes > 0").await,
        1,
        "once a day"
    );
}

#[tokio::test]
async fn an_index_that_is_mostly_empty_is_built_anew_beside_the_traffic() {
    let suite = harness().start().await;
    let mut admin = suite.admin_of("task").await;
    // Keys that come in random order and mostly go leave an index of pages that are nearly empty.
    let bloat = "ALTER TABLE task.idempotency_keys SET (autovacuum_enabled = off); \
                 INSERT INTO task.idempotency_keys SELECT gen_random_uuid(), 'CreateTask', gen_random_uuid(), '\\x00', \
                 gen_random_uuid(), now() FROM generate_series(1, 150000);";
    admin.batch_execute(bloat).await.unwrap();
    admin.batch_execute("DELETE FROM task.idempotency_keys WHERE random() < 0.9").await.unwrap();
    admin.batch_execute("VACUUM task.idempotency_keys").await.unwrap();
    let half = "SET allow_system_table_mods = on; \
                CREATE INDEX idx_tasks_status_ccnew ON task.tasks (status); \
                UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'task.idx_tasks_status_ccnew'::regclass";
    admin.batch_execute(half).await.unwrap();

    let first = done(&suite.admin_url_of("task"), true).await;

    assert!(of(&first, "task reindex").contains(&"idempotency_keys_pkey".to_owned()), "{first:?}");
    assert_eq!(
        suite.count("pg_class WHERE relname = 'idx_tasks_status_ccnew'").await,
        0,
        "half an index goes"
    );
    assert_eq!(of(&done(&suite.admin_url_of("task"), true).await, "task reindex"), [""; 0]);
}
