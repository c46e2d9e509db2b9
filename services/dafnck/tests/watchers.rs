//! Many who follow a project and its tasks, in one process: what they cost, and how soon they hear.
//!
//! `DAFNCK_WATCHERS=1000` makes it a thousand of each. The figures are for those who look at the output.

use crate::harness::harness;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use proto::project::v1 as project;
use proto::project::v1::project_event::Resource as ProjectResource;
use proto::task::v1 as task;
use proto::task::v1::task_event::Resource as TaskResource;
use testkit::Actor;
use tonic::Streaming;

const DEFAULT_WATCHERS: usize = 60;
/// Streams of one user, who has one connection to each service.
const STREAMS_OF_ONE: usize = 50;
/// Changes of the project, and as many new tasks.
const CHANGES: usize = 40;
/// From one change to the next.
const PACE: Duration = Duration::from_millis(100);
/// How long a watcher may hear nothing.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Most memory of one stream, both ends together, in KiB.
const STREAM_KIB: usize = 256;

/// Resident memory of this process, in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// When each change was asked for, by its name, and how long after it each watcher heard of it.
#[derive(Default)]
struct Times {
    asked: Mutex<HashMap<String, Instant>>,
    delays: Mutex<Vec<Duration>>,
}

impl Times {
    fn ask(&self, name: &str) {
        self.asked.lock().unwrap().insert(name.to_owned(), Instant::now());
    }

    fn hear(&self, name: &str) {
        let delay = self.asked.lock().unwrap()[name].elapsed();
        self.delays.lock().unwrap().push(delay);
    }

    fn report(&self, what: &str, watchers: usize) {
        let mut delays = self.delays.lock().unwrap();
        assert_eq!(delays.len(), watchers * CHANGES, "{what}: some heard too little, or too much");
        delays.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| delays[(delays.len() - 1) * percent / 100]);
        println!("{what}: {} events to {watchers} watchers, p50 {p50:?}, p99 {p99:?}", delays.len());
    }
}

async fn hear_of_project(mut stream: Streaming<project::WatchProjectResponse>, times: &Times) {
    let mut heard = Vec::new();
    while heard.len() < CHANGES {
        let message = tokio::time::timeout(TIMEOUT, stream.message()).await.unwrap().unwrap().unwrap();
        for event in message.events {
            let Some(ProjectResource::Project(change)) = event.resource else { panic!("{event:?}") };
            heard.push(change.after.unwrap().name);
            times.hear(heard.last().unwrap());
        }
    }
    assert_eq!(heard, (0..CHANGES).map(|n| format!("change {n}")).collect::<Vec<_>>());
}

async fn hear_of_tasks(mut stream: Streaming<task::WatchTasksResponse>, times: &Times) {
    let mut heard = Vec::new();
    while heard.len() < CHANGES {
        let message = tokio::time::timeout(TIMEOUT, stream.message()).await.unwrap().unwrap().unwrap();
        for event in message.events {
            let Some(TaskResource::Task(change)) = event.resource else { panic!("{event:?}") };
            heard.push(change.after.unwrap().title);
            times.hear(heard.last().unwrap());
        }
    }
    assert_eq!(heard, (0..CHANGES).map(|n| format!("change {n}")).collect::<Vec<_>>());
}

async fn change_things(olga: &Actor, of: &project::Project, projects: &Times, tasks: &Times) {
    for number in 0..CHANGES {
        let name = format!("change {number}");
        tasks.ask(&name);
        olga.task(of, &name).await;
        projects.ask(&name);
        let renamed = project::Project { id: of.id.clone(), name, ..Default::default() };
        let mask = prost_types::FieldMask { paths: vec!["name".to_owned()] };
        let request = project::UpdateProjectRequest {
            project: Some(renamed),
            update_mask: Some(mask),
            ..Default::default()
        };
        olga.projects().update_project(request).await.unwrap();
        tokio::time::sleep(PACE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watchers_cost_little_and_hear_soon() {
    let watchers = std::env::var("DAFNCK_WATCHERS").map_or(DEFAULT_WATCHERS, |count| count.parse().unwrap());
    let suite = harness().start().await;
    let olga = suite.guest("olga").await;
    let of = olga.project("apollo").await;
    let mut users = Vec::new();
    for number in 0..watchers.div_ceil(STREAMS_OF_ONE) {
        let user = suite.guest(&format!("user{number}")).await;
        olga.add(&of, &user, project::ProjectRole::Viewer).await;
        users.push(user);
    }
    olga.task(&of, "so that all know of the project").await;
    suite.wait_for_open_transactions().await;

    let before = resident_kib();
    let opening = Instant::now();
    let (mut of_project, mut of_tasks) = (Vec::new(), Vec::new());
    for number in 0..watchers {
        let user = &users[number / STREAMS_OF_ONE];
        let request = project::WatchProjectRequest { project_id: of.id.clone(), ..Default::default() };
        of_project.push(user.projects().watch_project(request).await.unwrap().into_inner());
        let request = task::WatchTasksRequest { project_id: of.id.clone(), ..Default::default() };
        of_tasks.push(user.tasks().watch_tasks(request).await.unwrap().into_inner());
    }
    println!("{watchers} watchers of each kind came in {:?}", opening.elapsed());

    let (projects, tasks) = (Times::default(), Times::default());
    let (_, _, ()) = tokio::join!(
        join_all(of_project.into_iter().map(|stream| hear_of_project(stream, &projects))),
        join_all(of_tasks.into_iter().map(|stream| hear_of_tasks(stream, &tasks))),
        async {
            change_things(&olga, &of, &projects, &tasks).await;
            let grown = resident_kib().saturating_sub(before);
            println!("grown by {grown} KiB: {} KiB for each stream and its client", grown / watchers / 2);
            assert!(grown < watchers * 2 * STREAM_KIB + 32 * 1024, "{grown} KiB");
        },
    );
    projects.report("changes of the project", watchers);
    tasks.report("changes of tasks", watchers);
}
