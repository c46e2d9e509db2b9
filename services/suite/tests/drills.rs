//! PostgreSQL and Redis are killed under a write load, as `kill -9` does: no acknowledged write is lost, none is doubled.
//! (A service's process: `tests/replacing.rs` of task and `tests/faults.rs` of content.)

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use shared::proto::task::v1 as pb;
use suite::testing::{Actor, Suite, new_id};

const KILLS: usize = 3;
const WRITERS: usize = 4;
/// Writes that are acknowledged before each kill, and after the last one.
const BETWEEN: usize = 20;
/// How long it may take until writes are acknowledged again.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Writers who make the same call again until it is acknowledged, and what was.
struct Load {
    acknowledged: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Load {
    fn new() -> Self {
        Self { acknowledged: Mutex::default(), over: AtomicBool::new(false) }
    }

    async fn write(&self, who: &Actor, project_id: &str) {
        while !self.over.load(Ordering::Relaxed) {
            let wish = pb::CreateTaskRequest {
                request_id: new_id(),
                project_id: project_id.to_owned(),
                title: "buy milk".to_owned(),
                ..Default::default()
            };
            let id = loop {
                match who.tasks().create_task(wish.clone()).await {
                    Ok(made) => break made.into_inner().id,
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            };
            self.acknowledged.lock().unwrap().push(id);
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    async fn more(&self, by: usize) {
        let (start, wanted) = (Instant::now(), self.count() + by);
        while self.count() < wanted {
            assert!(start.elapsed() < PATIENCE, "writes are not acknowledged any more");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The tests' server does not wait for its log; what is acknowledged from here on is in the hands of the system. A
/// connection that is open already would not hear of it.
async fn wait_for_the_log(suite: &Suite) {
    let admin = &mut suite.admin().await;
    let patient = format!("ALTER DATABASE {} SET synchronous_commit = on", suite.options.database);
    admin.batch_execute(&patient).await.unwrap();
    // A statement of its own: who connects anew must find the setting committed.
    let end_others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    admin.batch_execute(end_others).await.unwrap();
}

/// Kills something again and again under load, and looks at what is there then.
async fn survives(suite: &Suite, what: &str, kill_and_start: impl AsyncFn()) {
    let olga = suite.guest("olga").await;
    let project = olga.project("apollo").await;
    wait_for_the_log(suite).await;
    let load = Load::new();
    let drill = async {
        for _ in 0..KILLS {
            load.more(BETWEEN).await;
            let killed = Instant::now();
            kill_and_start().await;
            load.more(1).await;
            println!("{what} was killed; writes were acknowledged again after {:?}", killed.elapsed());
        }
        load.more(BETWEEN).await;
        load.over.store(true, Ordering::Relaxed);
    };
    tokio::join!(futures::future::join_all((0..WRITERS).map(|_| load.write(&olga, &project.id))), drill);

    let ids = load.acknowledged.into_inner().unwrap();
    assert_eq!(suite.count("task.tasks").await, ids.len() as i64, "each once");
    let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    assert_eq!(
        suite.count(&format!("task.tasks WHERE id IN ({list})")).await,
        ids.len() as i64,
        "none is lost"
    );
}

#[tokio::test]
async fn postgresql_killed_under_load_loses_and_doubles_nothing() {
    let suite = Suite::start_alone().await;
    let servers = suite.servers.as_ref().unwrap();
    survives(&suite, "PostgreSQL", async || {
        servers.kill_postgres().await.unwrap();
        // Its children may take a moment to notice, and it does not start beside them.
        let start = Instant::now();
        while let Err(error) = servers.start_postgres().await {
            assert!(start.elapsed() < PATIENCE, "{error:#}");
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
}

#[tokio::test]
async fn redis_killed_under_load_loses_and_doubles_nothing() {
    let suite = Suite::start_alone().await;
    let servers = suite.servers.as_ref().unwrap();
    survives(&suite, "Redis", async || {
        servers.kill_redis().await.unwrap();
        servers.start_redis().await.unwrap();
    })
    .await;
}
