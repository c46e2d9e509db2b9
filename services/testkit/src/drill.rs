//! Something is taken away under a write load: no acknowledged write is lost, none is doubled.

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
/// Writers of a [`Load`]; they are numbered from 0.
const WRITERS: usize = 4;
/// Writes that are acknowledged before each kill, and after the last one.
const BETWEEN: usize = 20;
/// How long it may take until writes are acknowledged again.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a service says of an error that it does not know.
const DEFECT: &str = "internal error";
const PAUSE: Duration = Duration::from_millis(50);

/// Writers who make the same call again, under the same `request_id`, until it is acknowledged.
pub struct Load<W> {
    /// Makes the call of this writer under this `request_id`, and tells the id of what it made.
    write: W,
    acknowledged: Mutex<Vec<String>>,
    refusals: Mutex<BTreeMap<String, usize>>,
    over: AtomicBool,
}

impl<W: AsyncFn(usize, String) -> Result<String, Status>> Load<W> {
    pub fn new(write: W) -> Self {
        Self {
            write,
            acknowledged: Mutex::default(),
            refusals: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Writes until told to end.
    pub async fn run(&self) {
        join_all((0..WRITERS).map(|writer| self.write_alone(writer))).await;
    }

    async fn write_alone(&self, writer: usize) {
        while !self.over.load(Ordering::Relaxed) {
            let request_id = new_id();
            let id = loop {
                match (self.write)(writer, request_id.clone()).await {
                    Ok(id) => break id,
                    Err(refusal) => self.refused(&refusal),
                }
                tokio::time::sleep(PAUSE).await;
            };
            self.acknowledged.lock().unwrap().push(id);
        }
    }

    /// What the service itself says must be a passing state; what the client says when the service is gone, is one.
    fn refused(&self, refusal: &Status) {
        let is_passing =
            matches!(refusal.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted);
        let is_said_by_client = reason_of(refusal).is_empty() && refusal.message() != DEFECT;
        assert!(is_passing || is_said_by_client, "{}: {refusal:?}", summary(refusal));
        *self.refusals.lock().unwrap().entry(summary(refusal)).or_default() += 1;
    }

    /// How many writes were acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more writes are acknowledged.
    pub async fn more(&self, by: usize) {
        let wanted = self.count() + by;
        self.until("writes are acknowledged again", || self.count() >= wanted).await;
    }

    /// Waits until somebody is refused like this.
    pub async fn is_refused(&self, how: &str) {
        self.until(how, || self.refusals.lock().unwrap().contains_key(how)).await;
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        until_ok(what, PATIENCE, async || {
            let is_so = is_so().then_some(());
            is_so.ok_or_else(|| (self.count(), self.refusals.lock().unwrap().clone()))
        })
        .await;
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Compares what was acknowledged with the rows of a table, and tells how the writers were refused meanwhile.
    pub async fn agrees(self, suite: &Suite, table: &str) -> BTreeMap<String, usize> {
        let ids = self.acknowledged.into_inner().unwrap();
        assert_eq!(suite.count(table).await, ids.len() as i64, "each once");
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
        let found = suite.count(&format!("{table} WHERE id IN ({list})")).await;
        assert_eq!(found, ids.len() as i64, "none is lost");
        self.refusals.into_inner().unwrap()
    }
}

/// Writes that each make a task in this project.
pub fn making_tasks(who: &Actor, project: &Project) -> impl AsyncFn(usize, String) -> Result<String, Status> {
    async |_, request_id| make_task(who, project, request_id).await
}

/// Makes a task under this `request_id`, and tells its id.
pub async fn make_task(who: &Actor, project: &Project, request_id: String) -> Result<String, Status> {
    let new = Task { project_id: project.id.clone(), title: "buy milk".to_owned(), ..Default::default() };
    let request = CreateTaskRequest { request_id, task: Some(new) };
    Ok(who.tasks().create_task(request).await?.into_inner().id)
}

/// Kills something again and again under a load of writes to this table, which are its only rows, and tells how the
/// writers were refused meanwhile.
pub async fn survives<W>(
    suite: &Suite,
    what: &str,
    table: &str,
    write: W,
    mut kill_and_start: impl AsyncFnMut(),
) -> BTreeMap<String, usize>
where
    W: AsyncFn(usize, String) -> Result<String, Status>,
{
    let load = Load::new(write);
    let drill = async {
        for _ in 0..KILLS {
            load.more(BETWEEN).await;
            let killed = Instant::now();
            kill_and_start().await;
            load.more(1).await;
            println!("{what} was killed; writes were acknowledged again after {:?}", killed.elapsed());
        }
        load.more(BETWEEN).await;
        load.end();
    };
    tokio::join!(load.run(), drill);
    let refusals = load.agrees(suite, table).await;
    println!("{what}: the writers were refused {refusals:?}");
    refusals
}
