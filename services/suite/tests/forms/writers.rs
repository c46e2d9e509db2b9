//! People who write all the time while something in the machinery is taken away, and who retry as the API tells them to:
//! with the same `request_id`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use shared::proto::project::v1::Project;
use shared::proto::task::v1::{CreateTaskRequest, ListTasksRequest};
use suite::testing::{Actor, Suite, new_id, summary};
use tokio::time::Instant;
use tonic::Code;

const WRITERS: usize = 6;
/// How long one write may take with all its retries.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What the writers have done.
#[derive(Default)]
pub struct Writing {
    is_over: AtomicBool,
    written: AtomicUsize,
}

impl Writing {
    /// Waits for so many more writes.
    pub async fn go_on_for(&self, writes: usize) {
        let (start, wanted) = (Instant::now(), self.written.load(Ordering::Relaxed) + writes);
        while self.written.load(Ordering::Relaxed) < wanted {
            assert!(start.elapsed() < PATIENCE, "the writers have stopped");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Writes until told to end. Every write that was acknowledged is there, under the id that was told, and none twice; the
/// session is good all the time. Tells how often the writers were refused for the moment.
pub async fn write(writing: &Writing, owner: &Actor, project: &Project) -> usize {
    let acknowledged =
        join_all((0..WRITERS).map(|writer| write_alone(writing, owner, project, writer))).await;
    let refusals = acknowledged.iter().map(|(_, refusals)| refusals).sum();
    let acknowledged: HashMap<String, String> =
        acknowledged.into_iter().flat_map(|(acknowledged, _)| acknowledged).collect();
    let found = all_tasks(owner, project).await;
    assert_eq!(found.len(), acknowledged.len(), "a write is lost or doubled");
    assert_eq!(found, acknowledged);
    refusals
}

async fn write_alone(
    writing: &Writing,
    owner: &Actor,
    project: &Project,
    writer: usize,
) -> (HashMap<String, String>, usize) {
    let (mut acknowledged, mut refusals) = (HashMap::new(), 0);
    while !writing.is_over.load(Ordering::Relaxed) {
        let request = CreateTaskRequest {
            request_id: new_id(),
            project_id: project.id.clone(),
            title: format!("{writer}: {}", acknowledged.len()),
            ..Default::default()
        };
        let start = Instant::now();
        let task = loop {
            match owner.tasks().create_task(request.clone()).await {
                Ok(answer) => break answer.into_inner(),
                Err(status) => {
                    let is_passing = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
                    assert!(is_passing && start.elapsed() < PATIENCE, "{}: {status:?}", summary(&status));
                    refusals += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        acknowledged.insert(task.id, task.title);
        writing.written.fetch_add(1, Ordering::Relaxed);
    }
    (acknowledged, refusals)
}

async fn all_tasks(owner: &Actor, project: &Project) -> HashMap<String, String> {
    let (mut found, mut page_token) = (HashMap::new(), String::new());
    loop {
        let request = ListTasksRequest {
            project_id: project.id.clone(),
            page_size: 1000,
            page_token,
            ..Default::default()
        };
        let page = owner.tasks().list_tasks(request).await.unwrap().into_inner();
        found.extend(page.tasks.into_iter().map(|task| (task.id, task.title)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

/// Somebody with a project to write into, whose session all services know.
pub async fn owner(suite: &Suite) -> (Actor, Project) {
    let owner = suite.guest("olga").await;
    let project = owner.project("apollo").await;
    owner.task(&project, "warm").await;
    let warm = ListTasksRequest { project_id: project.id.clone(), ..Default::default() };
    owner.tasks().list_tasks(warm).await.unwrap();
    (owner.clone(), owner.project("writing").await)
}
