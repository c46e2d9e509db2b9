//! A write load during a fault: every acknowledged write must be there exactly once afterwards.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use proto::project::v1::Project;
use proto::task::v1::{CreateTaskRequest, Task};
use tonic::{Code, Status};

use super::{Actor, Suite, new_id, reason_of, summary, until_ok};

const KILLS: usize = 3;
/// Writers are numbered from 0.
const WRITERS: usize = 4;
/// Acknowledged writes before each kill and after the last one.
const WRITES_BETWEEN_KILLS: usize = 20;
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// The message of an error that a service did not expect.
const INTERNAL_ERROR: &str = "internal error";
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// Concurrent writers. Each repeats a call with the same `request_id` until it is acknowledged.
pub struct WriteLoad<W> {
    /// Makes the call of a writer with a `request_id` and returns the id of what it created.
    write: W,
    acknowledged: Mutex<Vec<String>>,
    refusals: Mutex<BTreeMap<String, usize>>,
    is_stopped: AtomicBool,
}

impl<W: AsyncFn(usize, String) -> Result<String, Status>> WriteLoad<W> {
    pub fn new(write: W) -> Self {
        Self {
            write,
            acknowledged: Mutex::default(),
            refusals: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Writes until [`Self::stop`].
    pub async fn run(&self) {
        join_all((0..WRITERS).map(|writer| self.run_writer(writer))).await;
    }

    async fn run_writer(&self, writer: usize) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            let request_id = new_id();
            let id = loop {
                match (self.write)(writer, request_id.clone()).await {
                    Ok(id) => break id,
                    Err(refusal) => self.record_refusal(&refusal),
                }
                tokio::time::sleep(RETRY_DELAY).await;
            };
            self.acknowledged.lock().unwrap().push(id);
        }
    }

    /// Accepts transient errors of the service, and the client's own errors while the service is gone.
    fn record_refusal(&self, refusal: &Status) {
        let is_transient =
            matches!(refusal.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted);
        let is_from_client = reason_of(refusal).is_empty() && refusal.message() != INTERNAL_ERROR;
        assert!(is_transient || is_from_client, "{}: {refusal:?}", summary(refusal));
        *self.refusals.lock().unwrap().entry(summary(refusal)).or_default() += 1;
    }

    /// Number of acknowledged writes.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until this many more writes are acknowledged.
    pub async fn wait_for_writes(&self, count: usize) {
        let wanted = self.count() + count;
        self.until("writes are acknowledged again", || self.count() >= wanted).await;
    }

    /// Waits until a writer is refused with this summary.
    pub async fn wait_for_refusal(&self, summary: &str) {
        self.until(summary, || self.refusals.lock().unwrap().contains_key(summary)).await;
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        until_ok(what, RECOVERY_TIMEOUT, async || {
            let holds = holds().then_some(());
            holds.ok_or_else(|| (self.count(), self.refusals.lock().unwrap().clone()))
        })
        .await;
    }

    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Compares the acknowledged writes with the rows of a table. Returns how often each refusal happened.
    pub async fn verify(self, suite: &Suite, table: &str) -> BTreeMap<String, usize> {
        let ids = self.acknowledged.into_inner().unwrap();
        assert_eq!(suite.count(table).await, ids.len() as i64, "each once");
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
        let found = suite.count(&format!("{table} WHERE id IN ({list})")).await;
        assert_eq!(found, ids.len() as i64, "none is lost");
        self.refusals.into_inner().unwrap()
    }
}

/// A write for [`WriteLoad`] that creates a task in this project.
pub fn task_writer(who: &Actor, project: &Project) -> impl AsyncFn(usize, String) -> Result<String, Status> {
    async |_, request_id| create_task(who, project, request_id).await
}

/// Creates a task with this `request_id` and returns the task's id.
pub async fn create_task(who: &Actor, project: &Project, request_id: String) -> Result<String, Status> {
    let new = Task { project_id: project.id.clone(), title: "buy milk".to_owned(), ..Default::default() };
    let request = CreateTaskRequest { request_id, task: Some(new) };
    Ok(who.tasks().create_task(request).await?.into_inner().id)
}

/// Kills and restarts something several times under a load of writes to this table, which are its only rows. Returns how
/// often each refusal happened.
pub async fn kill_under_load<W>(
    suite: &Suite,
    what: &str,
    table: &str,
    write: W,
    mut kill_and_restart: impl AsyncFnMut(),
) -> BTreeMap<String, usize>
where
    W: AsyncFn(usize, String) -> Result<String, Status>,
{
    let load = WriteLoad::new(write);
    let kills = async {
        for _ in 0..KILLS {
            load.wait_for_writes(WRITES_BETWEEN_KILLS).await;
            let killed = Instant::now();
            kill_and_restart().await;
            load.wait_for_writes(1).await;
            println!("{what} was killed; writes were acknowledged again after {:?}", killed.elapsed());
        }
        load.wait_for_writes(WRITES_BETWEEN_KILLS).await;
        load.stop();
    };
    tokio::join!(load.run(), kills);
    let refusals = load.verify(suite, table).await;
    println!("{what}: the writers were refused {refusals:?}");
    refusals
}
