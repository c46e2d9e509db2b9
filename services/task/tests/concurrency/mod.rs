//! Many concurrent writers: no cycle in the graph, no deadlock.

mod changes;
mod checker;

use crate::harness::harness;
use std::collections::HashSet;

use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use futures::future::join_all;
use testkit::*;

use self::changes::change_in_the_end;
use self::checker::{has_cycle, waits, wrongly_blocked};
use crate::fixtures::*;

/// Each writer has its own connection, so that all are in the database at once: one user has half of the pool.
const WRITERS: u32 = 32;
const STEPS: u64 = 12;
const TASKS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_writers_create_no_cycle_and_no_deadlock() {
    let suite = harness().start_with(|options| options.database_pool_size = 2 * WRITERS).await;
    let Team { mut suite, olga, project, .. } = team_on(suite).await;
    let mut tasks = Vec::new();
    for _ in 0..TASKS {
        tasks.push(olga.task(&project, "x").await);
    }
    crowd(&suite).await;
    let writers = (0..WRITERS).map(|writer| {
        let (olga, tasks) = (&olga, &tasks);
        async move {
            let (mut seed, mut answers) = (u64::from(writer) + 1, Vec::new());
            for _ in 0..STEPS {
                answers.push(change_in_the_end(olga, tasks, &mut seed).await);
            }
            answers
        }
    });
    let mut most = 0;
    let answers: HashSet<String> = tokio::select! {
        answers = join_all(writers) => answers.into_iter().flatten().collect(),
        () = count_transactions(&suite, &mut most) => unreachable!(),
    };
    assert!(most > i64::from(WRITERS) / 2, "no more than {most} transactions at once");

    let documented = [
        "OK",
        "ALREADY_EXISTS ALREADY_EXISTS",
        "INVALID_ARGUMENT INVALID_FIELDS",
        "FAILED_PRECONDITION DEPENDENCY_CYCLE",
        "FAILED_PRECONDITION TASK_BLOCKED",
        "FAILED_PRECONDITION INVALID_STATUS_TRANSITION",
        // Two writers removed the same dependency.
        "NOT_FOUND RESOURCE_NOT_FOUND",
    ];
    let others: Vec<_> = answers.iter().filter(|answer| !documented.contains(&answer.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(answers.contains("OK") && answers.contains("FAILED_PRECONDITION DEPENDENCY_CYCLE"));
    let waits = waits(&suite).await;
    assert!(!waits.is_empty() && !has_cycle(&waits), "{waits:?}");
    assert_eq!(wrongly_blocked(&suite).await, []);
    assert_eq!(suite.count("task.tasks WHERE length(rank) >= 60").await, 0, "nobody has made room");
    suite.stop().await;
    assert_eq!(suite.deadlocks().await, 0);
}

/// Sets ranks with hardly any space between them.
async fn crowd(suite: &Suite) {
    let crowd = "ALTER TABLE task.tasks DISABLE TRIGGER USER;
        UPDATE task.tasks SET rank = task.initial_rank(1) || repeat('A', 51) || substr(task.rank_digits(), number::int + 1, 1);
        ALTER TABLE task.tasks ENABLE TRIGGER USER";
    suite.execute(crowd).await;
}

/// Samples the number of concurrent transactions and keeps the maximum.
async fn count_transactions(suite: &Suite, most: &mut i64) {
    let mut admin = suite.admin_of(task::NAME).await;
    let count = sql::<BigInt>(
        "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND usename = 'task_service' AND xact_start IS NOT NULL)",
    );
    loop {
        let now = diesel::select(count.clone()).get_result(&mut admin).await.unwrap();
        *most = i64::max(*most, now);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_opposite_dependencies_at_once_one_wins() {
    let Team { olga, project, .. } = &team().await;
    for _ in 0..10 {
        let [a, b] = [olga.task(project, "a").await, olga.task(project, "b").await];
        let (there, back) = futures::join!(blocks(olga, &a, &b), blocks(olga, &b, &a));
        let refusal = match (there, back) {
            (Ok(_), Err(refusal)) | (Err(refusal), Ok(_)) => refusal,
            both => panic!("{both:?}"),
        };
        assert_eq!(summary(&refusal), "FAILED_PRECONDITION DEPENDENCY_CYCLE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_updates_of_one_version_one_wins() {
    let Team { olga, project, .. } = &team().await;
    let task = olga.task(project, "a").await;
    let changes = (0..8).map(|_| update(olga, task.clone(), &["title"]));
    let outcomes = join_all(changes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refusal in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(summary(&refusal), "ABORTED ETAG_MISMATCH");
    }
}
