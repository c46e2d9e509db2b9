//! A step that has to wait for others' locks lets the clients' calls pass, and comes through.

use crate::harness::harness;
use dafnck::services::REFERENCES;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::sql_types::BigInt;
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shared::migrate;
use testkit::{Actor, Topology, until};

/// The longest that a call may take beside a step: an eighth of a call's default deadline would be 0.6 s, and the
/// test's machine may be busy.
const UNNOTICED: Duration = Duration::from_secs(4);
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many times the step is to give way before its locks become free.
const GIVEN_WAY: usize = 2;

#[derive(QueryableByName)]
struct WaitingRow {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
}

async fn waits(conn: &mut AsyncPgConnection) -> bool {
    let query = "SELECT count(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%ADD CONSTRAINT%'";
    sql_query(query).get_result::<WaitingRow>(conn).await.unwrap().waiting > 0
}

/// The step has begun to wait and has given up, this often.
async fn gave_way(conn: &mut AsyncPgConnection, times: usize) {
    for _ in 0..times {
        until("the step waits", TIMEOUT, async || waits(conn).await).await;
        until("the step gives way", TIMEOUT, async || !waits(conn).await).await;
    }
}

/// Makes tasks and projects until told to stop; answers how many, and how long the slowest call took.
async fn write_until(who: &Actor, over: &AtomicBool) -> (usize, Duration) {
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let project = who.project("apollo").await;
        slowest = slowest.max(start.elapsed());
        let start = Instant::now();
        who.task(&project, "buy milk").await;
        slowest = slowest.max(start.elapsed());
        calls += 2;
    }
    (calls, slowest)
}

#[tokio::test]
async fn no_call_fails_or_stands_still_while_a_step_waits_for_a_long_transaction() {
    let suite = harness().start_in(Topology::PLAIN).await;
    let [olga, gus] = suite.guests(["olga", "gus"]).await;
    migrate::down(&suite.admin_url, &REFERENCES, 0).await.unwrap();
    let mut holder = suite.admin().await;
    holder.batch_execute("BEGIN; LOCK TABLE content.documents IN ROW EXCLUSIVE MODE").await.unwrap();
    let over = AtomicBool::new(false);
    let upgrade = async {
        let mut observer = suite.admin().await;
        let release = async {
            gave_way(&mut observer, GIVEN_WAY).await;
            holder.batch_execute("COMMIT").await.unwrap();
        };
        let (steps, ()) = tokio::join!(migrate::up(&suite.admin_url, &REFERENCES), release);
        over.store(true, Ordering::Relaxed);
        steps.unwrap()
    };

    let ((calls, slowest), other, steps) =
        tokio::join!(write_until(&olga, &over), write_until(&gus, &over), upgrade);

    assert_eq!(steps, 1);
    assert!(calls > 0 && other.0 > 0);
    assert!(slowest.max(other.1) < UNNOTICED, "a call took {:?}", slowest.max(other.1));
    println!("{} calls beside the step, the slowest {:?}", calls + other.0, slowest.max(other.1));
}
